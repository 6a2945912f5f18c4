#include "web/feed.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "drop/drop.h"
#include "identity/event.h"
#include "identity/presence.h"
#include "web/words.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PLACES     1024                       /* pieces of news kept */
#define BLOCK_MAX  (128 * 1024)               /* bytes of one: a long message, or a crowd */
#define CROWD_MAX  200                        /* names that are sent to everybody */
#define BYTES_MAX  (8 * 1024 * 1024)          /* of all that are kept */
#define BATCH_MAX  (FEED_OUT_MAX - BLOCK_MAX) /* bytes from which on a wait hands over no more */
#define COMING_MAX (BLOCK_MAX / 2)            /* bytes from which on no further arrival is told */
#define KICKS      64                         /* that are remembered */

/* One piece of news. */
struct news {
    char *text;
    size_t length;
    int64_t message_id;       /* 0: no message */
    int64_t room_id;          /* 0: private, or no message */
    int64_t person_id, to_id; /* private: whose */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t more;
    bool started, stopped;
    int64_t seen;          /* the last event */
    int64_t begin, end;    /* the places of the oldest piece and behind the newest */
    size_t bytes;          /* of all pieces */
    int64_t rights;        /* counts whatever may change who somebody is */
    int64_t kicked[KICKS]; /* whose sessions a host has ended */
    int64_t kick_end;      /* the place behind the newest of them */
    int followers;
    struct news news[PLACES];
    /* the main thread's own */
    bool crowd_changed, files_changed;
    char *coming; /* what was last said of arrivals */
} feed = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- beginning and end ---- */

int feed_start(struct store *store)
{
    pthread_mutex_lock(&feed.lock);
    int result = 0;
    if (!feed.started) {
        pthread_condattr_t attributes;
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&feed.more, &attributes);
        pthread_condattr_destroy(&attributes);
        feed.seen = event_last(store);
        feed.started = feed.seen != -1;
        feed.stopped = false;
        result = feed.started ? 0 : -1;
    }
    pthread_mutex_unlock(&feed.lock);
    return result;
}

void feed_stop(void)
{
    pthread_mutex_lock(&feed.lock);
    feed.stopped = true;
    if (feed.started)
        pthread_cond_broadcast(&feed.more);
    pthread_mutex_unlock(&feed.lock);
}

static void forget_oldest(void)
{
    struct news *place = &feed.news[feed.begin++ % PLACES];
    feed.bytes -= place->length;
    free(place->text);
    *place = (struct news){0};
}

void feed_end(void)
{
    while (feed.begin < feed.end)
        forget_oldest();
    free(feed.coming);
    feed.coming = NULL;
    feed.started = false;
}

int feed_followers(void)
{
    pthread_mutex_lock(&feed.lock);
    int followers = feed.followers;
    pthread_mutex_unlock(&feed.lock);
    return followers;
}

void feed_follow(int more)
{
    pthread_mutex_lock(&feed.lock);
    feed.followers += more;
    pthread_mutex_unlock(&feed.lock);
}

/* ---- rendering ---- */

/* Puts a rendered block in place; takes nothing of news but copies out's bytes. */
static void publish(const struct buf *block, struct news news)
{
    if (block->overflowed)
        return;
    news.text = mem_dup_bytes(block->data, block->len);
    news.length = block->len;
    pthread_mutex_lock(&feed.lock);
    while (feed.end - feed.begin == PLACES || feed.bytes + news.length > BYTES_MAX)
        forget_oldest();
    feed.news[feed.end++ % PLACES] = news;
    feed.bytes += news.length;
    pthread_mutex_unlock(&feed.lock);
}

void feed_message(struct buf *out, const struct message *message)
{
    buf_printf(out, "id: %lld\ndata: ", (long long)message->id);
    message_json(out, message);
    buf_puts(out, "\n\n");
}

static void put_message(void *context, const struct message *message)
{
    (void)context;
    struct buf block;
    buf_init(&block, BLOCK_MAX);
    struct news news = {.room_id = message->room_id,
                        .person_id = message->person_id,
                        .to_id = message->to_id,
                        .message_id = message->id};
    if (message->removed) {
        news.message_id = 0; /* the row is old: it has been handed out before */
        buf_printf(&block, "event: removed\ndata: {\"id\":%lld}\n\n", (long long)message->id);
    } else {
        feed_message(&block, message);
    }
    publish(&block, news);
    buf_done(&block);
}

/* News for everybody: `event: NAME` with what data holds. */
static void put_event(const char *name, const struct buf *data)
{
    struct buf block;
    buf_init(&block, BLOCK_MAX);
    buf_printf(&block, "event: %s\ndata: ", name);
    buf_put(&block, data->data, data->len);
    buf_puts(&block, "\n\n");
    if (data->overflowed)
        block.overflowed = true;
    publish(&block, (struct news){0});
    buf_done(&block);
}

static void json_owner(struct buf *out, const char *owner)
{
    json_string(out, "owner", owner == NULL || owner[0] == '\0' ? NULL : owner);
}

