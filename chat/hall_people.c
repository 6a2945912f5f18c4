/* Who is here, what sticks to them, what they have seen. */
#include "base/mem.h"
#include "base/when.h"
#include "chat/hall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- people ---- */

void profile_done(struct profile *profile)
{
    free(profile->ignored);
    free(profile->rooms);
    *profile = (struct profile){0};
}

static void load_word(struct store *store, int64_t person_id, const char *name, char *out)
{
    char *value = setting_get(store, person_id, name);

    snprintf(out, 8, "%s", value != NULL ? value : "");
    free(value);
}

static void add_room(void *context, const struct room *room)
{
    struct profile *profile = context;
    struct joined *joined;

    if (profile->room_count == HALL_MAX_ROOMS || room->id == ROOM_LOBBY)
        return;
    joined = &profile->rooms[profile->room_count++];
    *joined = (struct joined){.room_id = room->id};
    memcpy(joined->name, room->name, sizeof(joined->name));
}

void profile_load(struct store *store, int64_t person_id, struct profile *profile)
{
    char plain[8];
    struct rows rows;

    *profile = (struct profile){0};
    load_word(store, person_id, "color", profile->color);
    load_word(store, person_id, "time", profile->time);
    load_word(store, person_id, "bell", profile->bell);
    load_word(store, person_id, "plain", plain);
    profile->plain = strcmp(plain, "on") == 0;
    profile->rooms = mem_array(HALL_MAX_ROOMS + 1, sizeof(*profile->rooms));
    profile->rooms[profile->room_count++] = (struct joined){.room_id = ROOM_LOBBY, .name = "lobby"};
    member_rooms(store, person_id, add_room, profile);
    profile->rooms = mem_resize(profile->rooms, profile->room_count, sizeof(*profile->rooms));
    rows_open(&rows, store, "SELECT ignored_id FROM ignored WHERE person_id = ?", "i", person_id);
    while (rows_next(&rows) == 1) {
        if ((profile->ignored_count & (profile->ignored_count - 1)) == 0)
            profile->ignored = mem_resize(
                profile->ignored, profile->ignored_count == 0 ? 1 : 2 * profile->ignored_count,
                sizeof(*profile->ignored));
        profile->ignored[profile->ignored_count++] = rows_int(&rows, 0);
    }
    rows_close(&rows);
}

bool somebody_ignores(const struct somebody *somebody, int64_t person_id)
{
    for (size_t i = 0; i < somebody->profile.ignored_count; i++)
        if (somebody->profile.ignored[i] == person_id)
            return true;
    return false;
}

struct joined *somebody_room(struct somebody *somebody, int64_t room_id)
{
    for (size_t i = 0; i < somebody->profile.room_count; i++)
        if (somebody->profile.rooms[i].room_id == room_id)
            return &somebody->profile.rooms[i];
    return NULL;
}

struct somebody *hall_find(struct hall *hall, int64_t person_id)
{
    for (struct somebody *one = hall->people; one != NULL; one = one->next)
        if (one->person.id == person_id)
            return one;
    return NULL;
}

/* Takes over what was loaded; what has been shown since is kept. */
static void take_profile(struct somebody *somebody, struct profile *profile)
{
    for (size_t i = 0; i < profile->room_count; i++) {
        const struct joined *before = somebody_room(somebody, profile->rooms[i].room_id);

        if (before != NULL)
            profile->rooms[i].seen = before->seen;
    }
    profile_done(&somebody->profile);
    somebody->profile = *profile;
    *profile = (struct profile){0};
}

struct somebody *hall_enter(struct hall *hall, const struct person *person, struct profile *profile)
{
    struct somebody *somebody = hall_find(hall, person->id);

    if (somebody == NULL) {
        somebody = mem_alloc(sizeof(*somebody));
        somebody->next = hall->people;
        somebody->link = &hall->people;
        if (somebody->next != NULL)
            somebody->next->link = &somebody->next;
        hall->people = somebody;
    }
    somebody->person = *person;
    somebody->clients++;
    take_profile(somebody, profile);
    return somebody;
}

/* ---- what has been seen ---- */

#define KEEP_ACTIVE_MS 15000 /* who goes on typing is written down again after that */
#define SEEN_AT_ONCE   128   /* rows a transaction: others wait for it */

struct seen_job {
    struct job job;
    size_t count;
    struct {
        int64_t person_id, room_id, id;
    } items[SEEN_AT_ONCE];
};

