#include "drop/drop_private.h"

#include "base/log.h"
#include "base/when.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SHOWN_FROM      (1 << 20) /* what is larger is shown while it comes, as what takes longer */
#define RECORD_EVERY_MS 1000      /* how often others see it grow */
#define SPACE_EVERY     (16 << 20) /* bytes between two looks at the disk */

const char *drop_arrival_key(const struct drop_arrival *arrival)
{
    return arrival->key;
}

const char *drop_arrival_path(const struct drop_arrival *arrival)
{
    return arrival->path;
}

int64_t drop_arrival_offset(const struct drop_arrival *arrival)
{
    return arrival->solid;
}

int64_t drop_arrival_length(const struct drop_arrival *arrival)
{
    return arrival->length;
}

int64_t drop_arrival_size(const struct drop_arrival *arrival)
{
    return arrival->size;
}

int drop_arrival_fd(const struct drop_arrival *arrival)
{
    return arrival->fd;
}

void drop_arrival_set_modified(struct drop_arrival *arrival, int64_t modified_ms)
{
    arrival->modified_ms = modified_ms;
}

int64_t drop_arrival_modified(const struct drop_arrival *arrival)
{
    struct stat part;

    if (arrival->modified_ms >= 0 || fstat(arrival->fd, &part))
        return arrival->modified_ms;
    return drop_ms(part.st_mtim);
}

/* Whether all of it would find room: so much is still to come. */
static enum drop_result check_whole(const struct drop_arrival *arrival, int64_t size)
{
    int64_t space = drop_space(arrival->drop);

    if (space < 0)
        return DROP_FAILED;
    return size - arrival->solid > space ? DROP_NO_SPACE : DROP_OK;
}

enum drop_result drop_arrival_set_size(struct drop_arrival *arrival, int64_t size)
{
    int64_t max = arrival->drop->config->web.max_file;
    enum drop_result result;

    if (size < arrival->solid)
        return DROP_WRONG_OFFSET;
    if (max > 0 && size > max)
        return DROP_TOO_LARGE;
    result = check_whole(arrival, size);
    if (result)
        return result;
    arrival->size = size;
    return drop_arrival_record(arrival) ? DROP_FAILED : DROP_OK;
}

/* ---- what is there, and what came ahead ---- */

/* What came ahead and is reached now counts as there. */
static void absorb(struct drop_arrival *arrival)
{
    size_t reached = 0;

    while (reached < arrival->ahead_count && arrival->ahead[reached].from <= arrival->solid) {
        if (arrival->ahead[reached].until > arrival->solid)
            arrival->solid = arrival->ahead[reached].until;
        reached++;
    }
    arrival->ahead_count -= reached;
    memmove(arrival->ahead, arrival->ahead + reached,
            arrival->ahead_count * sizeof *arrival->ahead);
}

/* Remembers a stretch beyond solid, joined with those that it touches. When there are too many,
 * the one that is furthest ahead is forgotten: it is digested at the end all the same. */
static void note_ahead(struct drop_arrival *arrival, int64_t from, int64_t until)
{
    struct drop_gap *ahead = arrival->ahead;
    size_t first = 0, last;

    while (first < arrival->ahead_count && ahead[first].until < from)
        first++;
    for (last = first; last < arrival->ahead_count && ahead[last].from <= until; last++) {
        from = ahead[last].from < from ? ahead[last].from : from;
        until = ahead[last].until > until ? ahead[last].until : until;
    }
    if (first == last && arrival->ahead_count == DROP_GAPS_MAX) {
        if (first == DROP_GAPS_MAX)
            return;
        arrival->ahead_count--;
    }
    memmove(ahead + first + 1, ahead + last, (arrival->ahead_count - last) * sizeof *ahead);
    arrival->ahead_count += 1 + first - last;
    ahead[first] = (struct drop_gap){from, until};
}

static void note(struct drop_arrival *arrival, int64_t offset, const void *bytes, size_t length)
{
    int64_t end = offset + (int64_t)length, before = arrival->solid;

    if (end > arrival->length)
        arrival->length = end;
    if (offset < before)
        digester_spoil(&arrival->digester);
    if (offset > before) {
        note_ahead(arrival, offset, end);
        return;
    }
    if (end <= before)
        return;
    arrival->solid = end;
    absorb(arrival);
    if (offset == before)
        digester_put(&arrival->digester, offset, bytes, length);
    digester_put(&arrival->digester, before, NULL, (size_t)(arrival->solid - before));
}

/* ---- writing ---- */

static enum drop_result check_space(struct drop_arrival *arrival, int64_t end)
{
    struct statvfs disk;

