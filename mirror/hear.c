/*
 * hear: the thread of a hub that listens to inotify: what grows, and what appears.
 */
#include "base/fs.h"
#include "base/log.h"
#include "mirror/follow.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#define EVENTS_BYTES 4096

/* The part file with that name in parts/ grew, or an index appeared: wakes whom it concerns. */
static void wake(struct hub *hub, const char *name)
{
    pthread_mutex_lock(&hub->lock);
    for (struct shared_flight *shared = hub->first; shared; shared = shared->next) {
        const char *base = strrchr(shared->part, '/') + 1;

        if (strcmp(base, name) == 0)
            pthread_cond_broadcast(&shared->changed);
    }
    pthread_mutex_unlock(&hub->lock);
}

static void hear(struct hub *hub)
{
    union {
        struct inotify_event event; /* aligned as they are */
        char bytes[EVENTS_BYTES];
    } events;
    ssize_t length = read(hub->notify_fd, events.bytes, sizeof events.bytes);

    for (ssize_t at = 0; at < length;) {
        const struct inotify_event *event = (const void *)(events.bytes + at);

        if (event->len > 0)
            wake(hub, event->name);
        at += (ssize_t)(sizeof *event + event->len);
    }
}

static void *listen_thread(void *context)
{
    struct hub *hub = context;
    struct pollfd fds[] = {
        {.fd = hub->notify_fd, .events = POLLIN},
        {.fd = hub->stop_fd,   .events = POLLIN},
        {.fd = hub->pass_fd,   .events = POLLIN}
    };

    while (!fds[1].revents) {
        if (poll(fds, 3, -1) <= 0)
            continue;
        if (fds[0].revents)
            hear(hub);
        if (fds[2].revents)
            hub_hear(hub);
        if (fds[2].revents & (POLLHUP | POLLERR))
            fds[2].fd = -1; /* the keeper is gone, and so is this process soon */
    }
    return NULL;
}

static int watch(struct hub *hub, char *path_take, uint32_t mask)
{
    int result = inotify_add_watch(hub->notify_fd, path_take, mask | IN_ONLYDIR);

    if (result < 0)
        log_errno("%s cannot be watched", path_take);
    free(path_take);
    return result < 0 ? -1 : 0;
}

/* The folders of the repositories. */
static int watch_indexes(struct hub *hub, const struct config *config)
{
    for (size_t i = 0; i < config->mirror_count; i++) {
        char *path = cache_index_path(hub->cache, config->mirror[i].name, "x");

        *strrchr(path, '/') = '\0';
        if (watch(hub, path, IN_MOVED_TO) < 0)
            return -1;
    }
    return 0;
}

int hub_open(struct hub *hub, struct cache *cache, const struct config *config, int pass_fd)
{
    *hub = (struct hub){.cache = cache, .notify_fd = -1, .stop_fd = -1, .pass_fd = pass_fd};
    pthread_mutex_init(&hub->lock, NULL);
    hub->notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    hub->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (hub->notify_fd < 0 || hub->stop_fd < 0) {
        log_errno("growing files cannot be watched");
        return -1;
    }
    if (watch(hub, cache_path(cache, "parts"), IN_MODIFY | IN_CREATE) < 0 ||
        watch_indexes(hub, config) < 0)
        return -1;
    if (pthread_create(&hub->thread, NULL, listen_thread, hub) != 0) {
        log_error("the mirror's thread cannot be started");
        return -1;
    }
    hub->running = true;
    return 0;
}

void hub_close(struct hub *hub)
{
    const uint64_t one = 1;

    if (hub->running && write(hub->stop_fd, &one, sizeof one) == sizeof one)
        pthread_join(hub->thread, NULL);
    while (hub->first)
        shared_free(hub->first);
    fs_close(hub->notify_fd);
    fs_close(hub->stop_fd);
    pthread_mutex_destroy(&hub->lock);
}