static void put_file(struct store *store, int64_t id)
{
    struct buf data;
    struct rows rows;
    buf_init(&data, BLOCK_MAX);
    json_object(&data, NULL);
    json_int(&data, "id", id);
    rows_open(&rows, store,
              "SELECT path, person_id, name, size, file.created_at, downloads, "
              "person_id IS NULL AND guest IS NULL FROM file "
              "LEFT JOIN person ON person.id = person_id WHERE file.id = ?",
              "i", id);
    bool there = rows_next(&rows) == 1;
    if (there) {
        char time[WHEN_MAX];
        when_rfc3339(rows_int(&rows, 4), time);
        json_string(&data, "path", rows_text(&rows, 0));
        json_int(&data, "person_id", rows_int(&rows, 1));
        json_owner(&data, rows_text(&rows, 2));
        json_int(&data, "size", rows_int(&rows, 3));
        json_int(&data, "created_at", rows_int(&rows, 4));
        json_string(&data, "time", time);
        json_int(&data, "downloads", rows_int(&rows, 5));
        json_bool(&data, "by_hand", rows_int(&rows, 6));
    }
    rows_close(&rows);
    json_close(&data, '}');
    put_event(there ? "file" : "gone", &data);
    buf_done(&data);
}

/* Who is here: how many people, and the names of the first CROWD_MAX. */
static void put_crowd(struct store *store)
{
    struct buf data;
    struct rows rows;
    buf_init(&data, BLOCK_MAX);
    json_object(&data, NULL);
    json_int(&data, "count", presence_count(store));
    json_array(&data, "people");
    rows_open(&rows, store,
              "SELECT DISTINCT name FROM session JOIN person ON person.id = person_id "
              "ORDER BY name LIMIT ?",
              "i", (int64_t)CROWD_MAX);
    while (rows_next(&rows) == 1)
        json_string(&data, NULL, rows_text(&rows, 0));
    rows_close(&rows);
    json_close(&data, ']');
    json_close(&data, '}');
    put_event("here", &data);
    buf_done(&data);
}

/* How many files there are, and their bytes. */
static void put_totals(struct store *store)
{
    struct buf data;
    struct rows rows;
    buf_init(&data, 256);
    json_object(&data, NULL);
    rows_open(&rows, store, "SELECT count(*), sum(size) FROM file", "");
    if (rows_next(&rows) == 1) {
        json_int(&data, "files", rows_int(&rows, 0));
        json_int(&data, "bytes", rows_int(&rows, 1));
    }
    rows_close(&rows);
    json_close(&data, '}');
    put_event("totals", &data);
    buf_done(&data);
}

/* What is arriving; said when it changed, at most once a second. */
static void put_coming(struct store *store)
{
    struct buf data;
    struct rows rows;
    buf_init(&data, BLOCK_MAX);
    json_array(&data, NULL);
    rows_open(&rows, store,
              "SELECT arrival.id, path, name, size, received FROM arrival "
              "LEFT JOIN person ON person.id = person_id WHERE touched_at > ? "
              "ORDER BY arrival.id LIMIT 50",
              "i", when_wall_ms() - 15000);
    while (data.len < COMING_MAX && rows_next(&rows) == 1) {
        json_object(&data, NULL);
        json_int(&data, "id", rows_int(&rows, 0));
        json_string(&data, "path", rows_text(&rows, 1));
        json_owner(&data, rows_text(&rows, 2));
        if (rows_null(&rows, 3))
            json_null(&data, "size");
        else
            json_int(&data, "size", rows_int(&rows, 3));
        json_int(&data, "received", rows_int(&rows, 4));
        json_close(&data, '}');
    }
    rows_close(&rows);
    json_close(&data, ']');
    if (strcmp(buf_text(&data), feed.coming == NULL ? "[]" : feed.coming) != 0)
        put_event("coming", &data);
    free(feed.coming);
    feed.coming = mem_dup(buf_text(&data));
    buf_done(&data);
}

static void put_again(void)
{
    struct buf data;
    buf_init(&data, 16);
    buf_puts(&data, "{}");
    put_event("again", &data);
    buf_done(&data);
}

/* ---- looking ---- */

static void changes_rights(void)
{
    pthread_mutex_lock(&feed.lock);
    feed.rights++;
    pthread_mutex_unlock(&feed.lock);
}

void feed_ask_again(void)
{
    pthread_mutex_lock(&feed.lock);
    feed.rights++;
    if (feed.started)
        pthread_cond_broadcast(&feed.more);
    pthread_mutex_unlock(&feed.lock);
}

static void note_kick(int64_t person_id)
{
    pthread_mutex_lock(&feed.lock);
    feed.kicked[feed.kick_end++ % KICKS] = person_id;
    pthread_mutex_unlock(&feed.lock);
}