    if (end < arrival->checked + SPACE_EVERY && arrival->checked > 0)
        return DROP_OK;
    arrival->checked = end;
    if (drop_statvfs(arrival->drop, &disk))
        return DROP_FAILED;
    return disk.f_bavail == 0 ? DROP_NO_SPACE : DROP_OK;
}

static enum drop_result check_write(struct drop_arrival *arrival, int64_t offset, int64_t end)
{
    int64_t max = arrival->drop->config->web.max_file;
    enum drop_result result = DROP_OK;

    if (arrival->revoked)
        return DROP_BUSY;
    if (offset < 0 || end < offset || (max > 0 && end > max) ||
        (arrival->size >= 0 && end > arrival->size))
        return DROP_TOO_LARGE;
    /* A hole takes no room, but it is digested and read like what does. */
    if (offset > arrival->length)
        result = check_whole(arrival, end);
    if (result)
        return result;
    /* Whoever follows, or finds the part after a crash, must know of the gap before there is one.
     */
    if (offset != arrival->solid && !arrival->scattered) {
        arrival->scattered = true;
        if (drop_arrival_record(arrival))
            return DROP_FAILED;
    }
    return end > arrival->length ? check_space(arrival, end) : DROP_OK;
}

/* Others see it grow, once a second. */
static void show(struct drop_arrival *arrival)
{
    int64_t since = arrival->wrote_ms - arrival->recorded_ms;
    bool due = arrival->id ? since >= RECORD_EVERY_MS
                           : since >= DROP_SHOWN_AFTER_MS || arrival->solid >= SHOWN_FROM;

    if (due)
        drop_arrival_record(arrival);
}

void drop_arrival_show(struct drop_arrival *arrival)
{
    pthread_mutex_lock(&arrival->mutex);
    if (!arrival->id && !arrival->revoked)
        drop_arrival_record(arrival);
    pthread_mutex_unlock(&arrival->mutex);
}

static enum drop_result write_locked(struct drop_arrival *arrival, int64_t offset,
                                     const uint8_t *bytes, size_t length)
{
    enum drop_result result = check_write(arrival, offset, offset + (int64_t)length);
    size_t done = 0;

    while (!result && done < length) {
        ssize_t wrote = pwrite(arrival->fd, bytes + done, length - done, offset + (int64_t)done);
        if (wrote > 0)
            done += (size_t)wrote;
        else if (wrote < 0 && errno != EINTR)
            result = drop_failure("write the part of", arrival->path);
    }
    if (done > 0)
        note(arrival, offset, bytes, done);
    arrival->wrote_ms = when_monotonic_ms();
    if (!result)
        show(arrival);
    return result;
}

enum drop_result drop_write_at(struct drop_arrival *arrival, int64_t offset, const void *bytes,
                               size_t length)
{
    enum drop_result result;

    pthread_mutex_lock(&arrival->mutex);
    result = write_locked(arrival, offset, bytes, length);
    pthread_mutex_unlock(&arrival->mutex);
    return result;
}

enum drop_result drop_write(struct drop_arrival *arrival, const void *bytes, size_t length)
{
    return drop_write_at(arrival, arrival->solid, bytes, length);
}

static enum drop_result truncate_locked(struct drop_arrival *arrival, int64_t length)
{
    int64_t max = arrival->drop->config->web.max_file;
    enum drop_result result = DROP_OK;

    if (arrival->revoked)
        return DROP_BUSY;
    if (length < 0 || (max > 0 && length > max))
        return DROP_TOO_LARGE;
    if (length > arrival->length)
        result = check_whole(arrival, length);
    if (result)
        return result;
    /* Whoever follows has been given what is cut away now. */
    if (length != arrival->length && !arrival->scattered) {
        arrival->scattered = true;
        if (drop_arrival_record(arrival))
            return DROP_FAILED;
    }
    if (ftruncate(arrival->fd, length))
        return drop_failure("cut the part of", arrival->path);
    arrival->length = length;
    if (length < arrival->solid) {
        arrival->solid = length;
        digester_done(&arrival->digester, NULL);
        digester_init(&arrival->digester, arrival->fd, arrival->key, length);
    }
    while (arrival->ahead_count > 0 && arrival->ahead[arrival->ahead_count - 1].until > length)
        arrival->ahead_count--;
    return DROP_OK;
}

enum drop_result drop_truncate(struct drop_arrival *arrival, int64_t length)
{
    enum drop_result result;

    pthread_mutex_lock(&arrival->mutex);
    result = truncate_locked(arrival, length);
    pthread_mutex_unlock(&arrival->mutex);
    return result;
}

enum drop_result drop_sync(struct drop_arrival *arrival)
{
    return fdatasync(arrival->fd) ? drop_failure("sync the part of", arrival->path) : DROP_OK;
}
