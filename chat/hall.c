#include "chat/hall.h"
#include "base/mem.h"
#include "base/when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_SEEN_MS 5000
#define STYLES       32 /* kinds of readers that one rendering is kept for */

void hall_init(struct hall *hall, const struct config *config, struct worker *worker)
{
    *hall = (struct hall){.config = config, .worker = worker};
    buf_init(&hall->came, 4096);
    buf_init(&hall->left, 4096);
}

void hall_done(struct hall *hall)
{
    buf_done(&hall->came);
    buf_done(&hall->left);
    free(hall->here);
    free(hall->leaving);
}

/* ---- messages ---- */

struct rendering {
    struct render_style style;
    struct buf text;
};

/* The renderings of one message. */
struct renderings {
    struct rendering items[STYLES];
    size_t count;
};

static void render_into(struct buf *out, const struct message *message,
                        const struct render_style *style)
{
    struct buf lines;

    if (style->form != RENDER_TERMINAL) {
        render_message(out, message, style);
        return;
    }
    buf_init(&lines, 4 * MESSAGE_MAX_TEXT);
    render_message(&lines, message, style);
    screen_put(out, buf_text(&lines));
    buf_done(&lines);
}

static const struct buf *rendered(struct renderings *all, const struct message *message,
                                  const struct render_style *style)
{
    struct rendering *item;

    for (size_t i = 0; i < all->count; i++)
        if (render_style_same(&all->items[i].style, style))
            return &all->items[i].text;
    if (all->count == STYLES)
        buf_done(&all->items[--all->count].text);
    item = &all->items[all->count++];
    item->style = *style;
    buf_init(&item->text, 8 * MESSAGE_MAX_TEXT);
    render_into(&item->text, message, style);
    return &item->text;
}

static bool may_read(struct somebody *somebody, const struct message *message)
{
    int64_t id = somebody->person.id;

    if (somebody->person.role == ROLE_WAITING)
        return false;
    if (message->room_id == 0)
        return message->person_id == id ||
               (message->to_id == id && !somebody_ignores(somebody, message->person_id));
    return somebody_room(somebody, message->room_id) != NULL &&
           !somebody_ignores(somebody, message->person_id);
}

static void show_day(struct client *client, const struct message *message,
                     const struct render_style *style)
{
    struct buf day, lines;

    if (style->form != RENDER_TERMINAL ||
        (client->last_at != 0 && !render_days_differ(client->last_at, message->at)))
        return;
    buf_init(&day, 256);
    buf_init(&lines, 256);
    render_day(&day, message->at, style);
    screen_put(&lines, buf_text(&day));
    client_show(client, buf_text(&lines), lines.len, false);
    buf_done(&day);
    buf_done(&lines);
}

static void deliver(struct client *client, struct renderings *all, const struct message *message)
{
    struct somebody *somebody = client->somebody;
    struct render_style style;
    const struct buf *text;
    bool rings;

    client_style(client, &style);
    style.mine = message->person_id == somebody->person.id;
    style.mention =
        style.form == RENDER_TERMINAL && !style.mine &&
        (message->room_id == 0 || render_mentions(message->text, somebody->person.name));
    style.room = message->room_id != 0 && message->room_id != client->room.id;
    rings = strcmp(somebody->profile.bell, "off") != 0 &&
            (style.mention || (strcmp(somebody->profile.bell, "all") == 0 && !style.mine));
    /* What makes no difference makes no rendering of its own. */
    if (style.form != RENDER_TERMINAL)
        style.mine = style.room = false;
    else if (message->room_id != 0)
        style.mine = false;
    show_day(client, message, &style);
    client->last_at = message->at;
    text = rendered(all, message, &style);
    client_show(client, buf_text(text), text->len, rings);
}

static void note_seen(struct somebody *somebody, const struct message *message)
{
    struct joined *room = somebody_room(somebody, message->room_id);

    if (message->room_id == 0 && message->person_id != somebody->person.id)
        somebody->reply_to = message->person_id;
    if (room != NULL && room->seen < message->id) {
        room->seen = message->id;
        somebody->seen_changed = true;
    }
}

static void hear_message(struct hall *hall, const struct message *message)
{
    struct renderings all = {.count = 0};

    for (struct client *client = hall->clients; client != NULL; client = client->next) {
        if (client->step != CLIENT_OPEN || client->saying_lines || client->kind == CLIENT_COMMAND ||
            !may_read(client->somebody, message) || client_falls_behind(client, message->id))
            continue;
        note_seen(client->somebody, message);
        deliver(client, &all, message);
    }
    for (size_t i = 0; i < all.count; i++)
        buf_done(&all.items[i].text);
}

/* ---- what else is news ---- */

/* What is still to be read from the store will be read as it is then. */
static bool has_been_shown(const struct client *client, int64_t id)
{
    return client->step == CLIENT_OPEN || (client->step == CLIENT_OPENING && client->since >= id);
}

static void hear_removed(struct hall *hall, const struct message *message)
{
    char clock[WHEN_MAX];
    struct buf text, json;
    struct render_style style = {.form = RENDER_JSON};

    when_clock(message->at, clock);
    buf_init(&text, 256);
    buf_init(&json, 8 * MESSAGE_MAX_TEXT);
    buf_printf(&text, "what %s said at %s was taken back", message->name, clock);
    render_message(&json, message, &style);
    for (struct client *client = hall->clients; client != NULL; client = client->next) {
        if (!has_been_shown(client, message->id) || client->saying_lines ||
            !may_read(client->somebody, message))
            continue;
        if (client->kind == CLIENT_TERMINAL)
            client_tell(client, buf_text(&text));
        else if (client->kind == CLIENT_LINES && client->json)
            client_show(client, buf_text(&json), json.len, false);
    }
    buf_done(&text);
    buf_done(&json);
}