static void handle(void *context, const char *kind, int64_t subject)
{
    struct store *store = context;
    if (strcmp(kind, EVENT_MESSAGE) == 0)
        conversation_get(store, subject, put_message, NULL);
    else if (strcmp(kind, EVENT_FILE) == 0) {
        put_file(store, subject);
        feed.files_changed = true;
    } else if (strcmp(kind, EVENT_PRESENCE) == 0)
        feed.crowd_changed = true;
    else if (strcmp(kind, EVENT_BAN) == 0 || strcmp(kind, EVENT_REVOKED) == 0 ||
             strcmp(kind, EVENT_PERSON) == 0)
        changes_rights();
    else if (strcmp(kind, EVENT_KICK) == 0)
        note_kick(subject);
}

void feed_look(struct store *store)
{
    static int64_t crowd_at, totals_at, coming_at;
    if (!feed.started && feed_start(store) == -1)
        return;
    int64_t before = feed.end, rights = feed.rights, kicks = feed.kick_end,
            now = when_monotonic_ms();
    if (event_read(store, &feed.seen, handle, store) == 0) {
        changes_rights();
        put_again();
    }
    if (feed.crowd_changed && now - crowd_at >= 1000) {
        put_crowd(store);
        crowd_at = now;
        feed.crowd_changed = false;
    }
    if (feed_followers() > 0 && feed.files_changed && now - totals_at >= 1000) {
        put_totals(store);
        totals_at = now;
        feed.files_changed = false;
    }
    if (feed_followers() > 0 && now - coming_at >= 900) {
        put_coming(store);
        coming_at = now;
    }
    if (feed.end == before && feed.rights == rights && feed.kick_end == kicks)
        return;
    pthread_mutex_lock(&feed.lock);
    pthread_cond_broadcast(&feed.more);
    pthread_mutex_unlock(&feed.lock);
}

/* ---- following ---- */

void feed_begin(struct feed_reader *reader)
{
    pthread_mutex_lock(&feed.lock);
    reader->place = feed.end;
    reader->rights = feed.rights;
    reader->kick = feed.kick_end;
    pthread_mutex_unlock(&feed.lock);
}

void feed_ignored_of(struct store *store, int64_t reader_id, struct feed_ignored *ignored)
{
    struct rows rows;
    ignored->count = 0;
    rows_open(&rows, store, "SELECT ignored_id FROM ignored WHERE person_id = ? LIMIT ?", "ii",
              reader_id, (int64_t)FEED_IGNORED_MAX);
    while (rows_next(&rows) == 1)
        ignored->person_id[ignored->count++] = rows_int(&rows, 0);
    rows_close(&rows);
}

bool feed_ignores(const struct feed_ignored *ignored, int64_t person_id)
{
    for (size_t i = 0; i < ignored->count; i++)
        if (ignored->person_id[i] == person_id)
            return true;
    return false;
}

static bool is_for(const struct feed_reader *reader, const struct news *news)
{
    bool private = news->room_id == 0 && (news->person_id != 0 || news->to_id != 0);
    if (news->message_id != 0 && news->message_id <= reader->last)
        return false;
    if (news->message_id != 0 && feed_ignores(&reader->ignored, news->person_id))
        return false;
    if (private)
        return reader->person_id != 0 && reader->room_id == 0 &&
               (reader->person_id == news->person_id || reader->person_id == news->to_id);
    return reader->room_id == 0 || news->room_id == 0 || reader->room_id == news->room_id;
}

/* Appends what is there from the reader's place on; the lock is held. */
static void collect(struct feed_reader *reader, struct buf *out)
{
    for (; reader->place < feed.end && out->len < BATCH_MAX; reader->place++) {
        const struct news *news = &feed.news[reader->place % PLACES];
        if (!is_for(reader, news))
            continue;
        if (buf_put(out, news->text, news->length) == -1)
            return;
        if (news->message_id != 0)
            reader->last = news->message_id;
    }
}

/* Whether a host has ended this reader's sessions since the last look; the lock is held. */
static bool was_kicked(struct feed_reader *reader)
{
    bool kicked = false;
    if (feed.kick_end - reader->kick > KICKS)
        reader->kick = feed.kick_end - KICKS;
    for (; reader->kick < feed.kick_end; reader->kick++)
        kicked |= reader->person_id != 0 && feed.kicked[reader->kick % KICKS] == reader->person_id;
    return kicked;
}

static struct timespec after_ms(int timeout_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000L;
    }
    return at;
}

enum feed_got feed_wait(struct feed_reader *reader, struct buf *out, int timeout_ms)
{
    struct timespec until = after_ms(timeout_ms);
    enum feed_got got = FEED_QUIET;
    pthread_mutex_lock(&feed.lock);
    for (bool late = false;;) {
        if (feed.stopped) {
            got = FEED_STOP;
        } else if (was_kicked(reader)) {
            got = FEED_KICKED;
        } else if (reader->rights != feed.rights) {
            reader->rights = feed.rights;
            got = FEED_RIGHTS;
        } else if (reader->place < feed.begin) {
            reader->place = feed.end;
            got = FEED_LOST;
        } else {
            collect(reader, out);
            got = out->len > 0 ? FEED_NEWS : FEED_QUIET;
        }
        if (got != FEED_QUIET || late)
            break;
        late = pthread_cond_timedwait(&feed.more, &feed.lock, &until) != 0;
    }
    pthread_mutex_unlock(&feed.lock);
    return got;
}
