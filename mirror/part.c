/*
 * part: bytes that are here, bytes that may be seen, and the digests between them.
 */
#include "mirror/part.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "mirror/package.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BLOCK ((size_t)64 * 1024)
#define SYNC_EVERY                                                                                 \
    ((int64_t)4 << 20) /* bytes after which writing back begins, to keep fsync short */

/* The three digests of a run of bytes as it grows. */
struct triple {
    struct digest *of[DIGEST_KINDS];
};

struct part {
    const struct cache *cache;
    char *name, *path;
    struct checksum sums[PACKAGE_MAX_CHECKSUMS];
    size_t sum_count;
    int fd;             /* -1 until something is shown */
    int64_t shown;      /* bytes in the file */
    struct buf held;    /* bytes behind them */
    struct triple hash; /* of what is shown and held */
    int64_t length;     /* -1 not known */
    int64_t due;        /* when held bytes may be shown, -1 none wait */
    bool suspect;       /* what is shown has proved wrong, or some of it */
    /* the response that is arriving, while it is compared with what is here */
    bool comparing;
    int64_t cursor;        /* how far it agrees */
    int64_t other_length;  /* that it announced, -1 none */
    char *other_path;      /* its own file once it differs */
    int other_fd;          /* -1 while it does not differ */
    int64_t other_size;    /* bytes in that file */
    struct triple other;   /* and its digests */
    bool other_is_archive; /* it is the right one */
    struct checksum result[DIGEST_KINDS];
};

/* ---- digests ---- */

static void triple_free(struct triple *triple)
{
    for (int kind = 0; kind < DIGEST_KINDS; kind++) {
        digest_free(triple->of[kind]);
        triple->of[kind] = NULL;
    }
}

static void triple_new(struct triple *triple)
{
    triple_free(triple);
    for (int kind = 0; kind < DIGEST_KINDS; kind++)
        triple->of[kind] = digest_new((enum digest_kind)kind);
}

static void triple_put(struct triple *triple, const void *bytes, size_t length)
{
    for (int kind = 0; kind < DIGEST_KINDS; kind++)
        digest_put(triple->of[kind], bytes, length);
}

/* Looks at the digests as if this were the end. */
static void triple_look(const struct triple *triple, struct checksum out[DIGEST_KINDS])
{
    for (int kind = 0; kind < DIGEST_KINDS; kind++) {
        struct digest *end = digest_dup(triple->of[kind]);

        out[kind] = (struct checksum){.kind = (enum digest_kind)kind};
        digest_end(end, out[kind].bytes);
        digest_free(end);
    }
}

static bool is_archive(struct part *part, const struct triple *triple)
{
    triple_look(triple, part->result);
    for (size_t i = 0; i < part->sum_count; i++)
        if (!checksum_equal(&part->sums[i], &part->result[part->sums[i].kind]))
            return false;
    return true;
}

/* Puts the first length bytes of the file into the digests. 0 or -1. */
static int hash_file(struct triple *triple, int fd, int64_t length)
{
    uint8_t *block = mem_alloc(READ_BLOCK);
    int64_t at = 0;
    ssize_t got;

    while (at < length) {
        size_t want = length - at < (int64_t)READ_BLOCK ? (size_t)(length - at) : READ_BLOCK;

        if ((got = pread(fd, block, want, at)) <= 0)
            break;
        triple_put(triple, block, (size_t)got);
        at += got;
    }
    free(block);
    return at == length ? 0 : -1;
}

/* The digests of what is here, anew. */
static int rehash(struct part *part)
{
    triple_new(&part->hash);
    if (part->shown > 0 && hash_file(&part->hash, part->fd, part->shown) < 0) {
        log_errno("%s cannot be read", part->path);
        return -1;
    }
    triple_put(&part->hash, part->held.data, part->held.len);
    return 0;
}

/* ---- opening and closing ---- */

