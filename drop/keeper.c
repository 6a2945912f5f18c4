#include "drop/drop_private.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "identity/reset.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

#define BELLS_MAX      8
#define LOOK_MS        1000        /* between two looks at the store */
#define TURN_MS        2000        /* between two tries to become the one who keeps */
#define EXPIRE_MAX_MS  (60 * 1000) /* between two looks for what is due */
#define HOUSE_EVERY_MS (60 * 1000)
#define TIDY_EVERY_MS  (30 * 60 * 1000) /* what inotify(7) does not tell */
#define WATCHED        (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR)

/* A folder that is watched. */
struct watch {
    int wd;
    char *path;
};

struct drop_keeper {
    const struct config *config;
    int bells[BELLS_MAX];
    size_t bell_count;
    pthread_t thread;
    int stop_fd;
    int lock_fd;
    struct store *store;
    struct drop *drop;
    int inotify_fd;
    struct watch *watches;
    size_t watch_count, watch_room;
    bool unread;              /* a digest may be missing */
    bool disorder;            /* events were lost: tidy */
    _Atomic int64_t keep_s;   /* [box] keep */
    struct reset_clock clock; /* for what is forgotten by its age */
};

static _Atomic int nudge_fd = -1;

void drop_keeper_nudge(void)
{
    if (nudge_fd >= 0)
        eventfd_write(nudge_fd, 1);
}

/* Waits for timeout_ms, a nudge or inotify. Whether to go on. */
static bool wait_for(struct drop_keeper *keeper, int timeout_ms)
{
    struct pollfd fds[] = {
        {.fd = keeper->stop_fd,    .events = POLLIN},
        {.fd = nudge_fd,           .events = POLLIN},
        {.fd = keeper->inotify_fd, .events = POLLIN},
    };
    eventfd_t nudges;

    poll(fds, sizeof fds / sizeof *fds, timeout_ms);
    if (fds[1].revents)
        eventfd_read(nudge_fd, &nudges);
    return fds[0].revents == 0;
}

/* ---- watching folders ---- */

static struct watch *find_watch(struct drop_keeper *keeper, int wd)
{
    for (size_t i = 0; i < keeper->watch_count; i++)
        if (keeper->watches[i].wd == wd)
            return &keeper->watches[i];
    return NULL;
}

static void watch_one(struct drop_keeper *keeper, const char *path, int fd)
{
    char link[32];
    struct watch *known;
    int wd;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    wd = inotify_add_watch(keeper->inotify_fd, link, WATCHED);
    if (wd < 0) {
        log_debug("cannot watch %s: %s", *path ? path : "the drop", strerror(errno));
        return;
    }
    known = find_watch(keeper, wd);
    if (known) {
        free(known->path);
    } else {
        if (keeper->watch_count == keeper->watch_room) {
            keeper->watch_room = keeper->watch_room ? 2 * keeper->watch_room : 16;
            keeper->watches =
                mem_resize(keeper->watches, keeper->watch_room, sizeof *keeper->watches);
        }
        known = &keeper->watches[keeper->watch_count++];
    }
    *known = (struct watch){.wd = wd, .path = mem_dup(path)};
}

