/* Commands that say something, or move between rooms. */
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "chat/command.h"

#include <stdlib.h>
#include <string.h>

#define REPORT_LINES 20 /* of what was said before, for the hosts */
#define REPORT_BYTES 6000

int command_may_speak(struct request *request)
{
    char clock[WHEN_MAX];

    if (request->person.muted_until <= when_wall_ms())
        return 0;
    when_clock(request->person.muted_until, clock);
    command_fail(request, 1, "a host has muted you until %s; you may still read", clock);
    return -1;
}

/* Says something of this person's own; cleans and bounds it. The id, or 0 with the reason in err.
 */
static int64_t say(struct store *store, struct request *request, struct message_new *message,
                   const char *text)
{
    size_t max = (size_t)request->config->chat.max_message;
    struct buf clean;
    int64_t id = 0;

    if (command_may_speak(request) != 0)
        return 0;
    buf_init(&clean, MESSAGE_MAX_TEXT);
    if (text_clean(&clean, text, strlen(text), TEXT_MANY_LINES) != 0 || clean.len > max) {
        command_fail(request, 1, "that is too long: a message has at most %zu bytes", max);
    } else if (buf_text(&clean)[strspn(buf_text(&clean), " \n")] == '\0') {
        command_fail(request, 2, "say what? %s %s", request->command->name,
                     request->command->usage);
    } else {
        message->person_id = request->person.id;
        message->text = buf_text(&clean);
        if (conversation_say(store, message, 1, &id) != 0)
            command_fail(request, 1, "that could not be kept, so it was not said; try again");
    }
    buf_done(&clean);
    return id;
}

void command_say_words(struct store *store, struct request *request)
{
    struct message_new message = {.room_id = request->here.id, .kind = MESSAGE_SAY};

    if (request->arguments[0] == '\0' && request->door == DOOR_EXEC)
        request->effect = EFFECT_STDIN;
    else
        say(store, request, &message, request->arguments);
}

void command_me(struct store *store, struct request *request)
{
    struct message_new message = {.room_id = request->here.id, .kind = MESSAGE_ME};

    say(store, request, &message, request->arguments);
}

static void say_private(struct store *store, struct request *request, int64_t to)
{
    struct message_new message = {.to_id = to, .kind = MESSAGE_SAY};

    if (ignore_is(store, to, request->person.id) == 1)
        command_say(request, "(they may not be reading you)");
    say(store, request, &message, request->arguments);
}

void command_msg(struct store *store, struct request *request)
{
    char *name = command_word(&request->arguments);
    struct person to;

    if (command_person(request, store, name, &to) != 0)
        return;
    if (to.id == request->person.id)
        command_fail(request, 1, "that is you");
    else
        say_private(store, request, to.id);
}

/* Who wrote to this person last, when they were not here; 0 nobody. */
static int64_t last_writer(struct store *store, int64_t person_id)
{
    struct rows rows;
    int64_t found = 0;

    rows_open(&rows, store,
              "SELECT person_id FROM message WHERE to_id = ? AND person_id IS NOT NULL "
              "ORDER BY id DESC LIMIT 1",
              "i", person_id);
    if (rows_next(&rows) == 1)
        found = rows_int(&rows, 0);
    rows_close(&rows);
    return found;
}

void command_reply(struct store *store, struct request *request)
{
    int64_t to =
        request->reply_to != 0 ? request->reply_to : last_writer(store, request->person.id);

    if (to == 0)
        command_fail(request, 1, "nobody has written to you in private; /msg NAME TEXT begins");
    else
        say_private(store, request, to);
}

/* ---- rooms ---- */

struct lines {
    struct request *request;
    int64_t last_at;
    size_t count;
};

static void put_message(void *context, const struct message *message)
{
    struct lines *lines = context;
    struct render_style style = lines->request->style;

    if (style.form == RENDER_TERMINAL && style.time != TIME_OFF &&
        (lines->last_at == 0 || render_days_differ(lines->last_at, message->at)))
        render_day(&lines->request->out, message->at, &style);
    lines->last_at = message->at;
    lines->count++;
    style.mine = message->person_id == lines->request->person.id;
    render_message(&lines->request->out, message, &style);
}

/* `lobby: http://10.77.0.1/`; behind it how to set a topic, if it has none. */
static void say_topic(struct request *request, const struct room *room, const char *how)
{
    struct buf topic;

    buf_init(&topic, 4 * TOPIC_MAX);
    command_topic_of(request->config, request->address, room, &topic);
    command_say(request, "%s%s%s%s", room->name, topic.len > 0 ? ": " : "", buf_text(&topic),
                room->topic[0] == '\0' ? how : "");
    buf_done(&topic);
}

