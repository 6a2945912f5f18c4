#include "drop/drop_private.h"

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
#include <sys/file.h>
#include <unistd.h>

#define RECORD_FROM  (1 << 20) /* what is larger is shown while it comes */
#define TAKE_OVER_MS 1000      /* a connection that has been silent for so long may be dead */
#define ARRIVALS_MAX 10000     /* of everybody, paused ones included */
#define BUSY_WAIT_MS 1500      /* longer than TAKE_OVER_MS */
#define BUSY_STEP_MS 20

/* ---- those of this process ---- */

static struct drop_arrival *live;
static pthread_mutex_t live_mutex = PTHREAD_MUTEX_INITIALIZER;

static void enlist(struct drop_arrival *arrival)
{
    pthread_mutex_lock(&live_mutex);
    arrival->next = live;
    live = arrival;
    pthread_mutex_unlock(&live_mutex);
}

static void delist(struct drop_arrival *arrival)
{
    pthread_mutex_lock(&live_mutex);
    for (struct drop_arrival **at = &live; *at; at = &(*at)->next)
        if (*at == arrival) {
            *at = arrival->next;
            break;
        }
    pthread_mutex_unlock(&live_mutex);
}

bool drop_part_live(const char *key)
{
    struct drop_arrival *at;

    pthread_mutex_lock(&live_mutex);
    for (at = live; at && strcmp(at->key, key) != 0; at = at->next)
        ;
    pthread_mutex_unlock(&live_mutex);
    return at != NULL;
}

bool drop_is_young(const char *asked)
{
    char path[DROP_PATH_MAX];
    struct drop_arrival *at;

    if (drop_check(asked, path))
        return false;
    pthread_mutex_lock(&live_mutex);
    for (at = live; at && strcmp(at->path, path) != 0; at = at->next)
        ;
    pthread_mutex_unlock(&live_mutex);
    return at != NULL;
}

/* Takes the lock away from a connection of this process that has fallen silent. */
static void take_over(const char *key)
{
    struct drop_arrival **at, *old;

    pthread_mutex_lock(&live_mutex);
    for (at = &live; *at && strcmp((*at)->key, key) != 0; at = &(*at)->next)
        ;
    old = *at;
    /* Whoever is in the middle of a write is not silent. */
    if (old && pthread_mutex_trylock(&old->mutex) == 0) {
        if (when_monotonic_ms() - old->wrote_ms >= TAKE_OVER_MS) {
            old->revoked = true;
            flock(old->fd, LOCK_UN);
            *at = old->next;
        }
        pthread_mutex_unlock(&old->mutex);
    }
    pthread_mutex_unlock(&live_mutex);
}

int drop_part_lock(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 1;
    if (errno == EWOULDBLOCK)
        return 0;
    log_errno("cannot lock a part");
    return -1;
}

/* ---- beginning ---- */

enum drop_result drop_may_store(const struct drop *drop, const struct drop_actor *actor)
{
    const struct config *config = drop->config;

    if (config->web.upload == UPLOAD_NOBODY)
        return DROP_NOT_ALLOWED;
    if (actor->person_id == 0 &&
        (config->web.upload == UPLOAD_PEOPLE || config->box.newcomers != NEWCOMERS_OPEN))
        return DROP_SIGN_IN;
    return DROP_OK;
}

static enum drop_result check_size(struct drop *drop, int64_t size)
{
    int64_t max = drop->config->web.max_file, count, space;

    if (max > 0 && size > max)
        return DROP_TOO_LARGE;
    if (store_int(drop->store, &count, "SELECT count(*) FROM arrival", "") < 0)
        return DROP_FAILED;
    space = drop_space(drop);
    if (space < 0)
        return DROP_FAILED;
    if (space == 0 || size > space)
        return DROP_NO_SPACE;
    return count < ARRIVALS_MAX || drop_arrivals_thin(drop) ? DROP_OK : DROP_NO_SPACE;
}