/* Watches the folder and all in it. */
static void watch_tree(struct drop_keeper *keeper, const char *path, int depth)
{
    int fd =
        depth > DROP_DEPTH_MAX ? -1 : drop_open_at(keeper->drop, path, O_RDONLY | O_DIRECTORY, 0);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    char below[DROP_PATH_MAX];
    struct dirent *entry;

    if (!folder) {
        fs_close(fd);
        return;
    }
    watch_one(keeper, path, fd);
    while ((entry = readdir(folder))) {
        if (*entry->d_name == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
            continue;
        if (snprintf(below, sizeof below, "%s%s%s", path, *path ? "/" : "", entry->d_name) <
            (int)sizeof below)
            watch_tree(keeper, below, depth + 1);
    }
    closedir(folder);
}

static void unwatch_tree(struct drop_keeper *keeper, const char *path)
{
    size_t length = strlen(path), kept = 0;

    for (size_t i = 0; i < keeper->watch_count; i++) {
        struct watch *watch = &keeper->watches[i];
        bool below = strncmp(watch->path, path, length) == 0 &&
                     (watch->path[length] == '/' || watch->path[length] == '\0');
        if (below) {
            inotify_rm_watch(keeper->inotify_fd, watch->wd);
            free(watch->path);
        } else {
            keeper->watches[kept++] = *watch;
        }
    }
    keeper->watch_count = kept;
}

static void forget_watch(struct drop_keeper *keeper, int wd)
{
    struct watch *watch = find_watch(keeper, wd);

    if (!watch)
        return;
    free(watch->path);
    *watch = keeper->watches[--keeper->watch_count];
}

/* One thing that happened in a folder; our own publications come here, too, and are known. */
static void take_event(struct drop_keeper *keeper, const struct inotify_event *event)
{
    struct watch *watch = find_watch(keeper, event->wd);
    char path[DROP_PATH_MAX + 256], folder[DROP_PATH_MAX];

    if (event->mask & IN_Q_OVERFLOW)
        keeper->disorder = true;
    if (event->mask & IN_IGNORED)
        forget_watch(keeper, event->wd);
    if (!watch || event->len == 0 || *event->name == '.' || (event->mask & IN_IGNORED))
        return;
    if ((event->mask & IN_CREATE) && !(event->mask & IN_ISDIR))
        return; /* what is written now is looked at when it is closed */
    snprintf(folder, sizeof folder, "%s", watch->path);
    snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", event->name);
    if ((event->mask & IN_ISDIR) && (event->mask & (IN_MOVED_FROM | IN_DELETE)))
        unwatch_tree(keeper, path);
    if ((event->mask & IN_ISDIR) && (event->mask & (IN_MOVED_TO | IN_CREATE)))
        watch_tree(keeper, path, 0);
    drop_look_again(keeper->drop, folder, event->name);
    keeper->unread = true;
}

static void take_events(struct drop_keeper *keeper)
{
    char bytes[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
    const struct inotify_event *event;
    ssize_t got;

    while ((got = read(keeper->inotify_fd, bytes, sizeof bytes)) > 0)
        for (char *at = bytes; at < bytes + got; at += sizeof *event + event->len) {
            event = (const struct inotify_event *)(const void *)at;
            take_event(keeper, event);
        }
}

/* ---- keeping ---- */

static void tidy(struct drop_keeper *keeper)
{
    keeper->disorder = false;
    keeper->unread = true;
    watch_tree(keeper, "", 0);
    drop_tidy(keeper->drop);
}

/* Digests that are missing, as long as nothing else happens. */
static void read_digests(struct drop_keeper *keeper)
{
    int64_t after = 0;

    keeper->unread = false;
    while (drop_read_missing(keeper->drop, keeper->stop_fd, &after) == 1 && wait_for(keeper, 0))
        drop_announce(keeper->drop);
}

/* Until the clock shows the next of those, when the services tick, too (base/service.h): an idle
 * machine wakes up once for all of them. */
static int until_next(int every_ms)
{
    return every_ms - (int)(when_monotonic_ms() % every_ms);
}

static int sooner(int one, int other)
{
    return one >= 0 && one < other ? one : other;
}

/* How often to look for what may stay that long (0: for ever): nothing stays much longer. */
static int64_t every_ms(int64_t stay_s, int64_t most_ms)
{
    return stay_s > 0 && stay_s * 100 < most_ms ? stay_s * 100 : most_ms;
}

static void keep(struct drop_keeper *keeper)
{
    int64_t tidied = when_monotonic_ms(), expired = tidied, housed = tidied - HOUSE_EVERY_MS, now;
    int next = 0;

    tidy(keeper);
    do {
        take_events(keeper);
        if (next >= 0 || store_changed(keeper->store))
            next = drop_announce(keeper->drop);
        if (keeper->unread)
            read_digests(keeper);
        now = when_monotonic_ms();
        if (now - expired >= every_ms(keeper->drop->config->web.expire, EXPIRE_MAX_MS)) {
            drop_expire(keeper->drop);
            expired = now;
        }
        if (now - housed >= every_ms(keeper->keep_s, HOUSE_EVERY_MS)) {
            reset_tidy(keeper->store, &keeper->clock, keeper->keep_s);
            housed = now;
        }
        if (keeper->disorder || now - tidied >= TIDY_EVERY_MS) {
            tidy(keeper);
            tidied = now;
        }
        /* A nudge comes from this process; what another one published shows in the store. */
    } while (wait_for(keeper, sooner(next, until_next(LOOK_MS))));
}

static int open_store(struct drop_keeper *keeper)
{
    char *path = config_path(keeper->config, "store/riad.db");

    keeper->store = store_open(path);
    free(path);
    if (!keeper->store)
        return -1;
    store_bells(keeper->store, keeper->bells, keeper->bell_count);
    keeper->drop = drop_open(keeper->config, keeper->store);
    return keeper->drop ? 0 : -1;
}

static int open_all(struct drop_keeper *keeper)
{
    if (open_store(keeper))
        return -1;
    keeper->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (keeper->inotify_fd < 0)
        log_errno("cannot watch the drop: what is done by hand is seen later");
    return 0;
}

static void close_all(struct drop_keeper *keeper)
{
    fs_close(keeper->inotify_fd);
    keeper->inotify_fd = -1;
    for (size_t i = 0; i < keeper->watch_count; i++)
        free(keeper->watches[i].path);
    free(keeper->watches);
    keeper->watches = NULL;
    keeper->watch_count = keeper->watch_room = 0;
    drop_close(keeper->drop);
    store_close(keeper->store);
    keeper->drop = NULL;
    keeper->store = NULL;
}

/* What this service's last process left goes at once, whoever keeps the house. */
static void tidy_parts(struct drop_keeper *keeper)
{
    if (open_store(keeper) == 0)
        drop_tidy_parts(keeper->drop);
    close_all(keeper);
}

static void *run(void *context)
{
    struct drop_keeper *keeper = context;
    bool going = true, first = true;

    while (going && flock(keeper->lock_fd, LOCK_EX | LOCK_NB)) {
        if (first)
            tidy_parts(keeper);
        first = false;
        going = wait_for(keeper, until_next(TURN_MS));
    }
    if (going && open_all(keeper) == 0)
        keep(keeper);
    close_all(keeper);
    return NULL;
}

struct drop_keeper *drop_keeper_start(const struct config *config, const int *bells, size_t count)
{
    struct drop_keeper *keeper = mem_alloc(sizeof *keeper);
    char *folder = config_path(config, "drop/" DROP_ARRIVING);
    char *lock = config_path(config, "drop/" DROP_ARRIVING "/.keeper");
    int error;

    keeper->config = config;
    keeper->keep_s = config->box.keep;
    keeper->bell_count = count < BELLS_MAX ? count : BELLS_MAX;
    for (size_t i = 0; i < keeper->bell_count; i++)
        keeper->bells[i] = bells[i];
    keeper->inotify_fd = -1;
    keeper->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (nudge_fd < 0)
        nudge_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    keeper->lock_fd = fs_make_folders(folder, DROP_FOLDER_MODE)
                          ? -1
                          : open(lock, O_RDWR | O_CREAT | O_CLOEXEC, DROP_FILE_MODE);
    error = keeper->lock_fd < 0 ? errno : pthread_create(&keeper->thread, NULL, run, keeper);
    if (error) {
        log_error("cannot keep the drop (%s): %s", folder, strerror(error));
        fs_close(keeper->stop_fd);
        fs_close(keeper->lock_fd);
        free(keeper);
        keeper = NULL;
    }
    free(folder);
    free(lock);
    return keeper;
}

void drop_keeper_forget_after(struct drop_keeper *keeper, int64_t keep_s)
{
    if (keeper)
        keeper->keep_s = keep_s;
}

void drop_keeper_stop(struct drop_keeper *keeper)
{
    if (!keeper)
        return;
    eventfd_write(keeper->stop_fd, 1);
    pthread_join(keeper->thread, NULL);
    fs_close(keeper->stop_fd);
    fs_close(keeper->lock_fd);
    free(keeper);
}
