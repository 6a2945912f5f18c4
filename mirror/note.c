/*
 * note: what a hub does about archives that lie in the fetcher's memory (mirror/pass.h).
 */
#include "base/fs.h"
#include "base/when.h"
#include "mirror/follow.h"
#include "mirror/pass.h"

#include <fcntl.h>
#include <stdio.h>

/* What followers hold keeps memory that the fetcher counts no longer. */
#define HELD_MAX (2 * PASS_MAX)
#define KEEP_MS  60000 /* whoever comes soon gets it, too */

/* Bytes of memory behind fd, as far as it matters; only files in memory have seals. */
static int64_t memory(int fd)
{
    int64_t size = fd >= 0 && fcntl(fd, F_GET_SEALS) >= 0 ? fs_size(fd) : 0;

    return size < HELD_MAX ? size : HELD_MAX + 1;
}

static int64_t held(const struct hub *hub)
{
    int64_t bytes = 0;

    for (const struct shared_flight *shared = hub->first; shared; shared = shared->next) {
        if (!shared->in_memory)
            continue;
        bytes += memory(shared->fd);
        if (!fs_is_same(shared->fd, shared->landed_fd))
            bytes += memory(shared->landed_fd);
        for (size_t i = 0; i < shared->before_count; i++)
            bytes += memory(shared->before[i]);
    }
    return bytes;
}

/* From now on its bytes come from there. Somebody may be reading from where they came: that stays
 * open. */
static void replace(struct shared_flight *shared, int fd_take)
{
    if (shared->fd >= 0)
        shared->before[shared->before_count++] = shared->fd;
    shared->fd = fd_take;
}

static void give_up(struct shared_flight *shared, int fd_take)
{
    fs_close(fd_take);
    shared->state = SHARED_FAILED;
    snprintf(shared->error, sizeof shared->error,
             "503 The box's disk is full, and too many archives pass through.");
}

static void take_note(struct hub *hub, const struct pass_note *note, int fd_take)
{
    struct shared_flight *shared = hub_find(hub, note->name);

    if (!shared || shared->id == 0 || shared_has_ended(shared)) {
        fs_close(fd_take);
        return;
    }
    if (shared->before_count == SHARED_BEFORE || held(hub) > HELD_MAX) {
        give_up(shared, fd_take);
    } else if (note->whole) {
        shared->landed_fd = fd_take;
        shared->landed_size = fs_size(fd_take);
        shared->state = SHARED_LANDED;
        shared->in_memory = true;
        shared_compare(shared);
    } else {
        shared->state = SHARED_FLYING;
        shared->length = note->length;
        shared->in_memory = true;
        if (fs_is_same(shared->fd, fd_take))
            fs_close(fd_take);
        else
            replace(shared, fd_take);
    }
    pthread_cond_broadcast(&shared->changed);
}

void hub_take_notes(struct hub *hub)
{
    struct pass_note note;
    int fd;

    while (hub->pass_fd >= 0 && (fd = pass_receive(hub->pass_fd, &note)) >= 0)
        take_note(hub, &note, fd);
}

void hub_hear(struct hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    hub_take_notes(hub);
    pthread_mutex_unlock(&hub->lock);
}

bool shared_is_kept(const struct shared_flight *shared)
{
    return shared->in_memory && shared->state == SHARED_LANDED && !shared->unlinked &&
           (shared->refs > 0 ||
            (when_monotonic_ms() - shared->left_ms < KEEP_MS && held(shared->hub) <= PASS_MAX));
}
