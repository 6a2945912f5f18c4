/*
 * follow: one lock, and a condition a flight.
 */
#include "mirror/follow.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "identity/event.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOPE_MS     10000 /* while the link is down, somebody who has nothing yet waits so long */
#define HOPE_ANEW_S 15    /* and is asked to come again after this */
#define BLOCK       ((size_t)64 * 1024)

struct mirror_flight {
    struct shared_flight *shared;
    int64_t joined_ms;
    bool begun;       /* it was given something, and promised is settled */
    int64_t promised; /* the length in the head, -1 none */
    bool hopeless;    /* sent away because the link is down */
};

/* ---- the shared side; the hub's lock is held ---- */

static struct shared_flight *shared_new(struct hub *hub, const char *name, char *part_take)
{
    struct shared_flight *shared = mem_alloc(sizeof *shared);
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&shared->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    shared->hub = hub;
    shared->name = mem_dup(name);
    shared->part = part_take;
    shared->fd = shared->landed_fd = -1;
    shared->length = -1;
    shared->next = hub->first;
    hub->first = shared;
    return shared;
}

bool shared_has_ended(const struct shared_flight *shared)
{
    return shared->state == SHARED_LANDED || shared->state == SHARED_FAILED;
}

void shared_free(struct shared_flight *shared)
{
    struct shared_flight **link = &shared->hub->first;

    while (*link != shared)
        link = &(*link)->next;
    *link = shared->next;
    fs_close(shared->fd);
    for (size_t i = 0; i < shared->before_count; i++)
        fs_close(shared->before[i]);
    fs_close(shared->landed_fd);
    pthread_cond_destroy(&shared->changed);
    free(shared->name);
    free(shared->part);
    free(shared);
}

struct shared_flight *hub_find(struct hub *hub, const char *name)
{
    for (struct shared_flight *shared = hub->first; shared; shared = shared->next)
        if (!shared->unlinked && strcmp(shared->name, name) == 0)
            return shared;
    return NULL;
}

static struct mirror_flight *follower_new(struct shared_flight *shared)
{
    struct mirror_flight *follower = mem_alloc(sizeof *follower);

    follower->shared = shared;
    follower->joined_ms = when_monotonic_ms();
    follower->promised = -1;
    shared->refs++;
    return follower;
}

struct mirror_flight *hub_join(struct hub *hub, const char *name)
{
    struct mirror_flight *follower = NULL;
    struct shared_flight *shared;

    pthread_mutex_lock(&hub->lock);
    shared = hub_find(hub, name);
    if (shared && (shared_has_ended(shared) ? shared_is_kept(shared) : shared->refs > 0))
        follower = follower_new(shared);
    pthread_mutex_unlock(&hub->lock);
    return follower;
}

struct mirror_flight *hub_follow(struct hub *hub, int64_t id, const char *name)
{
    struct mirror_flight *follower;
    struct shared_flight *shared;

    pthread_mutex_lock(&hub->lock);
    shared = hub_find(hub, name);
    if (shared && shared_has_ended(shared)) {
        shared->unlinked = true;
        shared = NULL;
    }
    if (!shared)
        shared = shared_new(hub, name, cache_part_path(hub->cache, name));
    shared->id = id;
    follower = follower_new(shared);
    pthread_mutex_unlock(&hub->lock);
    return follower;
}

struct mirror_flight *hub_follow_index(struct hub *hub, const char *path)
{
    struct mirror_flight *follower;
    struct shared_flight *shared;

    pthread_mutex_lock(&hub->lock);
    shared = hub_find(hub, path);
    if (!shared)
        shared = shared_new(hub, path, mem_dup(path));
    follower = follower_new(shared);
    pthread_mutex_unlock(&hub->lock);
    return follower;
}

size_t hub_followers(struct hub *hub, int64_t id)
{
    size_t count = 0;

    pthread_mutex_lock(&hub->lock);
    for (const struct shared_flight *shared = hub->first; shared; shared = shared->next)
        if (shared->id == id && !shared->unlinked)
            count = shared->refs;
    pthread_mutex_unlock(&hub->lock);
    return count;
}

/* ---- waiting ---- */

