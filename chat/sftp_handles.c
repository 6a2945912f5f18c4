#include "chat/sftp_private.h"

#include "base/fs.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COPY_STEP (256 * 1024)

/* ---- the table ---- */

struct sftp_handle *sftp_handle_new(struct sftp *sftp, const char *path)
{
    for (size_t i = 0; i < SFTP_HANDLES; i++) {
        struct sftp_handle *handle = &sftp->handles[i];
        uint32_t generation = handle->generation + 1;

        if (handle->used)
            continue;
        *handle = (struct sftp_handle){.used = true, .generation = generation, .fd = -1};
        snprintf(handle->path, sizeof handle->path, "%s", path);
        return handle;
    }
    return NULL;
}

void sftp_put_handle(struct sftp *sftp, uint32_t id, const struct sftp_handle *handle)
{
    size_t begin = sftp_packet_begin(&sftp->out, SFTP_HANDLE, id);

    sftp_put_u32(&sftp->out, 8);
    sftp_put_u32(&sftp->out, (uint32_t)(handle - sftp->handles));
    sftp_put_u32(&sftp->out, handle->generation);
    sftp_packet_end(&sftp->out, begin);
}

struct sftp_handle *sftp_handle_get(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    size_t length;
    const uint8_t *bytes = sftp_get_bytes(in, &length);
    struct sftp_reader text = {.at = bytes, .end = bytes ? bytes + length : bytes};
    uint32_t index = sftp_get_u32(&text), generation = sftp_get_u32(&text);

    if (length == 8 && index < SFTP_HANDLES && sftp->handles[index].used &&
        sftp->handles[index].generation == generation)
        return &sftp->handles[index];
    sftp_put_status(sftp, id, SFTP_FX_FAILURE, "That is not open.");
    return NULL;
}

struct sftp_handle *sftp_handle_writing(struct sftp *sftp, const char *path)
{
    for (size_t i = 0; i < SFTP_HANDLES; i++)
        if (sftp->handles[i].used && sftp->handles[i].arrival &&
            strcmp(sftp->handles[i].path, path) == 0)
            return &sftp->handles[i];
    return NULL;
}

void sftp_done(struct sftp *sftp)
{
    for (size_t i = 0; i < SFTP_HANDLES; i++) {
        struct sftp_handle *handle = &sftp->handles[i];

        if (handle->used && handle->arrival)
            drop_pause(handle->arrival);
        if (handle->used)
            fs_close(handle->fd);
    }
    free(sftp->handles);
    buf_done(&sftp->out);
}

/* ---- opening ---- */

static enum drop_result open_to_read(struct sftp *sftp, struct sftp_handle *handle)
{
    struct sftp_handle *writing;
    enum drop_result result = drop_read(sftp->drop, handle->path, &handle->file, &handle->fd);

    if (result == DROP_BAD_PATH)
        return DROP_NOT_FOUND;
    if (result != DROP_NOT_FOUND)
        return result;
    writing = sftp_handle_writing(sftp, handle->path);
    if (!writing)
        return DROP_NOT_FOUND;
    handle->fd = dup(drop_arrival_fd(writing->arrival));
    handle->file = (struct drop_file){.person_id = sftp->actor.person_id, .yours = true};
    return handle->fd < 0 ? DROP_FAILED : DROP_OK;
}

/* Goes on with what broke off; nobody waits for what the same connection writes. */
static enum drop_result resume(struct sftp *sftp, struct sftp_handle *handle, const char *key)
{
    bool ours = sftp_handle_writing(sftp, handle->path) != NULL;
    enum drop_result result;
    int waited_ms = 0;

    do
        result = drop_resume(sftp->drop, key, &sftp->actor, &handle->arrival);
    while (result == DROP_BUSY && !ours && drop_busy_wait(&waited_ms));
    return result;
}

/*
 * A part that broke off is gone on with where nothing else has that name (reput); what starts anew
 * throws it away.
 */
static enum drop_result open_to_write(struct sftp *sftp, struct sftp_handle *handle, uint32_t flags)
{
    struct drop_wish wish = {
        .path = handle->path,
        .actor = sftp->actor,
        .door = sftp->door,
        .size = -1,
        .replace = true,
        .exact = true,
        .copy = !(flags & SFTP_OPEN_TRUNCATE),
    };
    struct drop_coming coming;
    struct drop_file there;
    enum drop_result result = drop_look(sftp->drop, handle->path, &there);
    bool exists = result == DROP_OK;