/* What is at path already decides; see struct drop_wish. *there->id is 0 for nothing. */
static enum drop_result check_place(struct drop *drop, const struct drop_wish *wish,
                                    const char *path, struct drop_file *there)
{
    enum drop_result result = drop_look_as(drop, path, &wish->actor, there);

    if (result == DROP_NOT_FOUND) {
        there->id = 0;
        return wish->match ? DROP_CHANGED : DROP_OK;
    }
    if (result)
        return result;
    if (there->folder) /* a taken name like another, where a free one will be chosen */
        return wish->exact ? DROP_IS_FOLDER : wish->match ? DROP_CHANGED : DROP_OK;
    if (wish->match &&
        (!there->has_sha256 || !digest_equal(there->sha256, wish->match, DIGEST_SHA256_SIZE)))
        return DROP_CHANGED;
    if ((wish->replace && there->yours) || !wish->exact)
        return DROP_OK;
    return wish->size == there->size ? DROP_OK : DROP_TAKEN;
}

/* A file cannot lie in a file. */
static enum drop_result check_above(struct drop *drop, const char *path)
{
    char folder[DROP_PATH_MAX], above[DROP_PATH_MAX];
    struct drop_file file;
    int found = 0;

    drop_path_folder(path, folder);
    for (; *folder && found == 0; strcpy(folder, above)) {
        found = drop_index_get(drop, folder, NULL, &file);
        drop_path_folder(folder, above);
    }
    return found < 0 ? DROP_FAILED : found ? DROP_TAKEN : DROP_OK;
}

static struct drop_arrival *new_arrival(struct drop *drop)
{
    struct drop_arrival *arrival = mem_alloc(sizeof *arrival);

    arrival->drop = drop;
    arrival->fd = -1;
    arrival->size = arrival->modified_ms = -1;
    arrival->wrote_ms = arrival->recorded_ms = when_monotonic_ms();
    pthread_mutex_init(&arrival->mutex, NULL);
    return arrival;
}

void drop_arrival_free(struct drop_arrival *arrival, bool keep_state)
{
    delist(arrival);
    if (arrival->fd >= 0)
        digester_done(&arrival->digester, keep_state ? arrival->key : NULL);
    fs_close(arrival->fd);
    pthread_mutex_destroy(&arrival->mutex);
    free(arrival);
}

/* The part starts with the bytes of the file that is there. */
static enum drop_result copy_there(struct drop_arrival *arrival, const char *path)
{
    int from = drop_open_at(arrival->drop, path, O_RDONLY, 0);
    enum drop_result result = DROP_OK;
    off_t end = 0;
    ssize_t got = from < 0 ? -1 : 1;

    while (got > 0)
        got = copy_file_range(from, NULL, arrival->fd, &end, 1 << 30, 0);
    if (got < 0)
        result = drop_failure("copy", path);
    fs_close(from);
    arrival->length = arrival->solid = end;
    return result;
}

static enum drop_result make_part(struct drop_arrival *arrival, const char *copy)
{
    struct drop *drop = arrival->drop;
    enum drop_result result;

    secret_new(arrival->key);
    flock(drop->arriving_fd, LOCK_SH); /* nobody takes it for an orphan before it is locked */
    arrival->fd = openat(drop->arriving_fd, arrival->key, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
                         DROP_FILE_MODE);
    result = arrival->fd < 0                    ? drop_failure("make a part for", arrival->path)
             : drop_part_lock(arrival->fd) == 1 ? DROP_OK
                                                : DROP_FAILED;
    flock(drop->arriving_fd, LOCK_UN);
    if (arrival->fd < 0)
        return result;
    if (!result && copy)
        result = copy_there(arrival, copy);
    digester_init(&arrival->digester, arrival->fd, arrival->key, arrival->solid);
    if (!result && (arrival->size >= RECORD_FROM || strcmp(arrival->door, "tus") == 0) &&
        drop_arrival_record(arrival))
        result = DROP_FAILED;
    if (result)
        unlinkat(drop->arriving_fd, arrival->key, 0);
    return result;
}

