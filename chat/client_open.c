/* How the conversation begins, and goes on for who fell behind: the store says what was said. */
#include "chat/client.h"
#include "chat/hall.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MISSED     20  /* private messages shown to somebody who comes back */
#define PAGE       200 /* messages of --since at a time */
#define MAX_NOTICE (16 * 1024)
#define NEW_LINE   "new since you left"

struct ids {
    int64_t *list;
    size_t count;
};

struct open_job {
    struct job job;
    struct client *client;
    struct person person;
    char address[64];
    struct render_style style;
    bool newcomer, greet, page;
    const char *notice_path;
    int64_t history, since, room_id;
    struct ids ignored;
    struct ids rooms; /* only these; NULL: all */
    /* found */
    int64_t session_id, hosts, people, last_at, seen, newest, last_id;
    size_t count;
    bool marked, more, full;
    struct room room;
    struct buf out, notice;
};

static bool is_among(const struct ids *ids, int64_t id)
{
    for (size_t i = 0; i < ids->count; i++)
        if (ids->list[i] == id)
            return true;
    return false;
}

static bool is_left_out(const struct open_job *open, const struct message *message)
{
    return is_among(&open->ignored, message->person_id) ||
           (open->rooms.list != NULL && message->room_id != 0 &&
            !is_among(&open->rooms, message->room_id));
}

static void put_marker(struct open_job *open)
{
    buf_printf(&open->out, open->style.plain ? "%s%s%s\n" : "%s--- %s ---%s\n",
               open->style.plain ? "" : render_bold(&open->style), NEW_LINE,
               open->style.plain ? "" : render_reset(&open->style));
}

static void put_history(void *context, const struct message *message)
{
    struct open_job *open = context;
    struct render_style style = open->style;
    size_t before = open->out.len;

    if (open->full)
        return;
    open->count++;
    if (is_left_out(open, message)) {
        open->last_id = message->id;
        return;
    }
    if (style.form == RENDER_TERMINAL) {
        if (open->last_at == 0 || render_days_differ(open->last_at, message->at))
            render_day(&open->out, message->at, &style);
        if (open->seen > 0 && message->id > open->seen && !open->marked &&
            message->person_id != open->person.id) {
            put_marker(open);
            open->marked = true;
        }
    }
    open->last_at = message->at;
    style.mine = message->person_id == open->person.id;
    style.mention = !style.mine && style.form == RENDER_TERMINAL &&
                    (message->room_id == 0 || render_mentions(message->text, open->person.name));
    style.room = message->room_id != ROOM_LOBBY;
    render_message(&open->out, message, &style);
    open->full = open->out.overflowed;
    if (open->full) /* a page goes on with it next time */
        buf_truncate(&open->out, before);
    else
        open->last_id = message->id;
}

static void put_missed(void *context, const struct message *message)
{
    struct open_job *open = context;

    if (message->person_id != open->person.id)
        put_history(context, message);
}

/* What others told this person alone in the meantime: no room's history has it. */
static void read_missed(struct open_job *open, struct store *store)
{
    struct message_query query = {.reader_id = open->person.id,
                                  .room_id = -1,
                                  .after = open->seen,
                                  .before = open->newest + 1,
                                  .limit = MISSED,
                                  .newest = true};

    conversation_read(store, &query, put_missed, open);
}

static void read_history(struct open_job *open, struct store *store)
{
    struct message_query query = {.reader_id = open->person.id,
                                  .room_id = open->page ? 0 : open->room_id,
                                  .before = open->job.newest + 1,
                                  .limit = open->page ? PAGE : open->history,
                                  .newest = !open->page,
                                  .after = open->page ? open->since : 0};

    open->newest = open->job.newest;
    if (query.limit > 0)
        conversation_read(store, &query, put_history, open);
    open->more = open->page && (open->count == PAGE || open->full);
    if (open->greet && !open->page && open->style.form == RENDER_TERMINAL)
        read_missed(open, store);
}

static void run_open(struct job *job, struct store *store)
{
    struct open_job *open = (struct open_job *)job;

    if (open->session_id == 0) {
        presence_enter(store, "ssh", open->person.id, open->address, &open->session_id);
        presence_move(store, open->session_id, open->room_id);
    }
    if (open->greet) {
        open->hosts = person_host_count(store);
        open->people = person_count(store);
        open->seen = member_last_seen(store, open->room_id, open->person.id);
        room_by_id(store, open->room_id, &open->room);
        if (open->newcomer && open->notice_path[0] != '\0')
            fs_read_file(open->notice_path, &open->notice);
    }
    if ((open->greet || open->page) && open->person.role != ROLE_WAITING)
        read_history(open, store);
}

static void put_people(struct buf *out, const struct hall *hall)
{
    for (size_t i = 0; i < hall->here_count && i < 12; i++)
        buf_printf(out, "%s%s", i > 0 ? ", " : "", hall->here[i].name);
    if (hall->here_count > 12)
        buf_printf(out, " and %zu more", hall->here_count - 12);
}

static void greet_first(struct client *client, const struct open_job *open)
{
    struct buf text;

    if (open->hosts != 0 || open->people != 1)
        return;
    buf_init(&text, 512);
    buf_printf(&text,
               "you are the first one here. Whoever runs the box makes a host with:\n"
               "    riad people promote %s",
               open->person.name);
    client_tell(client, buf_text(&text));
    buf_done(&text);
}

static void tell_waiting(struct client *client, const char *name)
{
    struct buf text;

    buf_init(&text, 256);
    buf_printf(&text, "%s waits to be let in: /admit %s", name, name);
    hall_tell_hosts(client->hall, buf_text(&text));
    buf_done(&text);
}

