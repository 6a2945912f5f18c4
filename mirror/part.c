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

/* The three digests of a run of bytes as it grows. */
struct triple {
    struct digest *of[DIGEST_KINDS];
};

struct part {
    const struct cache *cache;
    struct checksum sums[PACKAGE_MAX_CHECKSUMS];
    size_t sum_count;
    struct area shown;  /* what may be seen */
    struct buf held;    /* bytes behind it */
    struct triple hash; /* of what is shown and held */
    int64_t length;     /* -1 not known */
    int64_t due;        /* when held bytes may be shown, -1 none wait */
    bool suspect;       /* what is shown has proved wrong, or some of it */
    /* the response that is arriving, while it is compared with what is here */
    bool comparing;
    int64_t cursor;        /* how far it agrees */
    int64_t other_length;  /* that it announced, -1 none */
    bool parted;           /* it differs, and has */
    struct area other;     /* its own bytes */
    struct triple digests; /* and theirs */
    bool other_is_archive; /* they are the right ones */
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
    if (part->shown.size > 0 && hash_file(&part->hash, part->shown.fd, part->shown.size) < 0) {
        log_errno("%s cannot be read", part->shown.path);
        return -1;
    }
    triple_put(&part->hash, part->held.data, part->held.len);
    return 0;
}

/* ---- opening and closing ---- */

struct part *part_open(const struct cache *cache, const char *name,
                       const struct part_archive *archive)
{
    struct part *part = mem_alloc(sizeof *part);
    char *path = cache_part_path(cache, name);

    part->cache = cache;
    area_init(&part->shown, path, archive->room);
    area_init(&part->other, mem_printf("%s.other", path), archive->room);
    part->length = part->due = -1;
    for (size_t i = 0; i < archive->sum_count && i < PACKAGE_MAX_CHECKSUMS; i++)
        part->sums[part->sum_count++] = archive->sums[i];
    buf_init(&part->held, 2 * PART_HOLD_MAX);
    if (area_open(&part->shown) == 0 && rehash(part) == 0)
        return part;
    log_errno("%s cannot be opened", path);
    part_close(part);
    return NULL;
}

static void drop_other(struct part *part)
{
    if (part->parted)
        area_clear(&part->other);
    part->parted = false;
    triple_free(&part->digests);
}

void part_close(struct part *part)
{
    if (!part)
        return;
    drop_other(part);
    area_done(&part->other);
    area_done(&part->shown);
    triple_free(&part->hash);
    buf_done(&part->held);
    free(part);
}

void part_discard(struct part *part)
{
    if (part)
        area_clear(&part->shown);
    part_close(part);
}

int64_t part_received(const struct part *part)
{
    return part->shown.size + (int64_t)part->held.len;
}

int64_t part_offset(const struct part *part)
{
    return part->suspect ? 0 : part_received(part);
}

int64_t part_length(const struct part *part)
{
    return part->length;
}

int64_t part_size(const struct part *part)
{
    return part->other_is_archive ? part->other.size : part_received(part);
}

const struct checksum *part_sha256(const struct part *part)
{
    return &part->result[DIGEST_SHA256];
}

/* ---- showing ---- */

/* Shows held bytes up to byte number end. */
static enum part_put show_to(struct part *part, int64_t end)
{
    int64_t before = part->shown.size;
    size_t length = end > before ? (size_t)(end - before) : 0;
    int result = area_put(&part->shown, part->held.data, length);

    buf_consume(&part->held, (size_t)(part->shown.size - before));
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
    return end > part->shown.size && !part->suspect ? show_to(part, end) : PART_OK;
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
    if (offset == 0 && part->shown.size == 0 && forget_held(part) < 0)
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
    if (part->due < 0 && may_show(part) > part->shown.size)
        part->due = now_ms + PART_DELAY_MS;
    if (part->held.len > PART_HOLD_MAX)
        result = show_to(part, may_show(part));
    return result;
}

/* Appends to the response's own bytes. */
static enum part_put keep_other(struct part *part, const void *bytes, size_t length)
{
    if (area_put(&part->other, bytes, length) < 0)
        return PART_DISK;
    triple_put(&part->digests, bytes, length);
    return PART_OK;
}

/* The new response differs at the cursor from what clients may have seen: its bytes go their own
 * way, and begin with what both have in common. */
