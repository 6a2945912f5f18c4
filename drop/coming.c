#include "drop/drop_private.h"

#include "base/fs.h"
#include "base/when.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#define FOLLOW_PAUSE_MS 40 /* how long a follower sleeps when nothing new is there */

#define COMING_COLUMNS                                                                             \
    "SELECT a.id, a.key, a.path, p.name, a.door, a.person_id, a.guest, a.size, a.received, "       \
    "a.started_at, a.touched_at, a.expires_at, a.scattered FROM arrival a LEFT JOIN person p "     \
    "ON p.id = a.person_id "

static void take_row(struct drop *drop, struct rows *rows, const struct drop_actor *actor,
                     struct drop_coming *coming)
{
    const char *owner = rows_text(rows, 3);
    struct stat part;
    const void *guest;
    size_t length;

    *coming = (struct drop_coming){
        .id = rows_int(rows, 0),
        .person_id = rows_int(rows, 5),
        .size = rows_null(rows, 7) ? -1 : rows_int(rows, 7),
        .received = rows_int(rows, 8),
        .started_at = rows_int(rows, 9),
        .touched_at = rows_int(rows, 10),
        .expires_at = rows_int(rows, 11),
        .in_order = !rows_int(rows, 12),
    };
    snprintf(coming->key, sizeof coming->key, "%s", rows_text(rows, 1));
    snprintf(coming->path, sizeof coming->path, "%s", rows_text(rows, 2));
    snprintf(coming->owner, sizeof coming->owner, "%s", owner ? owner : "");
    snprintf(coming->door, sizeof coming->door, "%s", rows_text(rows, 4));
    guest = rows_bytes(rows, 6, &length);
    coming->yours = !actor || drop_owns(actor, coming->person_id, guest, length);
    coming->active = coming->touched_at > when_wall_ms() - DROP_ACTIVE_MS;
    /* The row is renewed once a second; the part knows better. */
    if (coming->in_order &&
        fstatat(drop->arriving_fd, coming->key, &part, AT_SYMLINK_NOFOLLOW) == 0)
        coming->received = part.st_size;
    if (!coming->yours)
        *coming->key = '\0';
}

int drop_coming_list(struct drop *drop, const struct drop_actor *actor, int64_t most,
                     drop_coming_each *each, void *context)
{
    static const struct drop_actor nobody = {.person_id = 0};
    struct drop_coming coming;
    struct rows rows;
    int found;

    rows_open(&rows, drop->store,
              COMING_COLUMNS "WHERE a.id IN (SELECT id FROM arrival ORDER BY touched_at DESC "
                             "LIMIT ?) ORDER BY a.id",
              "i", most > 0 ? most : (int64_t)-1);
    while ((found = rows_next(&rows)) == 1) {
        take_row(drop, &rows, actor ? actor : &nobody, &coming);
        if (drop->nameless) {
            coming.person_id = 0;
            coming.owner[0] = '\0';
        }
        each(context, &coming);
    }
    rows_close(&rows);
    return found;
}

enum drop_result drop_coming_by_key(struct drop *drop, const char *key,
                                    const struct drop_actor *actor, struct drop_coming *coming)
{
    struct rows rows;
    int found;

    rows_open(&rows, drop->store, COMING_COLUMNS "WHERE a.key = ?", "s", key);
    found = rows_next(&rows);
    if (found == 1)
        take_row(drop, &rows, actor, coming);
    rows_close(&rows);
    if (found < 0)
        return DROP_FAILED;
    return found == 1 && coming->yours ? DROP_OK : DROP_NOT_FOUND;
}

/* The newest under a checked path that is the actor's, or (actor NULL) that can be followed. */
static enum drop_result find_by_path(struct drop *drop, const char *path,
                                     const struct drop_actor *actor, struct drop_coming *coming)
{
    struct rows rows;
    int found;

    rows_open(&rows, drop->store, COMING_COLUMNS "WHERE a.path = ? ORDER BY a.id DESC", "s", path);
    while ((found = rows_next(&rows)) == 1) {
        take_row(drop, &rows, actor, coming);
        if (actor ? coming->yours : coming->active && coming->in_order)
            break;
    }
    rows_close(&rows);
    return found < 0 ? DROP_FAILED : found ? DROP_OK : DROP_NOT_FOUND;
}

enum drop_result drop_coming_by_path(struct drop *drop, const char *asked,
                                     const struct drop_actor *actor, struct drop_coming *coming)
{
    char path[DROP_PATH_MAX];
    enum drop_result result = drop_check(asked, path);

    return result ? result : find_by_path(drop, path, actor, coming);
}

enum drop_result drop_coming_remove(struct drop *drop, const char *key,
                                    const struct drop_actor *actor)
{
    struct drop_arrival *arrival;
    enum drop_result result = drop_resume(drop, key, actor, &arrival);

    if (!result)
        drop_abandon(arrival);
    return result;
}

/* ---- followers ---- */

enum drop_result drop_follow(struct drop *drop, const char *asked, struct drop_coming *coming,
                             int *fd)
{
    char path[DROP_PATH_MAX];
    enum drop_result result = drop_check(asked, path);

    *fd = -1;
    if (!result)
        result = find_by_path(drop, path, NULL, coming);
    if (result)
        return result;
    *fd = openat(drop->arriving_fd, coming->key, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    *coming->key = '\0';
    return *fd < 0 ? DROP_NOT_FOUND : DROP_OK;
}

/*
 * How it stands. The row is asked first: once it is gone the length is final. A part that lost its
 * last name was thrown away.
 */
static enum drop_growth look_at(struct drop *drop, int64_t id, int fd, int64_t offset,
                                int64_t *available)
{
    int64_t scattered = 0;
    int found =
        store_int(drop->store, &scattered, "SELECT scattered FROM arrival WHERE id = ?", "i", id);
    struct stat part;

    if (found < 0 || scattered || fstat(fd, &part) || part.st_nlink == 0 || part.st_size < offset)
        return DROP_LOST;
    *available = part.st_size;
    if (part.st_size > offset)
        return DROP_MORE;
    return found == 0 ? DROP_ENDED : DROP_WAITED;
}

enum drop_growth drop_follow_wait(struct drop *drop, const struct drop_coming *coming, int fd,
                                  int64_t offset, int timeout_ms, int64_t *available)
{
    int64_t until = when_monotonic_ms() + timeout_ms;
    const struct timespec pause = {.tv_nsec = FOLLOW_PAUSE_MS * 1000000L};
    enum drop_growth growth;

    *available = offset;
    while ((growth = look_at(drop, coming->id, fd, offset, available)) == DROP_WAITED) {
        if (when_monotonic_ms() >= until)
            break;
        nanosleep(&pause, NULL);
    }
    return growth;
}
