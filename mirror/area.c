/*
 * area: a descriptor that grows, on the disk or not.
 */
#include "mirror/area.h"
#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t)64 * 1024)
#define SYNC_EVERY                                                                                 \
    ((int64_t)4 << 20) /* bytes after which writing back begins, to keep fsync short */

void area_init(struct area *area, char *path_take, const struct area_room *room)
{
    *area = (struct area){.fd = -1, .room = room};
    area->path = path_take;
}

static void let_go(struct area *area)
{
    fs_close(area->fd);
    area->fd = -1;
    area->in_memory = false;
    area->size = area->granted = 0;
}

void area_done(struct area *area)
{
    let_go(area);
    free(area->path);
    area->path = NULL;
}

void area_clear(struct area *area)
{
    if (!area->in_memory)
        unlink(area->path);
    let_go(area);
}

int area_open(struct area *area)
{
    struct stat info;

    area->fd = open(area->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (area->fd < 0)
        return errno == ENOENT ? 0 : -1;
    if (fstat(area->fd, &info) < 0)
        return -1;
    area->size = info.st_size;
    return 0;
}

/* Writes at the end. 0, or -1 with errno. */
static int append(struct area *area, const uint8_t *bytes, size_t length)
{
    int64_t before = area->size;

    while (length > 0) {
        ssize_t wrote = pwrite(area->fd, bytes, length, area->size);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return -1;
        bytes += wrote;
        length -= (size_t)wrote;
        area->size += wrote;
        area->granted -= wrote;
    }
    if (!area->in_memory && area->size / SYNC_EVERY != before / SYNC_EVERY)
        sync_file_range(area->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    return 0;
}

/* Whether the disk takes so many more. */
static bool disk_has_room(struct area *area, size_t length)
{
    if (!area->room || area->granted >= (int64_t)length)
        return true;
    area->granted = area->room->disk(area->room->context, (int64_t)length);
    return area->granted > 0;
}

static bool is_full(int error)
{
    return error == ENOSPC || error == EDQUOT;
}

/* 0, or -1 with errno: ENOSPC also where the disk might, but must not. */
static int put_on_disk(struct area *area, const uint8_t *bytes, size_t length)
{
    if (!disk_has_room(area, length)) {
        errno = ENOSPC;
        return -1;
    }
    if (area->fd < 0)
        area->fd = open(area->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    return area->fd < 0 ? -1 : append(area, bytes, length);
}

static int put_in_memory(struct area *area, const uint8_t *bytes, size_t length)
{
    if (area->room && area->room->memory(area->room->context, (int64_t)length))
        return append(area, bytes, length);
    errno = ENOSPC;
    return -1;
}

int area_put(struct area *area, const void *bytes, size_t length)
{
    int64_t before = area->size;

    if (area->in_memory)
        return put_in_memory(area, bytes, length);
    if (put_on_disk(area, bytes, length) == 0)
        return 0;
    if (!is_full(errno) || area_lift(area) < 0)
        return -1;
    return put_in_memory(area, (const uint8_t *)bytes + (area->size - before),
                         length - (size_t)(area->size - before));
}

static int copy(struct area *to, int from, int64_t size)
{
    uint8_t *block = mem_alloc(BLOCK);
    int result = 0;

    while (to->size < size && result == 0) {
        int64_t left = size - to->size;
        ssize_t got = pread(from, block, left < (int64_t)BLOCK ? (size_t)left : BLOCK, to->size);

        result = got > 0 ? append(to, block, (size_t)got) : -1;
    }
    free(block);
    return result;
}

int area_lift(struct area *area)
{
    struct area lifted = {.in_memory = true, .room = area->room};

    if (area->in_memory)
        return 0;
    errno = ENOSPC;
    if (!area->room || !area->room->memory(area->room->context, area->size))
        return -1;
    lifted.fd = memfd_create("riad.archive", MFD_CLOEXEC);
    if (lifted.fd < 0 || copy(&lifted, area->fd, area->size) < 0) {
        let_go(&lifted);
        return -1;
    }
    lifted.path = area->path;
    area_clear(area);
    *area = lifted;
    return 0;
}

int area_lower(struct area *area)
{
    struct area lowered = {.path = area->path, .granted = area->size, .room = area->room};

    if (!area->in_memory)
        return 0;
    unlink(area->path);
    lowered.fd = open(area->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (lowered.fd >= 0 && copy(&lowered, area->fd, area->size) == 0) {
        let_go(area);
        *area = lowered;
        return 0;
    }
    unlink(area->path);
    let_go(&lowered);
    return -1;
}