static enum part_put part_ways(struct part *part)
{
    uint8_t *block = mem_alloc(READ_BLOCK);
    enum part_put result = PART_OK;

    /* What an earlier process left may be an archive already that has not got all its names. */
    area_clear(&part->other);
    part->parted = true;
    triple_new(&part->digests);
    while (part->other.size < part->cursor && result == PART_OK) {
        int64_t left = part->cursor - part->other.size;
        ssize_t got =
            pread(part->shown.fd, block, left < (int64_t)READ_BLOCK ? (size_t)left : READ_BLOCK,
                  part->other.size);

        result = got > 0 ? keep_other(part, block, (size_t)got) : PART_DISK;
    }
    free(block);
    return result;
}

/* Takes bytes of a response that has gone its own way. */
static enum part_put put_other(struct part *part, const void *bytes, size_t length)
{
    if (part->other.size + (int64_t)length >
        (part->other_length >= 0 ? part->other_length : PART_MAX))
        return PART_TOO_LONG;
    return keep_other(part, bytes, length);
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

        if (part->cursor < part->shown.size) {
            ssize_t got = pread(part->shown.fd, block, run, part->cursor);

            run = got > 0 ? (size_t)got : 0;
        } else {
            here = part->held.data + (part->cursor - part->shown.size);
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
    if (part->cursor < part->shown.size)
        return part_ways(part);
    buf_truncate(&part->held, (size_t)(part->cursor - part->shown.size));
    part->comparing = false;
    return rehash(part) < 0 ? PART_DISK : PART_OK;
}

enum part_put part_put(struct part *part, const void *bytes, size_t length, int64_t now_ms)
{
    const uint8_t *at = bytes;
    enum part_put result = PART_OK;
    size_t used = 0;

    if (part->comparing && !part->parted) {
        result = compare(part, at, length, &used);
        at += used;
        length -= used;
    }
    if (result != PART_OK || length == 0)
        return result;
    if (part->parted)
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
    if (part->other_length >= 0 && part->other.size < part->other_length) {
        part_break(part);
        return PART_SHORT;
    }
    if (is_archive(part, &part->digests)) {
        part->other_is_archive = true;
        return PART_RIGHT;
    }
    part_break(part);
    return PART_WRONG;
}

enum part_end part_end(struct part *part)
{
    if (part->comparing && !part->parted &&
        (part->other_length < 0 || part->cursor == part->other_length)) {
        if (part->cursor >= part->shown.size || part_ways(part) != PART_OK) {
            part_break(part);
            return PART_WRONG;
        }
    }
    if (part->parted)
        return end_other(part);
    if (part->comparing || (part->length >= 0 && part_received(part) < part->length)) {
        part_break(part);
        return PART_SHORT;
    }
    if (is_archive(part, &part->hash))
        return PART_RIGHT;
    part->suspect = part->shown.size > 0;
    if (part->shown.size == 0)
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
    struct area *area = part->other_is_archive ? &part->other : &part->shown;

    if (!part->other_is_archive && show_to(part, part_received(part)) != PART_OK) {
        log_errno("%s cannot be written", area->path);
        return -1;
    }
    if (area->in_memory)
        return 1;
    if (cache_publish(part->cache, area->path, area->fd, part->result) < 0)
        return -1;
    if (part->other_is_archive) {
        part->parted = false;
        area_clear(&part->shown);
    }
    return 0;
}

/* ---- in memory ---- */

int part_memory(const struct part *part, int64_t *shown)
{
    *shown = part->shown.size;
    return part->shown.in_memory ? part->shown.fd : -1;
}

int64_t part_in_memory(const struct part *part)
{
    return (part->shown.in_memory ? part->shown.size : 0) +
           (part->other.in_memory ? part->other.size : 0);
}

/* What has proved right. */
static struct area *right_area(struct part *part)
{
    return part->other_is_archive ? &part->other : &part->shown;
}

int part_lower(struct part *part)
{
    return area_lower(right_area(part));
}

int part_lift(struct part *part)
{
    struct area *area = right_area(part);

    if (!part->other_is_archive && show_to(part, part_received(part)) != PART_OK)
        return -1;
    return area_lift(area) < 0 ? -1 : area->fd;
}