static enum drop_result check_wish(struct drop *drop, const struct drop_wish *wish, char *path,
                                   struct drop_file *there)
{
    enum drop_result result = drop_check(wish->path, path);

    if (!result && drop_path_like_shelf(path))
        result = DROP_NOT_ALLOWED;
    if (!result)
        result = drop_may_store(drop, &wish->actor);
    if (!result)
        result = check_above(drop, path);
    if (!result)
        result = check_place(drop, wish, path, there);
    return result;
}

enum drop_result drop_begin(struct drop *drop, const struct drop_wish *wish,
                            struct drop_arrival **result_arrival)
{
    char path[DROP_PATH_MAX];
    struct drop_file there;
    enum drop_result result = check_wish(drop, wish, path, &there);
    struct drop_arrival *arrival;

    *result_arrival = NULL;
    if (!result)
        result = check_size(drop, wish->copy && there.id ? there.size : wish->size);
    if (result)
        return result;
    arrival = new_arrival(drop);
    strcpy(arrival->path, path);
    snprintf(arrival->door, sizeof arrival->door, "%s", wish->door);
    arrival->actor = wish->actor;
    arrival->size = wish->size;
    arrival->replace = wish->replace;
    arrival->exact = wish->exact;
    arrival->has_match = wish->match != NULL;
    if (wish->match)
        memcpy(arrival->match, wish->match, sizeof arrival->match);
    arrival->started_at = when_wall_ms();
    result = make_part(arrival, wish->copy && there.id ? path : NULL);
    if (result) {
        drop_arrival_free(arrival, false);
        return result;
    }
    enlist(arrival);
    *result_arrival = arrival;
    return DROP_OK;
}

enum drop_result drop_arrival_rename(struct drop_arrival *arrival, const char *to)
{
    struct drop_wish wish = {.path = to,
                             .actor = arrival->actor,
                             .size = -1,
                             .replace = arrival->replace,
                             .exact = arrival->exact};
    char path[DROP_PATH_MAX];
    struct drop_file there;
    enum drop_result result = check_wish(arrival->drop, &wish, path, &there);

    if (result)
        return result;
    pthread_mutex_lock(&live_mutex); /* drop_is_young reads it */
    strcpy(arrival->path, path);
    pthread_mutex_unlock(&live_mutex);
    if (arrival->id && store_run(arrival->drop->store, "UPDATE arrival SET path = ? WHERE id = ?",
                                 "si", path, arrival->id))
        return DROP_FAILED;
    return DROP_OK;
}

/* ---- going on ---- */