static void put_topic(const struct client *client, const struct room *room, struct buf *text)
{
    struct buf topic;

    buf_init(&topic, 4 * TOPIC_MAX);
    command_topic_of(client->hall->config, client->facts.local, room, &topic);
    if (topic.len > 0)
        buf_printf(text, "\n%s: %s", room->name, buf_text(&topic));
    buf_done(&topic);
}

static void greet(struct client *client, const struct open_job *open)
{
    const struct hall *hall = client->hall;
    struct buf text, clean;

    buf_init(&text, 4096);
    buf_printf(&text, "%s: welcome%s, %s. /help lists what you can do.", hall->config->box.title,
               open->newcomer ? "" : " back", open->person.name);
    if (hall->here_count > 1) {
        buf_puts(&text, "\nhere: ");
        put_people(&text, hall);
    }
    put_topic(client, &open->room, &text);
    client_tell(client, buf_text(&text));
    buf_done(&text);
    if (open->notice.len > 0) {
        buf_init(&clean, MAX_NOTICE);
        text_clean(&clean, open->notice.data, open->notice.len, TEXT_MANY_LINES);
        client_tell(client, buf_text(&clean));
        buf_done(&clean);
    }
    greet_first(client, open);
    if (open->person.role == ROLE_WAITING) {
        client_tell(client, "a host has to let you in; please wait, you will be told");
        tell_waiting(client, open->person.name);
    }
}

static void take_open(struct client *client, struct open_job *open)
{
    client->session_id = open->session_id;
    if (client->step == CLIENT_LEAVING)
        return;
    if (open->greet)
        greet(client, open);
    client_answer(client, &open->out, &client->out);
    if (open->last_at > 0)
        client->last_at = open->last_at;
    if (open->more) {
        client->since = open->last_id;
        return;
    }
    client->since = -1;
    client->behind_at = 0;
    client->step = CLIENT_OPEN;
    client->dirty = true;
    hall_shown(client, open->newest);
    client_input(client);
}

static void done_open(struct job *job)
{
    struct open_job *open = (struct open_job *)job;
    struct client *client = open->client;

    /* Known even if the client is gone: it is what has to be removed. */
    client->session_id = open->session_id;
    client->reading = false;
    if (client_job_done(client)) {
        take_open(client, open);
        if (open->more)
            client_drained(client);
    }
    buf_done(&open->out);
    buf_done(&open->notice);
    free(open->ignored.list);
    free(open->rooms.list);
    free(open);
}

static struct ids ids_new(size_t count)
{
    return (struct ids){mem_array(count, sizeof(int64_t)), count};
}

static void put_open(struct client *client)
{
    struct open_job *open = mem_alloc(sizeof(*open));
    const struct profile *profile = &client->somebody->profile;

    open->job = (struct job){.run = run_open, .done = done_open};
    open->client = client;
    open->person = client->somebody->person;
    snprintf(open->address, sizeof(open->address), "%s", client->facts.address);
    client_style(client, &open->style);
    open->newcomer = client->newcomer;
    open->greet = client->kind == CLIENT_TERMINAL;
    open->page = client->since >= 0;
    open->since = client->since;
    open->notice_path = client->hall->config->box.notice;
    open->history = client->hall->config->chat.history;
    open->room_id = client->room.id;
    open->session_id = client->session_id;
    open->ignored = ids_new(profile->ignored_count);
    if (profile->ignored_count > 0)
        memcpy(open->ignored.list, profile->ignored, profile->ignored_count * sizeof(int64_t));
    if (client->behind_at != 0) { /* as it would have heard it; --since has all rooms */
        open->rooms = ids_new(profile->room_count);
        for (size_t i = 0; i < profile->room_count; i++)
            open->rooms.list[i] = profile->rooms[i].room_id;
    }
    buf_init(&open->out, open->page ? CLIENT_MAX_OUT : COMMAND_MAX_OUT);
    buf_init(&open->notice, MAX_NOTICE);
    client->jobs++;
    client->reading = true;
    client->behind_at = client->behind_at != 0 ? when_monotonic_ms() : 0;
    worker_put(client->hall->worker, &open->job);
}

void client_more(struct client *client)
{
    put_open(client);
}

/* `chat --json --since 7` (or only the options, which ssh itself takes unless `--` comes first):
 * the conversation as lines. 1 it was that, 0 it is a command, -1 it was that, and wrong. */
static int read_chat_options(struct client *client)
{
    char *copy = mem_dup(client->command), *rest = copy, *word;
    int result = 1;

    word = command_word(&rest);
    if (word != NULL && strcmp(word, "chat") == 0)
        word = command_word(&rest);
    else if (word == NULL || strncmp(word, "--", 2) != 0)
        result = 0;
    for (; result == 1 && word != NULL; word = command_word(&rest)) {
        char *value = strncmp(word, "--since=", 8) == 0 ? word + 8 : NULL;
        char *end = NULL;

        if (strcmp(word, "--json") == 0) {
            client->json = true;
            continue;
        }
        if (strcmp(word, "--since") == 0)
            value = command_word(&rest);
        if (value != NULL)
            client->since = strtoll(value, &end, 10);
        if (value == NULL || end == value || *end != '\0' || client->since < 0)
            result = -1;
    }
    free(copy);
    return result;
}

void client_begin(struct client *client)
{
    int chat = client->kind == CLIENT_COMMAND ? read_chat_options(client) : 1;

    if (chat < 0) {
        client_end(client, 2,
                   "the conversation takes --json and --since ID, the number of a message");
    } else if (chat > 0) {
        if (client->kind == CLIENT_COMMAND)
            client->kind = CLIENT_LINES;
        client->step = CLIENT_OPENING;
        put_open(client);
    } else {
        client->step = CLIENT_OPEN;
        client_ask(client, client->command, DOOR_EXEC);
    }
}