void command_join(struct store *store, struct request *request)
{
    char *name = command_word(&request->arguments);
    struct message_query query = {.limit = request->config->chat.history, .newest = true};
    struct lines lines = {.request = request};
    int opened;

    if (name == NULL) {
        command_fail(request, 2, "which room? /rooms lists them");
        return;
    }
    opened = room_open(store, name[0] == '#' ? name + 1 : name, &request->room);
    if (opened != 1) {
        command_fail(request, 1,
                     opened == 0 ? "a room's name has 1 to 32 of a-z 0-9 . _ -, and "
                                   "begins with a letter or digit"
                                 : "the room could not be opened; try again");
        return;
    }
    member_join(store, request->room.id, request->person.id);
    if (request->session_id != 0)
        presence_move(store, request->session_id, request->room.id);
    request->effect = EFFECT_ROOM;
    query.room_id = request->room.id;
    query.reader_id = request->person.id;
    say_topic(request, &request->room, "");
    if (query.limit > 0)
        conversation_read(store, &query, put_message, &lines);
}

void command_leave(struct store *store, struct request *request)
{
    char *name = command_word(&request->arguments);
    struct room room = request->here;

    if (name != NULL && room_by_name(store, name[0] == '#' ? name + 1 : name, &room) != 1) {
        command_fail(request, 1, "there is no room %.40s", name);
        return;
    }
    if (room.id == ROOM_LOBBY) {
        command_fail(request, 1, "everybody is in the lobby; /quit leaves altogether");
        return;
    }
    member_leave(store, room.id, request->person.id);
    command_say(request, "you left %s", room.name);
    request->effect = EFFECT_SETTINGS; /* the rooms are loaded with them */
    if (room.id != request->here.id)
        return;
    request->effect = EFFECT_ROOM;
    room_by_id(store, ROOM_LOBBY, &request->room);
    if (request->session_id != 0)
        presence_move(store, request->session_id, ROOM_LOBBY);
}

void command_topic(struct store *store, struct request *request)
{
    struct room room;

    if (request->arguments[0] == '\0') {
        room = request->here;
        room_by_id(store, request->here.id, &room);
        say_topic(request, &room,
                  request->door == DOOR_EXEC ? " (topic TEXT sets its topic)"
                                             : " (/topic TEXT sets its topic)");
        return;
    }
    if (command_may_speak(request) != 0)
        return;
    if (strlen(request->arguments) > TOPIC_MAX)
        command_fail(request, 1, "a topic has at most %d bytes", TOPIC_MAX);
    else if (room_set_topic(store, request->here.id, request->person.id, request->arguments) != 0)
        command_fail(request, 1, "the topic could not be kept; try again");
}

void command_away(struct store *store, struct request *request)
{
    struct buf clean;

    buf_init(&clean, 200);
    text_clean(&clean, request->arguments, strlen(request->arguments), TEXT_ONE_LINE);
    presence_away(store, request->session_id, buf_text(&clean));
    if (clean.len > 0)
        command_say(request, "you are away: %s", buf_text(&clean));
    else
        command_say(request, "you are here");
    buf_done(&clean);
}

/* ---- taking back, reporting ---- */

static void keep_message(void *context, const struct message *message)
{
    struct message *kept = context;

    *kept = *message;
    kept->text = NULL;
}

void command_delete(struct store *store, struct request *request)
{
    struct message message = {0};
    char *word = command_word(&request->arguments);
    struct person author = request->person;
    int64_t id = 0;
    enum person_act act;

    if (word != NULL && word[strspn(word, "0123456789")] == '\0')
        id = strtoll(word, NULL, 10);
    else if (word != NULL && command_person(request, store, word, &author) != 0)
        return;
    if (id == 0 && conversation_last_of(store, author.id, request->here.id, &id) != 1) {
        command_fail(request, 1, "nothing was said here that could be taken back");
        return;
    }
    if (conversation_get(store, id, keep_message, &message) != 1 ||
        (message.room_id == 0 && message.person_id != request->person.id &&
         message.to_id != request->person.id)) { /* what is private is there for two */
        command_fail(request, 1, "there is no message of that number");
        return;
    }
    if (message.person_id != request->person.id &&
        (request->person.role != ROLE_HOST || message.room_id == 0)) {
        command_fail(request, 1, "that is not yours to take back");
        return;
    }
    act = conversation_remove(store, id, request->person.id);
    if (act == ACT_DONE)
        command_say(request, "taken back; the words are gone, a mark stays");
    else
        command_fail(request, 1, "%s", person_act_text(act));
}

static void quote(void *context, const struct message *message)
{
    struct buf *out = context;
    struct render_style style = {.form = RENDER_LINE};

    render_message(out, message, &style);
}

void command_report(struct store *store, struct request *request)
{
    char *name = command_word(&request->arguments);
    struct message_query query = {
        .reader_id = request->person.id, .limit = REPORT_LINES, .newest = true};
    struct person about;
    struct buf text;

    if (command_person(request, store, name, &about) != 0)
        return;
    buf_init(&text, REPORT_BYTES);
    buf_printf(&text, "%s\n", request->arguments);
    query.person_id = about.id;
    conversation_read(store, &query, quote, &text);
    if (report_make(store, request->person.id, about.id, buf_text(&text)) != 0)
        command_fail(request, 1, "the report could not be kept; tell a host yourself");
    else
        command_say(request, "the hosts are told about %s, with what they said of late; thank you",
                    about.name);
    buf_done(&text);
}