/* Takes up what an earlier process left. */
static int take_up(struct part *part)
{
    struct stat info;

    part->fd = open(part->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (part->fd < 0)
        return errno == ENOENT ? 0 : -1;
    if (fstat(part->fd, &info) < 0)
        return -1;
    part->shown = info.st_size;
    return 0;
}

struct part *part_open(const struct cache *cache, const char *name, const struct checksum *sums,
                       size_t count)
{
    struct part *part = mem_alloc(sizeof *part);

    part->cache = cache;
    part->name = mem_dup(name);
    part->path = cache_part_path(cache, name);
    part->other_path = mem_printf("%s.other", part->path);
    part->fd = part->other_fd = -1;
    part->length = part->due = -1;
    for (size_t i = 0; i < count && i < PACKAGE_MAX_CHECKSUMS; i++)
        part->sums[part->sum_count++] = sums[i];
    buf_init(&part->held, 2 * PART_HOLD_MAX);
    if (take_up(part) == 0 && rehash(part) == 0)
        return part;
    log_errno("%s cannot be opened", part->path);
    part_close(part);
    return NULL;
}

static void drop_other(struct part *part)
{
    if (part->other_fd >= 0)
        unlink(part->other_path);
    fs_close(part->other_fd);
    part->other_fd = -1;
    part->other_size = 0;
    triple_free(&part->other);
}

void part_close(struct part *part)
{
    if (!part)
        return;
    drop_other(part);
    fs_close(part->fd);
    triple_free(&part->hash);
    buf_done(&part->held);
    free(part->other_path);
    free(part->path);
    free(part->name);
    free(part);
}

void part_discard(struct part *part)
{
    if (part)
        unlink(part->path);
    part_close(part);
}

int64_t part_received(const struct part *part)
{
    return part->shown + (int64_t)part->held.len;
}

int64_t part_offset(const struct part *part)
{
    return part->suspect ? 0 : part_received(part);
}

int64_t part_length(const struct part *part)
{
    return part->length;
}

const struct checksum *part_sha256(const struct part *part)
{
    return &part->result[DIGEST_SHA256];
}

/* ---- showing ---- */

/* Writes all of bytes at offset. 0, or -1 with errno; *done tells how many were written. */
static int write_at(int fd, const uint8_t *bytes, size_t length, int64_t offset, size_t *done)
{
    for (*done = 0; *done < length;) {
        ssize_t wrote = pwrite(fd, bytes + *done, length - *done, offset + (int64_t)*done);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return -1;
        *done += (size_t)wrote;
    }
    return 0;
}

/* Shows held bytes up to byte number end. */
static enum part_put show_to(struct part *part, int64_t end)
{
    size_t done, length = end > part->shown ? (size_t)(end - part->shown) : 0;
    int result;

    if (part->fd < 0)
        part->fd = open(part->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (part->fd < 0)
        return PART_DISK;
    if (length == 0)
        return PART_OK;
    result = write_at(part->fd, part->held.data, length, part->shown, &done);
    if ((part->shown + (int64_t)done) / SYNC_EVERY != part->shown / SYNC_EVERY)
        sync_file_range(part->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    buf_consume(&part->held, done);
    part->shown += (int64_t)done;
    return result < 0 ? PART_DISK : PART_OK;
}

/* How far may be shown before the digests are known. */
static int64_t may_show(const struct part *part)
{
    int64_t received = part_received(part), end;

    end = part->length < 0 ? received - PART_TAIL_OPEN : part->length - PART_TAIL;
    return end < received ? end : received;
}

int64_t part_due(const struct part *part)
{
    return part->due;
}

enum part_put part_show(struct part *part, int64_t now_ms)
{
    int64_t end = may_show(part);

    if (part->due < 0 || now_ms < part->due)
        return PART_OK;
    part->due = -1;
    return end > part->shown && !part->suspect ? show_to(part, end) : PART_OK;
}

/* ---- receiving ---- */

/* Forgets everything that nobody has seen. */
static int forget_held(struct part *part)
{
    buf_clear(&part->held);
    part->due = -1;
    return rehash(part);
}

int part_begin(struct part *part, int64_t offset, int64_t length)
{
    drop_other(part);
    part->comparing = false;
    part->cursor = 0;
    part->other_length = length;
    if (length > PART_MAX || (offset != 0 && offset != part_offset(part)))
        return -1;
    if (offset > 0 && length >= 0 && part->length >= 0 && length != part->length)
        return -1;
    if (offset == 0 && part->shown == 0 && forget_held(part) < 0)
        return -1;
    part->comparing = offset < part_received(part);
    if (length >= 0 || (offset == 0 && !part->comparing))
        part->length = length;
    return 0;
}

static enum part_put append(struct part *part, const void *bytes, size_t length, int64_t now_ms)
{
    enum part_put result = PART_OK;
    int64_t end = part_received(part) + (int64_t)length;

    if (end > (part->length >= 0 ? part->length : PART_MAX))
        return PART_TOO_LONG;
    buf_put(&part->held, bytes, length);
    triple_put(&part->hash, bytes, length);
    if (part->due < 0 && may_show(part) > part->shown)
        part->due = now_ms + PART_DELAY_MS;
    if (part->held.len > PART_HOLD_MAX)
        result = show_to(part, may_show(part));
    return result;
}

/* The new response differs at the cursor from what clients may have seen: it gets its own file,
 * which begins with what both have in common. */
static enum part_put part_ways(struct part *part)
{
    uint8_t *block;
    enum part_put result = PART_OK;
    size_t done;

    /* What an earlier process left may be an archive already that has not got all its names. */
    unlink(part->other_path);
    part->other_fd =
        open(part->other_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (part->other_fd < 0)
        return PART_DISK;
    triple_new(&part->other);
    block = mem_alloc(READ_BLOCK);
    for (part->other_size = 0; part->other_size < part->cursor && result == PART_OK;) {
        int64_t left = part->cursor - part->other_size;
        ssize_t got = pread(part->fd, block, left < (int64_t)READ_BLOCK ? (size_t)left : READ_BLOCK,
                            part->other_size);

        if (got <= 0 || write_at(part->other_fd, block, (size_t)got, part->other_size, &done) < 0)
            result = PART_DISK;
        else
            triple_put(&part->other, block, (size_t)got);
        part->other_size += got > 0 ? got : 0;
    }
    free(block);
    return result;
}

/* Takes bytes of a response that has gone its own way. */
static enum part_put put_other(struct part *part, const void *bytes, size_t length)
{
    size_t done;

    if (part->other_size + (int64_t)length >
        (part->other_length >= 0 ? part->other_length : PART_MAX))
        return PART_TOO_LONG;
    if (write_at(part->other_fd, bytes, length, part->other_size, &done) < 0)
        return PART_DISK;
    triple_put(&part->other, bytes, length);
    part->other_size += (int64_t)length;
    return PART_OK;
}

/* How many of the bytes agree with what is here from the cursor on; moves the cursor. */
static size_t agree(struct part *part, const uint8_t *bytes, size_t length)
{
    uint8_t block[4096];
    size_t same = 0;

    while (same < length && part->cursor < part_received(part)) {
        const uint8_t *here = block;
        int64_t left = part_received(part) - part->cursor;
        size_t run = length - same < sizeof block ? length - same : sizeof block, i = 0;

        if (part->cursor < part->shown) {
            ssize_t got = pread(part->fd, block, run, part->cursor);

            run = got > 0 ? (size_t)got : 0;
        } else {
            here = part->held.data + (part->cursor - part->shown);
            run = (int64_t)run < left ? run : (size_t)left;
        }
        while (i < run && here[i] == bytes[same + i])
            i++;
        same += i;
        part->cursor += (int64_t)i;
        if (i < run || run == 0)
            break;
    }
    return same;
}

/* Compares, and finds out what to do with the rest. *used bytes are dealt with. */
static enum part_put compare(struct part *part, const uint8_t *bytes, size_t length, size_t *used)
{
    *used = agree(part, bytes, length);
    if (part->cursor == part_received(part)) {
        part->comparing = part->suspect = false;
        return PART_OK;
    }
    if (*used == length)
        return PART_OK;
    if (part->cursor < part->shown)
        return part_ways(part);
    buf_truncate(&part->held, (size_t)(part->cursor - part->shown));
    part->comparing = false;
    return rehash(part) < 0 ? PART_DISK : PART_OK;
}

enum part_put part_put(struct part *part, const void *bytes, size_t length, int64_t now_ms)
{
    const uint8_t *at = bytes;
    enum part_put result = PART_OK;
    size_t used = 0;

    if (part->comparing && part->other_fd < 0) {
        result = compare(part, at, length, &used);
        at += used;
        length -= used;
    }
    if (result != PART_OK || length == 0)
        return result;
    if (part->other_fd >= 0)
        return put_other(part, at, length);
    return append(part, at, length, now_ms);
}

void part_break(struct part *part)
{
    drop_other(part);
    part->comparing = false;
}

/* ---- the end ---- */

static enum part_end end_other(struct part *part)
{
    if (part->other_length >= 0 && part->other_size < part->other_length) {
        part_break(part);
        return PART_SHORT;
    }
    if (is_archive(part, &part->other)) {
        part->other_is_archive = true;
        return PART_RIGHT;
    }
    part_break(part);
    return PART_WRONG;
}

enum part_end part_end(struct part *part)
{
    if (part->comparing && part->other_fd < 0 &&
        (part->other_length < 0 || part->cursor == part->other_length)) {
        if (part->cursor >= part->shown || part_ways(part) != PART_OK) {
            part_break(part);
            return PART_WRONG;
        }
    }
    if (part->other_fd >= 0)
        return end_other(part);
    if (part->comparing || (part->length >= 0 && part_received(part) < part->length)) {
        part_break(part);
        return PART_SHORT;
    }
    if (is_archive(part, &part->hash))
        return PART_RIGHT;
    part->suspect = part->shown > 0;
    if (part->shown == 0)
        part->length = -1;
    forget_held(part);
    return PART_WRONG;
}

bool part_is_complete(struct part *part)
{
    return part_received(part) > 0 && is_archive(part, &part->hash);
}

int part_publish(struct part *part)
{
    int result;

    if (part->other_is_archive) {
        result = cache_publish(part->cache, part->other_path, part->other_fd, part->result);
        if (result == 0) {
            unlink(part->path);
            fs_close(part->other_fd);
            part->other_fd = -1;
        }
        return result;
    }
    if (show_to(part, part_received(part)) != PART_OK) {
        log_errno("%s cannot be written", part->path);
        return -1;
    }
    return cache_publish(part->cache, part->path, part->fd, part->result);
}