    if (result && result != DROP_NOT_FOUND)
        return result;
    if (exists && (flags & SFTP_OPEN_EXCLUSIVE) && (flags & SFTP_OPEN_CREATE))
        return DROP_BUSY;
    if (!exists &&
        drop_coming_by_path(sftp->drop, handle->path, &sftp->actor, &coming) == DROP_OK) {
        if (!(flags & SFTP_OPEN_TRUNCATE))
            return resume(sftp, handle, coming.key);
        result = drop_coming_remove(sftp->drop, coming.key, &sftp->actor);
        if (result == DROP_BUSY)
            return result;
    }
    if (!exists && !(flags & SFTP_OPEN_CREATE))
        return DROP_NOT_FOUND;
    result = drop_begin(sftp->drop, &wish, &handle->arrival);
    /* Whatever is there and is not ours stays. */
    return result == DROP_TAKEN ? DROP_NOT_YOURS : result;
}

void sftp_open_file(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    char path[DROP_PATH_MAX];
    struct sftp_handle *handle;
    struct sftp_attrs attrs;
    enum drop_result result;
    uint32_t flags;

    if (!sftp_get_path(sftp, id, in, path))
        return;
    flags = sftp_get_u32(in);
    sftp_get_attrs(in, &attrs);
    handle = sftp_handle_new(sftp, path);
    if (!handle) {
        sftp_put_status(sftp, id, SFTP_FX_FAILURE, "Too many files are open.");
        return;
    }
    handle->append = (flags & SFTP_OPEN_APPEND) != 0;
    result = flags & (SFTP_OPEN_WRITE | SFTP_OPEN_APPEND) ? open_to_write(sftp, handle, flags)
                                                          : open_to_read(sftp, handle);
    if (result) {
        handle->used = false;
        sftp_put_result(sftp, id, result);
        return;
    }
    if (handle->arrival && (attrs.flags & SFTP_ATTR_TIMES))
        drop_arrival_set_modified(handle->arrival, (int64_t)attrs.mtime * 1000);
    sftp_put_handle(sftp, id, handle);
}

/* Closing publishes. */
void sftp_close(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    struct sftp_handle *handle = sftp_handle_get(sftp, id, in);
    enum drop_result result = DROP_OK;
    struct drop_file file;

    if (!handle)
        return;
    handle->used = false;
    fs_close(handle->fd);
    if (handle->arrival && handle->failed)
        drop_pause(handle->arrival);
    else if (handle->arrival)
        result = drop_publish(handle->arrival, &file, NULL, NULL);
    if (handle->fd >= 0 && handle->file.id && handle->ended)
        drop_downloaded(sftp->drop, handle->file.id);
    sftp_put_result(sftp, id, result == DROP_TAKEN ? DROP_NOT_YOURS : result);
}

/* ---- bytes ---- */

/* Reads right into the answer. */
void sftp_read(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    struct sftp_handle *handle = sftp_handle_get(sftp, id, in);
    uint64_t offset = sftp_get_u64(in);
    size_t wanted = sftp_get_u32(in), begin, data;
    struct buf *out = &sftp->out;
    ssize_t got;
    int fd;

    if (!handle)
        return;
    fd = handle->arrival ? drop_arrival_fd(handle->arrival) : handle->fd;
    if (in->bad || fd < 0 || offset > INT64_MAX) {
        sftp_put_status(sftp, id, SFTP_FX_FAILURE, "That cannot be read.");
        return;
    }
    wanted = wanted > SFTP_DATA_MAX ? SFTP_DATA_MAX : wanted;
    begin = sftp_packet_begin(out, SFTP_DATA, id);
    sftp_put_u32(out, 0);
    data = out->len;
    if (buf_room(out, wanted))
        return;
    got = pread(fd, out->data + data, wanted, (off_t)offset);
    if (got <= 0) {
        buf_truncate(out, begin);
        handle->ended = got == 0;
        sftp_put_status(sftp, id, got == 0 ? SFTP_FX_EOF : SFTP_FX_FAILURE,
                        got == 0 ? "That is the end." : "That cannot be read.");
        return;
    }
    buf_grown(out, (size_t)got);
    for (int i = 0; i < 4; i++)
        out->data[data - 4 + (size_t)i] = (uint8_t)((size_t)got >> (24 - 8 * i));
    sftp_packet_end(out, begin);
}

void sftp_write(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    struct sftp_handle *handle = sftp_handle_get(sftp, id, in);
    uint64_t offset = sftp_get_u64(in);
    size_t length;
    const uint8_t *bytes = sftp_get_bytes(in, &length);
    enum drop_result result;

    if (!handle)
        return;
    if (in->bad || !handle->arrival || offset > INT64_MAX) {
        sftp_put_status(sftp, id, SFTP_FX_FAILURE, "That is not open to be written.");
        return;
    }
    if (handle->append)
        offset = (uint64_t)drop_arrival_length(handle->arrival);
    result = drop_write_at(handle->arrival, (int64_t)offset, bytes, length);
    handle->failed |= result != DROP_OK;
    sftp_put_result(sftp, id, result);
}

