/*
 * command: what people can ask the chat to do.
 *
 * One table for all doors: `/who` typed under the conversation and `ssh ada@box who` are the same
 * row. Each row has its help and an example, says at which doors it makes sense, and has a function
 * that runs on the worker's thread with the store: it reads a request and writes the answer, an
 * exit status and, for what only the session can do, an effect. It knows nothing of sessions.
 *
 *     struct request request = {.person = ..., .door = DOOR_EXEC, ...};
 *     request_init(&request);
 *     if (command_parse(&request, "history --since yesterday") == 0)
 *         command_carry_out(&request, store);
 *     ... request.out, request.err, request.status ...
 *     request_done(&request);
 *
 * The handlers stand in command_help.c, command_talk.c, command_look.c, command_self.c and
 * command_host.c.
 */
#ifndef CHAT_COMMAND_H
#define CHAT_COMMAND_H

#include "chat/render.h"
#include "config/config.h"
#include "identity/conversation.h"
#include "identity/credential.h"
#include "identity/presence.h"
#include "identity/store.h"

#define COMMAND_MAX_OPTIONS 8
#define COMMAND_MAX_OUT     (4 * 1024 * 1024) /* bytes of one answer */

enum door {
    DOOR_TERMINAL = 1, /* typed under the conversation */
    DOOR_LINES = 2,    /* among the lines of a session without a terminal */
    DOOR_EXEC = 4,     /* ssh NAME@BOX COMMAND */
};
#define DOOR_SESSION (DOOR_TERMINAL | DOOR_LINES)
#define DOOR_ANY     (DOOR_SESSION | DOOR_EXEC)

/* What the session has to do itself when the answer is there. */
enum effect {
    EFFECT_NONE,
    EFFECT_QUIT,     /* say good-bye */
    EFFECT_ROOM,     /* stand in request.room now; its newest lines are in out */
    EFFECT_SETTINGS, /* settings of the person changed: load them */
    EFFECT_STDIN,    /* `say` without words: each line that comes in is said */
    EFFECT_DROP,     /* `drop NAME`: request.path, from what comes in */
    EFFECT_GET,      /* `get NAME`: request.path, to what goes out */
};

struct command;

struct request {
    /* Filled in by the caller. */
    struct person person;
    enum door door;
    struct room here;      /* the room one stands in */
    int64_t session_id;    /* the presence row; 0 none */
    int64_t credential_id; /* with which one came in */
    int64_t reply_to;      /* who wrote in private last while one was here; 0 nobody */
    struct render_style style;
    const char *term;    /* TERM */
    int columns, rows;   /* of the terminal; 0: there is none */
    const char *address; /* under which the person reached the box, without port */
    const struct config *config;
    /* From command_parse. */
    const struct command *command;
    char *line;      /* as typed, behind the command */
    char *words;     /* the same without the options; NULL if the command takes none */
    char *arguments; /* points into one of them */
    struct {
        const char *name, *value;
    } options[COMMAND_MAX_OPTIONS];
    size_t option_count;
    /* The answer. */
    struct buf out, err;
    int status; /* 0 done, 1 it could not be, 2 not understood */
    enum effect effect;
    struct room room;
    char *path;
};

struct command {
    const char *name, *also; /* also: another word for it, or NULL */
    unsigned doors;
    bool hosts;   /* for hosts only */
    bool waiting; /* those whom a host has not let in yet may, too */
    const char
        *options; /* `since= json`: those it takes, `=` with a value; NULL: none are parsed */
    const char *usage, *help, *example;
    void (*run)(struct store *store, struct request *request);
};

extern const struct command command_table[];
extern const size_t command_count;

void request_init(struct request *request);
void request_done(struct request *request);

/* By name or other name; NULL if there is none at that door. */
const struct command *command_find(const char *word, size_t length, enum door door);

/* The command that a mistyped word probably means; NULL. */
const struct command *command_near(const char *word, enum door door);

/*
 * Finds the command of a line (without its slash) and keeps its arguments. 0; -1: there is none,
 * err and status say so.
 */
int command_parse(struct request *request, const char *line);

/* Runs it, on the worker's thread. */
void command_carry_out(struct request *request, struct store *store);

/* ---- for handlers ---- */

/* Cuts the first word off *rest; NULL if there is none. */
char *command_word(char **rest);

/* The value of an option, "" for one that takes none, NULL if it was not given. */
const char *command_option(const struct request *request, const char *name);

/* Ends with a sentence to err and this status. */
void command_fail(struct request *request, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A line of the answer, as a notice under a conversation and as plain text elsewhere. */
void command_say(struct request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The person of that name, or a sentence in err. 0 or -1. */
int command_person(struct request *request, struct store *store, const char *name,
                   struct person *person);

/* `ssh -p 2222 ada@10.77.0.1` and `http://10.77.0.1:8080/`, as this session reached the box. */
void command_ssh_line(const struct request *request, const char *name, struct buf *out);
void command_web_address(const struct request *request, struct buf *out);

/* What a room is about: `http://10.77.0.1/ · demos at 17:00`. The lobby's topic begins with the
 * box's address, as a session reached it, for those who only know the chat; then what people set.
 * Nothing if there is neither. */
void command_topic_of(const struct config *config, const char *address, const struct room *room,
                      struct buf *out);

/* Words may be said by this person now? 0, or -1 with the reason in err. */
int command_may_speak(struct request *request);

typedef void command_handler(struct store *store, struct request *request);
command_handler command_help, command_chat, command_quit;
command_handler command_who, command_history, command_search, command_files, command_rooms,
    command_whoami, command_rm, command_drop, command_get;
command_handler command_say_words, command_msg, command_reply, command_me, command_join,
    command_leave, command_topic, command_away, command_delete, command_report;
command_handler command_nick, command_color, command_time, command_bell, command_plain,
    command_ignore, command_key, command_web, command_token;
command_handler command_people, command_show, command_bans, command_act;

#endif