static void run_seen(struct job *job, struct store *store)
{
    struct seen_job *seen = (struct seen_job *)job;
    int result = 0;

    if (store_begin(store, STORE_SOON) != 0)
        return;
    for (size_t i = 0; i < seen->count && result == 0; i++)
        result =
            member_seen(store, seen->items[i].room_id, seen->items[i].person_id, seen->items[i].id);
    store_end(store, result);
}

static void done_seen(struct job *job)
{
    free(job);
}

/* Adds what one person has seen; sends the job when it is full. */
static void add_seen(struct hall *hall, struct somebody *somebody, struct seen_job **job)
{
    const struct profile *profile = &somebody->profile;

    if (!somebody->seen_changed)
        return;
    somebody->seen_changed = false;
    for (size_t i = 0; i < profile->room_count; i++) {
        struct seen_job *seen = *job;

        if (profile->rooms[i].seen == 0)
            continue;
        if (seen == NULL) {
            seen = *job = mem_alloc(sizeof(*seen));
            seen->job = (struct job){.run = run_seen, .done = done_seen};
        }
        seen->items[seen->count].person_id = somebody->person.id;
        seen->items[seen->count].room_id = profile->rooms[i].room_id;
        seen->items[seen->count++].id = profile->rooms[i].seen;
        if (seen->count == SEEN_AT_ONCE) {
            worker_put(hall->worker, &seen->job);
            *job = NULL;
        }
    }
}

void hall_keep_seen(struct hall *hall)
{
    struct seen_job *job = NULL;

    for (struct somebody *one = hall->people; one != NULL; one = one->next)
        add_seen(hall, one, &job);
    if (job != NULL)
        worker_put(hall->worker, &job->job);
}

/* ---- who was active ---- */

struct active_job {
    struct job job;
    size_t count;
    struct {
        int64_t session_id, at;
    } items[SEEN_AT_ONCE];
};

static void run_active(struct job *job, struct store *store)
{
    struct active_job *active = (struct active_job *)job;
    int result = 0;

    if (store_begin(store, STORE_SOON) != 0)
        return;
    for (size_t i = 0; i < active->count && result == 0; i++)
        result = presence_touch(store, active->items[i].session_id, active->items[i].at);
    store_end(store, result);
}

void hall_keep_active(struct hall *hall, int64_t now_ms)
{
    struct active_job *job = NULL;

    for (struct client *client = hall->clients; client != NULL; client = client->next) {
        if (client->session_id == 0 || client->key_at <= client->key_kept ||
            now_ms < client->keep_at)
            continue;
        client->key_kept = client->key_at;
        client->keep_at = now_ms + KEEP_ACTIVE_MS;
        if (job == NULL) {
            job = mem_alloc(sizeof(*job));
            job->job = (struct job){.run = run_active, .done = done_seen};
        }
        job->items[job->count].session_id = client->session_id;
        job->items[job->count++].at = when_wall_ms() - (now_ms - client->key_at);
        if (job->count == SEEN_AT_ONCE) {
            worker_put(hall->worker, &job->job);
            job = NULL;
        }
    }
    if (job != NULL)
        worker_put(hall->worker, &job->job);
}

void hall_shown(struct client *client, int64_t message_id)
{
    struct joined *room = somebody_room(client->somebody, client->room.id);

    if (room == NULL || room->seen >= message_id)
        return;
    room->seen = message_id;
    client->somebody->seen_changed = true;
}

void hall_leave(struct hall *hall, struct somebody *somebody)
{
    struct seen_job *job = NULL;

    add_seen(hall, somebody, &job);
    if (job != NULL)
        worker_put(hall->worker, &job->job);
    if (--somebody->clients > 0)
        return;
    *somebody->link = somebody->next;
    if (somebody->next != NULL)
        somebody->next->link = somebody->link;
    profile_done(&somebody->profile);
    free(somebody);
}

void hall_change(struct hall *hall, struct somebody *somebody, struct profile *profile)
{
    take_profile(somebody, profile);
    for (struct client *client = hall->clients; client != NULL; client = client->next)
        client->dirty |= client->somebody == somebody;
}

/* ---- the limit on messages ---- */

bool hall_must_wait(const struct hall *hall, struct somebody *somebody)
{
    int64_t now = when_monotonic_ms();

    if (hall->config->chat.rate <= 0)
        return false;
    if (now - somebody->window_from >= hall->config->chat.rate_window * 1000) {
        somebody->window_from = now;
        somebody->window_said = 0;
    }
    return somebody->window_said >= hall->config->chat.rate;
}

void hall_count_said(struct somebody *somebody, size_t length)
{
    somebody->window_said += message_weight(length);
}