/* Until length bytes or, with 0, all that is there, or nobody may copy any more. */
static enum drop_result copy(const struct sftp *sftp, int fd, int64_t offset, int64_t length,
                             struct drop_arrival *to, int64_t at)
{
    uint8_t *piece = mem_alloc(COPY_STEP);
    int64_t left = length ? length : INT64_MAX;
    enum drop_result result = DROP_OK;
    ssize_t got = 1;

    while (!result && left > 0 && got > 0) {
        if (sftp_is_cut(sftp)) {
            result = DROP_FAILED;
            break;
        }
        got = pread(fd, piece, left < COPY_STEP ? (size_t)left : COPY_STEP, offset);
        if (got > 0)
            result = drop_write_at(to, at, piece, (size_t)got);
        offset += got;
        at += got;
        left -= got;
    }
    free(piece);
    return got < 0 ? DROP_FAILED : result;
}

/* `cp` of sftp: the bytes need not travel to the client and back. */
void sftp_copy_data(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    struct sftp_handle *from = sftp_handle_get(sftp, id, in), *to;
    uint64_t offset = sftp_get_u64(in), length = sftp_get_u64(in), at;
    enum drop_result result;

    if (!from)
        return;
    to = sftp_handle_get(sftp, id, in);
    at = sftp_get_u64(in);
    if (!to)
        return;
    /* A part that is copied onto itself would grow as long as it is read. */
    if (in->bad || from->fd < 0 || !to->arrival ||
        fs_is_same(from->fd, drop_arrival_fd(to->arrival)) || offset > INT64_MAX / 2 ||
        length > INT64_MAX / 2 || at > INT64_MAX / 2) {
        sftp_put_status(sftp, id, SFTP_FX_FAILURE, "That cannot be copied.");
        return;
    }
    result = copy(sftp, from->fd, (int64_t)offset, (int64_t)length, to->arrival, (int64_t)at);
    to->failed |= result != DROP_OK;
    sftp_put_result(sftp, id, result);
}

void sftp_fsync(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    struct sftp_handle *handle = sftp_handle_get(sftp, id, in);

    if (handle)
        sftp_put_result(sftp, id, handle->arrival ? drop_sync(handle->arrival) : DROP_OK);
}

/* ---- what it is ---- */

void sftp_arrival_attrs(const struct sftp *sftp, const struct drop_arrival *arrival,
                        struct sftp_attrs *attrs)
{
    const struct drop_file file = {
        .size = drop_arrival_length(arrival),
        .person_id = sftp->actor.person_id,
        .modified_at = drop_arrival_modified(arrival),
        .yours = true,
    };

    sftp_file_attrs(sftp, &file, attrs);
}

void sftp_fstat(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    struct sftp_handle *handle = sftp_handle_get(sftp, id, in);
    struct sftp_attrs attrs;
    size_t begin;

    if (!handle)
        return;
    if (handle->arrival)
        sftp_arrival_attrs(sftp, handle->arrival, &attrs);
    else if (handle->listing)
        sftp_file_attrs(sftp, &(struct drop_file){.folder = true}, &attrs);
    else
        sftp_file_attrs(sftp, &handle->file, &attrs);
    begin = sftp_packet_begin(&sftp->out, SFTP_ATTRS, id);
    sftp_put_attrs(&sftp->out, &attrs);
    sftp_packet_end(&sftp->out, begin);
}

/* Sizes and times are set; modes and owners are what the drop says, whatever a client asks. */
void sftp_fsetstat(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    struct sftp_handle *handle = sftp_handle_get(sftp, id, in);
    enum drop_result result = DROP_OK;
    struct sftp_attrs attrs;

    if (!handle)
        return;
    sftp_get_attrs(in, &attrs);
    if (!handle->arrival) {
        sftp_put_result(sftp, id, attrs.flags & SFTP_ATTR_SIZE ? DROP_NOT_ALLOWED : DROP_OK);
        return;
    }
    if (attrs.flags & SFTP_ATTR_SIZE)
        result = attrs.size > INT64_MAX ? DROP_TOO_LARGE
                                        : drop_truncate(handle->arrival, (int64_t)attrs.size);
    if (attrs.flags & SFTP_ATTR_TIMES)
        drop_arrival_set_modified(handle->arrival, (int64_t)attrs.mtime * 1000);
    sftp_put_result(sftp, id, result);
}