static void end_all(struct hall *hall, int64_t person_id, int64_t credential_id, const char *why)
{
    for (struct client *client = hall->clients; client != NULL; client = client->next)
        if (client->somebody != NULL &&
            (client->somebody->person.id == person_id ||
             (credential_id != 0 && client->credential_id == credential_id))) {
            client_end(client, 1, why);
            client->expelled = true;
        }
}

static void hear_person(struct hall *hall, const struct news *news)
{
    struct somebody *somebody = hall_find(hall, news->subject);
    enum person_role before;

    if (somebody == NULL)
        return;
    if (news->person.id == 0) {
        end_all(hall, news->subject, 0, "you have been forgotten here; good-bye");
        return;
    }
    before = somebody->person.role;
    somebody->person = news->person;
    for (struct client *client = hall->clients; client != NULL; client = client->next) {
        if (client->somebody != somebody || client->kind != CLIENT_TERMINAL)
            continue;
        if (before == ROLE_WAITING && news->person.role != ROLE_WAITING)
            client_tell(client, "a host has let you in; welcome");
        else if (before != ROLE_HOST && news->person.role == ROLE_HOST)
            client_tell(client, "you are a host now; /help has more for you");
    }
}

struct ban_job {
    struct job job;
    struct client *client;
    int64_t person_id;
    struct client_facts facts;
    int banned;
    char *reason;
};

static void run_ban(struct job *job, struct store *store)
{
    struct ban_job *ban = (struct ban_job *)job;

    ban->banned =
        ban_holds(store, ban->person_id, ban->facts.key, ban->facts.address, &ban->reason);
}

static void done_ban(struct job *job)
{
    struct ban_job *ban = (struct ban_job *)job;
    struct buf text;

    if (client_job_done(ban->client) && ban->banned == 1) {
        buf_init(&text, 512);
        buf_printf(&text, "you are banned%s%.300s", ban->reason && ban->reason[0] ? ": " : "",
                   ban->reason != NULL ? ban->reason : "");
        client_end(ban->client, 1, buf_text(&text));
        ban->client->expelled = true;
        buf_done(&text);
    }
    free(ban->reason);
    free(ban);
}

static void ask_bans(struct hall *hall)
{
    for (struct client *client = hall->clients; client != NULL; client = client->next) {
        struct ban_job *ban;

        if (client->somebody == NULL)
            continue;
        ban = mem_alloc(sizeof(*ban));
        ban->job = (struct job){.run = run_ban, .done = done_ban};
        ban->client = client;
        ban->person_id = client->somebody->person.id;
        ban->facts = client->facts;
        client->jobs++;
        worker_put(hall->worker, &ban->job);
    }
}

void hall_tell_hosts(struct hall *hall, const char *sentence)
{
    for (struct client *client = hall->clients; client != NULL; client = client->next)
        if (client->kind == CLIENT_TERMINAL && client->step == CLIENT_OPEN &&
            client->somebody->person.role == ROLE_HOST)
            client_tell(client, sentence);
}

static void hear_report(struct hall *hall, const struct message *report)
{
    struct buf text;

    buf_init(&text, 16384);
    buf_printf(&text, "%s reports %s: %s", report->name, report->to, report->text);
    hall_tell_hosts(hall, buf_text(&text));
    buf_done(&text);
}

void hall_news(void *context, const struct news *news)
{
    struct hall *hall = context;

    switch (news->kind) {
    case NEWS_MESSAGE:
        hear_message(hall, &news->message);
        break;
    case NEWS_REMOVED:
        hear_removed(hall, &news->message);
        break;
    case NEWS_PERSON:
        hear_person(hall, news);
        break;
    case NEWS_HERE:
        hall_here(hall, news);
        break;
    case NEWS_KICK:
        end_all(hall, news->subject, 0, "a host has ended this session");
        break;
    case NEWS_REVOKED:
        end_all(hall, -1, news->subject, "this key opens nothing any more");
        break;
    case NEWS_BANS:
        ask_bans(hall);
        break;
    case NEWS_REPORT:
        hear_report(hall, &news->message);
        break;
    case NEWS_ANEW:
        ask_bans(hall);
        break;
    case NEWS_DONE:
        break;
    }
}

void hall_tick(struct hall *hall, int64_t now_ms)
{
    struct client *next;

    hall_doors_tick(hall, now_ms);
    if (now_ms - hall->kept_at >= KEEP_SEEN_MS) {
        hall->kept_at = now_ms;
        hall_keep_seen(hall);
    }
    hall_keep_active(hall, now_ms);
    for (struct client *client = hall->clients; client != NULL; client = next) {
        next = client->next;
        if (client->kind == CLIENT_LINES && (client->in.len > 0 || client->in_ended))
            client_input(client);
        if (client->behind_at != 0 && now_ms - client->behind_at > CLIENT_BEHIND_MS)
            client->lost = true;
        if (client->kind == CLIENT_TERMINAL && hall->config->chat.idle > 0 &&
            now_ms - client->key_at > hall->config->chat.idle * 1000)
            client_end(client, 0, "you have typed nothing for long; good-bye");
    }
}