/* How much of the part may be sent. */
static int64_t shown(struct shared_flight *shared)
{
    if (shared->fd < 0)
        shared->fd = open(shared->part, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fs_size(shared->fd);
}

/* The same while it flies: the last byte waits for the landing, so that who has an archive whole
 * finds it in the cache when asking again. Sources may differ about the length: what counts is the
 * one that this follower was promised. */
static int64_t shown_aloft(const struct mirror_flight *flight)
{
    int64_t end = shown(flight->shared);
    int64_t whole = flight->begun ? flight->promised : flight->shared->length;

    return whole >= 0 && end >= whole ? whole - 1 : end;
}

/* How many bytes agree before one differs from other; *all: one ends, and none did. */
static int64_t common_prefix(int one, int other, bool *all)
{
    uint8_t *a = mem_alloc(BLOCK), *b = mem_alloc(BLOCK);
    int64_t at = 0;
    ssize_t got, also, i = 0;

    *all = true;
    while (*all && (got = pread(one, a, BLOCK, at)) > 0) {
        also = pread(other, b, (size_t)got, at);
        for (i = 0; i < also && a[i] == b[i];)
            i++;
        at += i;
        *all = i == got;
    }
    free(a);
    free(b);
    return at;
}

void shared_compare(struct shared_flight *shared)
{
    int64_t common;
    bool all;

    shared->common = shared->landed_size;
    for (size_t i = 0; i <= shared->before_count; i++) {
        int fd = i < shared->before_count ? shared->before[i] : shared->fd;

        if (fd < 0 || fs_is_same(fd, shared->landed_fd))
            continue;
        common = common_prefix(fd, shared->landed_fd, &all);
        if (!all && common < shared->common)
            shared->common = common;
    }
}

/* Opens the archive that has landed: usually the part itself under its new name. 0 or -1. */
static int open_landed(struct shared_flight *shared)
{
    struct checksum sum;

    if (shared->landed_fd >= 0)
        return 0;
    if (checksum_parse_name(shared->name, &sum) == 0)
        shared->landed_fd = cache_get(shared->hub->cache, &sum, NULL);
    if (shared->landed_fd < 0)
        return -1;
    shared->landed_size = fs_size(shared->landed_fd);
    shared_compare(shared);
    return 0;
}

static enum mirror_wait landed(struct mirror_flight *flight, int64_t offset, int *fd,
                               int64_t *available)
{
    struct shared_flight *shared = flight->shared;

    if (open_landed(shared) < 0) {
        snprintf(shared->error, sizeof shared->error,
                 "503 The archive left the cache again: ask once more.");
        return MIRROR_LOST;
    }
    if (offset > shared->common ||
        (flight->promised >= 0 && flight->promised != shared->landed_size)) {
        log_warn("%s: a client received bytes that proved wrong, and is cut off", shared->name);
        return MIRROR_LOST;
    }
    *fd = shared->landed_fd;
    *available = shared->landed_size;
    return MIRROR_DONE;
}

/* An index appears whole, by rename. */
static enum mirror_wait index_there(struct shared_flight *shared, int *fd, int64_t *available)
{
    if (shown(shared) == 0)
        return MIRROR_TIMEOUT;
    shared->state = SHARED_FLYING;
    shared->length = fs_size(shared->fd);
    *fd = shared->fd;
    *available = shared->length;
    return MIRROR_DONE;
}

/* Whether there is no hope for somebody who has nothing yet. */
static bool is_hopeless(struct mirror_flight *flight, int64_t offset)
{
    int64_t since = flight->shared->hub->link_down_ms;

    if (since == 0 || offset > 0)
        return false;
    if (flight->joined_ms > since)
        since = flight->joined_ms;
    flight->hopeless = when_monotonic_ms() - since > HOPE_MS;
    return flight->hopeless;
}

/* What can be said at once; MIRROR_TIMEOUT: nothing. */
static enum mirror_wait look_once(struct mirror_flight *flight, int64_t offset, int *fd,
                                  int64_t *available)
{
    struct shared_flight *shared = flight->shared;
    enum mirror_wait result = MIRROR_TIMEOUT;

    if (shared->state == SHARED_LANDED)
        return landed(flight, offset, fd, available);
    if (shared->state == SHARED_FAILED)
        return MIRROR_LOST;
    if (shared->id == 0)
        result = index_there(shared, fd, available);
    else if (shared->state == SHARED_FLYING && (*available = shown_aloft(flight)) > offset) {
        *fd = shared->fd;
        result = MIRROR_MORE;
    }
    if (result == MIRROR_TIMEOUT && is_hopeless(flight, offset))
        return MIRROR_LOST;
    return result;
}

static struct timespec deadline(int timeout_ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

enum mirror_wait mirror_flight_wait(struct mirror_flight *flight, int64_t offset, int timeout_ms,
                                    int *fd, int64_t *available)
{
    struct shared_flight *shared = flight->shared;
    struct hub *hub = shared->hub;
    struct timespec until = deadline(timeout_ms);
    enum mirror_wait result;

    pthread_mutex_lock(&hub->lock);
    while ((result = look_once(flight, offset, fd, available)) == MIRROR_TIMEOUT)
        if (pthread_cond_timedwait(&shared->changed, &hub->lock, &until) == ETIMEDOUT)
            break;
    if (result == MIRROR_TIMEOUT)
        result = look_once(flight, offset, fd, available);
    if (!flight->begun && (result == MIRROR_MORE || result == MIRROR_DONE)) {
        flight->begun = true;
        flight->promised = result == MIRROR_DONE ? *available : shared->length;
    }
    pthread_mutex_unlock(&hub->lock);
    return result;
}

int64_t mirror_flight_length(const struct mirror_flight *flight)
{
    return flight->promised;
}

void hub_failure(const char *error, struct mirror_answer *answer)
{
    const char *sentence = strchr(error, ' ');
    int status = atoi(error);

    answer->kind = MIRROR_TEXT;
    answer->status = status == 404 ? 404 : 503;
    answer->retry_after = answer->status == 503 ? HOPE_ANEW_S : 0;
    snprintf(answer->text, sizeof answer->text, "%s",
             sentence ? sentence + 1 : "The archive cannot be had.");
}

void mirror_flight_failure(struct mirror_flight *flight, struct mirror_answer *answer)
{
    struct shared_flight *shared = flight->shared;

    *answer = (struct mirror_answer){.fd = -1};
    pthread_mutex_lock(&shared->hub->lock);
    if (flight->hopeless)
        hub_failure("503 The box has this not yet, and the link to the outside is down.", answer);
    else
        hub_failure(shared->error, answer);
    pthread_mutex_unlock(&shared->hub->lock);
}

void mirror_flight_leave(struct mirror_flight *flight)
{
    struct shared_flight *shared;
    struct hub *hub;

    if (!flight)
        return;
    shared = flight->shared;
    hub = shared->hub;
    pthread_mutex_lock(&hub->lock);
    shared->left_ms = when_monotonic_ms();
    if (--shared->refs == 0 &&
        (shared->id == 0 || (shared_has_ended(shared) && !shared_is_kept(shared))))
        shared_free(shared);
    pthread_mutex_unlock(&hub->lock);
    free(flight);
}

/* ---- what the store says ---- */

static enum shared_state parse_state(const char *state)
{
    if (strcmp(state, "flying") == 0)
        return SHARED_FLYING;
    if (strcmp(state, "landed") == 0)
        return SHARED_LANDED;
    return strcmp(state, "failed") == 0 ? SHARED_FAILED : SHARED_WANTED;
}

/* Takes up the row of one flight. A row that is gone has been withdrawn. */
static void look_at(struct shared_flight *shared, struct store *store)
{
    enum shared_state before = shared->state;
    struct rows rows;
    int found;

    rows_open(&rows, store,
              "SELECT state, ifnull(length, -1), error FROM flight WHERE id = ? AND name = ?", "is",
              shared->id, shared->name);
    if ((found = rows_next(&rows)) == 1) {
        shared->state = parse_state(rows_text(&rows, 0));
        shared->length = rows_int(&rows, 1);
        snprintf(shared->error, sizeof shared->error, "%s", rows_text(&rows, 2));
    } else if (found == 0) {
        shared->state = SHARED_FAILED;
        snprintf(shared->error, sizeof shared->error, "503 This download was withdrawn.");
    }
    rows_close(&rows);
    if (shared->state == SHARED_FAILED) {
        shared->state = before; /* it may have landed in memory: that was said before the row was */
        hub_take_notes(shared->hub);
        if (!shared_has_ended(shared))
            shared->state = SHARED_FAILED;
    }
    if (shared->state != before)
        pthread_cond_broadcast(&shared->changed);
}

/* Nobody waits any more: the bytes are paid for, others go first. */
static void leave_behind(struct shared_flight *shared, struct store *store)
{
    if (store_begin(store, STORE_SOON) < 0)
        return;
    if (store_end(store, store_run(store,
                                   "UPDATE flight SET priority = 1 "
                                   "WHERE id = ? AND priority = 0 "
                                   "AND state IN ('wanted', 'flying')",
                                   "i", shared->id)) == 0)
        shared_free(shared);
}

void hub_look(struct hub *hub, struct store *store)
{
    struct shared_flight *next;

    pthread_mutex_lock(&hub->lock);
    for (struct shared_flight *shared = hub->first; shared; shared = next) {
        next = shared->next;
        if (shared_has_ended(shared) && shared->refs == 0 && !shared_is_kept(shared))
            shared_free(shared);
        else if (shared->id == 0 || shared_has_ended(shared))
            pthread_cond_broadcast(&shared->changed);
        else if (shared->refs == 0)
            leave_behind(shared, store);
        else
            look_at(shared, store);
    }
    pthread_mutex_unlock(&hub->lock);
}
