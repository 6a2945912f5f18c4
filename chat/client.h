/*
 * client: somebody's connection, as the chat sees it.
 *
 * A session (session.c) brings bytes and takes bytes; what they mean is decided here. A client is
 * one of three things, by what its SSH client asked for: a conversation on a terminal, with an
 * editor under it; a conversation of lines, for bots and pipes; or one command, with an exit
 * status. Nothing here waits and nothing here writes to a connection: answers go into `out` and
 * `err`, which are bounded; a client whose queue is full is `lost`.
 *
 * Everything runs on the loop's thread, at the top level, never in a callback of libssh.
 */
#ifndef CHAT_CLIENT_H
#define CHAT_CLIENT_H

#include "chat/command.h"
#include "chat/editor.h"
#include "chat/screen.h"
#include "chat/worker.h"

/* Of a conversation. A terminal that falls back further is lost; lines are read from the store once
 * half of it is full, and lost if nobody reads for so long. */
#define CLIENT_MAX_OUT   (256 * 1024)
#define CLIENT_BEHIND_MS 60000
#define CLIENT_MAX_IN    (128 * 1024)
#define CLIENT_SAYING    64 /* what one client may have said before the store has it */

struct hall;
struct somebody;

enum client_kind { CLIENT_NEW, CLIENT_TERMINAL, CLIENT_LINES, CLIENT_COMMAND };

enum client_step {
    CLIENT_ENTERING, /* the store is asked who this is */
    CLIENT_ENTERED,  /* known; has not asked for anything yet */
    CLIENT_OPENING,  /* the newest messages are on their way, or those that it fell behind with */
    CLIENT_OPEN,     /* takes part */
    CLIENT_LEAVING,  /* nothing more is taken; out is still to be sent */
};

/* What the session found out. */
struct client_facts {
    char name[NAME_MAX_BYTES];
    int64_t person_id; /* who it is, if known: another channel of a connection; name may be old */
    uint8_t key[DIGEST_SHA256_SIZE];
    char label[128];
    char code[CODE_TEXT]; /* that makes the key one of theirs; "": it needs none */
    char address[64];     /* the peer's */
    char local[64];       /* the box's own, as the peer reached it */
};

struct client {
    struct client *next, **link;
    struct hall *hall;
    struct somebody *somebody; /* NULL until entered */
    struct client_facts facts;
    enum client_kind kind;
    enum client_step step;
    bool asked;       /* what it wants is known: it begins as soon as it has entered */
    bool interactive; /* there is a terminal */
    bool newcomer;    /* claimed its name just now */
    char *command;    /* CLIENT_COMMAND */
    char term[32];
    struct editor *editor; /* CLIENT_TERMINAL */
    struct screen *screen;
    struct buf in, out, err;
    bool in_ended;        /* nothing more comes in */
    bool overlong;        /* a line that in did not hold: its rest is passed over */
    bool dirty;           /* the line has changed: client_redraw */
    bool lost;            /* out was full */
    bool gone;            /* the session is gone */
    bool expelled;        /* ended by others: not even a transfer goes on */
    int status;           /* for LEAVING */
    enum effect transfer; /* LEAVING to a thread: EFFECT_DROP or EFFECT_GET of path */
    char *path;
    unsigned jobs;           /* on their way; the client is kept until they are back */
    unsigned saying;         /* how many of them say something */
    bool asking;             /* a command is one: what stands behind it waits for what it does */
    bool json, saying_lines; /* CLIENT_LINES: --json; `say` without words */
    int64_t since;           /* CLIENT_OPENING: what the store is read behind; -1 nothing */
    bool reading;            /* a page of that is on its way */
    int64_t behind_at;       /* monotonic: since when it is behind and reads nothing; 0 it is not */
    int64_t session_id, credential_id;
    struct room room;   /* where one stands */
    int64_t last_at;    /* of the last message shown */
    int64_t key_at;     /* monotonic: the last byte that came */
    int64_t key_kept;   /* the last one that the store knows of */
    int64_t keep_at;    /* when it may be told again */
    int64_t refused_at; /* monotonic: the last line that may not be said; 0 never */
};

/* Somebody's key has been verified: asks the store to let them in. */
struct client *client_new(struct hall *hall, const struct client_facts *facts);

/* A door of this client's in the list of who is here, until it leaves. */
void client_appear(struct client *client, const char *door);

/* What the SSH client asks for. A shell with or without a terminal; a command. */
void client_terminal(struct client *client, const char *term, int columns, int rows);
void client_resize(struct client *client, int columns, int rows);
void client_shell(struct client *client);
void client_exec(struct client *client, const char *command);

/* Bytes have been put into client->in, or its end has come (in_ended). */
void client_input(struct client *client);

/* The session has sent something of out and wants more. */
void client_drained(struct client *client);

/* The line under the conversation is drawn again if it was taken away. Before sending. */
void client_redraw(struct client *client);

/* Ends the client with a sentence (or NULL) and an exit status. */
void client_end(struct client *client, int status, const char *sentence);

/* The session is gone. Releases the client, as soon as its jobs are back. */
void client_leave(struct client *client);

/* ---- for the hall ---- */

/* How this client sees the chat. */
void client_style(const struct client *client, struct render_style *style);

/* Shows bytes of conversation, ready for this kind of client; bell: ring. */
void client_show(struct client *client, const char *text, size_t length, bool bell);

/* Whether somebody who gets lines reads so slowly that message id, and what follows, has to wait in
 * the store until the queue has room again. */
bool client_falls_behind(struct client *client, int64_t id);

/* Puts an answer into a queue of the client's, which may grow for it: it was asked for, and one at
 * a time. */
void client_answer(struct client *client, const struct buf *text, struct buf *queue);

/* A line of the box's own to this client alone. */
void client_tell(struct client *client, const char *sentence);

/* ---- client_open.c: how the conversation begins ---- */

/* Begins what was asked for, once client_enter.c knows who it is. */
void client_begin(struct client *client);
/* Asks for the next messages behind client->since. */
void client_more(struct client *client);

/* ---- client_ask.c: what is typed or comes as a line ---- */

/* One line: something to say or a command. */
void client_line(struct client *client, const char *line);
/* Runs a command of this client (without its slash). */
void client_ask(struct client *client, const char *line, enum door door);
/* Completes the word at the editor's cursor. */
void client_complete(struct client *client);
/* A job of this client is back. False: the client is gone, do nothing with it. */
bool client_job_done(struct client *client);

#endif