/* Opens and locks the part of a row; it may have become a file meanwhile. */
static enum drop_result open_part(struct drop *drop, const struct drop_row *row, int *part)
{
    struct stat opened, named;
    int fd = openat(drop->arriving_fd, row->key, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    int locked;

    if (fd < 0)
        return errno == ENOENT ? DROP_NOT_FOUND : drop_failure("open the part of", row->path);
    locked = drop_part_lock(fd);
    if (locked == 0) {
        take_over(row->key);
        locked = drop_part_lock(fd);
    }
    if (locked == 1 && fstat(fd, &opened) == 0 &&
        fstatat(drop->arriving_fd, row->key, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        opened.st_ino == named.st_ino) {
        *part = fd;
        return DROP_OK;
    }
    fs_close(fd);
    return locked == 0 ? DROP_BUSY : locked < 0 ? DROP_FAILED : DROP_NOT_FOUND;
}

/* What came out of order is only good up to the first gap. */
static enum drop_result measure_part(struct drop_arrival *arrival, const struct drop_row *row)
{
    struct stat part;

    if (fstat(arrival->fd, &part))
        return drop_failure("look at the part of", row->path);
    arrival->length = part.st_size;
    if (row->scattered && part.st_size > row->received) {
        if (ftruncate(arrival->fd, row->received))
            return drop_failure("cut the part of", row->path);
        arrival->length = row->received;
    }
    arrival->solid = arrival->checked = arrival->length;
    return DROP_OK;
}

static enum drop_result resume_row(struct drop *drop, const struct drop_row *row,
                                   struct drop_arrival **result_arrival)
{
    struct drop_arrival *arrival = new_arrival(drop);
    enum drop_result result = open_part(drop, row, &arrival->fd);

    arrival->id = row->id;
    memcpy(arrival->key, row->key, sizeof arrival->key);
    memcpy(arrival->path, row->path, sizeof arrival->path);
    memcpy(arrival->door, row->door, sizeof arrival->door);
    arrival->actor = row->owner;
    arrival->size = row->size;
    arrival->replace = row->replaces;
    arrival->exact = row->exact;
    arrival->started_at = row->started_at;
    if (!result)
        result = measure_part(arrival, row);
    if (arrival->fd >= 0)
        digester_init(&arrival->digester, arrival->fd, arrival->key, arrival->solid);
    if (result) {
        drop_arrival_free(arrival, false);
        return result;
    }
    enlist(arrival);
    drop_arrival_record(arrival);
    *result_arrival = arrival;
    return DROP_OK;
}

enum drop_result drop_resume(struct drop *drop, const char *key, const struct drop_actor *actor,
                             struct drop_arrival **arrival)
{
    struct drop_row row;
    int found = drop_row_get(drop, key, NULL, actor, &row);

    *arrival = NULL;
    if (found != 1)
        return found < 0 ? DROP_FAILED : DROP_NOT_FOUND;
    return resume_row(drop, &row, arrival);
}

enum drop_result drop_resume_path(struct drop *drop, const char *asked,
                                  const struct drop_actor *actor, struct drop_arrival **arrival)
{
    char path[DROP_PATH_MAX];
    enum drop_result result = drop_check(asked, path);
    struct drop_row row;
    int found;

    *arrival = NULL;
    if (result)
        return result;
    found = drop_row_get(drop, NULL, path, actor, &row);
    if (found != 1)
        return found < 0 ? DROP_FAILED : DROP_NOT_FOUND;
    return resume_row(drop, &row, arrival);
}

bool drop_busy_wait(int *waited_ms)
{
    if (*waited_ms >= BUSY_WAIT_MS)
        return false;
    usleep(BUSY_STEP_MS * 1000);
    *waited_ms += BUSY_STEP_MS;
    return true;
}

/* ---- letting go ---- */

bool drop_arrival_close(struct drop_arrival *arrival)
{
    bool ours;

    pthread_mutex_lock(&arrival->mutex);
    ours = !arrival->revoked;
    delist(arrival);
    pthread_mutex_unlock(&arrival->mutex);
    return ours;
}

void drop_arrival_erase(struct drop_arrival *arrival)
{
    struct drop *drop = arrival->drop;
    int result;

    unlinkat(drop->arriving_fd, arrival->key, 0);
    if (!arrival->id || store_begin(drop->store, STORE_SOON))
        return;
    result = store_run(drop->store, "DELETE FROM arrival WHERE id = ?", "i", arrival->id);
    if (result == 0)
        result = event_append(drop->store, EVENT_ARRIVAL, arrival->id);
    store_end(drop->store, result);
}

void drop_pause(struct drop_arrival *arrival)
{
    if (!drop_arrival_close(arrival)) {
        drop_arrival_free(arrival, false);
        return;
    }
    if (arrival->solid == 0 && strcmp(arrival->door, "tus") != 0) {
        drop_abandon(arrival);
        return;
    }
    if (arrival->length > arrival->solid && ftruncate(arrival->fd, arrival->solid))
        log_errno("cannot cut the part of %s", arrival->path);
    else
        arrival->scattered = false;
    arrival->still = true;
    drop_arrival_record(arrival);
    drop_arrival_free(arrival, true);
}

void drop_abandon(struct drop_arrival *arrival)
{
    if (drop_arrival_close(arrival))
        drop_arrival_erase(arrival);
    drop_arrival_free(arrival, false);
}
