/*
 * part: an archive that is arriving, and what of it may be shown already.
 *
 * Bytes come from whatever source delivers them and are checked against the archive's digests. The
 * part file holds what clients may have: it is always that long and no longer. Two things are held
 * back in memory: what arrived within the last PART_DELAY_MS, since a small archive is often
 * complete and found wrong before anybody has seen a byte of it; and the end, PART_TAIL bytes,
 * until all digests agree. So nobody ever holds a complete wrong archive.
 *
 * A response may begin where the part ends (Range), or at byte 0 again: then it is compared with
 * what is here. As long as both agree nothing happens; where they part, the new bytes go to a file
 * of their own, and the digests decide. If the new ones are right, whoever has not received more
 * than both had in common notices nothing (mirror/handler.h compares).
 *
 * Where the disk has no room the part lies in memory, and only part_memory shows it
 * (mirror/area.h).
 *
 * Pure but for its files; one thread.
 */
#ifndef MIRROR_PART_H
#define MIRROR_PART_H

#include "mirror/area.h"
#include "mirror/cache.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PART_DELAY_MS  25
#define PART_TAIL      ((int64_t)256 * 1024) /* held back of an archive whose length is known */
#define PART_TAIL_OPEN ((int64_t)64 * 1024)  /* and of one whose length is not */
#define PART_HOLD_MAX  ((size_t)8 << 20)     /* bytes in memory */
#define PART_MAX       ((int64_t)1 << 30)    /* bytes of an archive; real ones stay below 0.3 G */

struct part;

/* What is to arrive: all digests that it must have, and who decides about room for it (NULL:
 * nobody; it outlives the part). */
struct part_archive {
    const struct checksum *sums;
    size_t sum_count;
    const struct area_room *room;
};

/* Opens the part of flight name; what an earlier process left of it is taken up. NULL, logged. */
struct part *part_open(const struct cache *cache, const char *name,
                       const struct part_archive *archive);

/* Closes it; the file stays for another time. */
void part_close(struct part *part);

/* Closes it and removes the file. */
void part_discard(struct part *part);

/* How many bytes are here, shown or not: where a Range request begins. 0 if what is here has proved
 * wrong and must be compared from its beginning. */
int64_t part_offset(const struct part *part);

/* How many bytes are here, whether right or wrong; progress is what lets this grow. */
int64_t part_received(const struct part *part);

/* The whole length, -1 while it is not known. */
int64_t part_length(const struct part *part);

/* A response begins: its first byte is number offset (0 or part_offset), the archive has length
 * bytes in all, -1 if it does not say. 0; -1 if that cannot be (beyond PART_MAX). */
int part_begin(struct part *part, int64_t offset, int64_t length);

enum part_put { PART_OK, PART_DISK, PART_TOO_LONG };

/* Takes bytes. PART_DISK: there is room for them neither on the disk nor in memory (errno: ENOSPC),
 * or the disk is broken; PART_TOO_LONG: more than the
 * length, or than PART_MAX. */
enum part_put part_put(struct part *part, const void *bytes, size_t length, int64_t now_ms);

/* When part_show wants to be called, in monotonic ms; -1: not before more bytes come. */
int64_t part_due(const struct part *part);
/* Shows what has been held for long enough. PART_OK or PART_DISK. */
enum part_put part_show(struct part *part, int64_t now_ms);

enum part_end {
    PART_RIGHT, /* all digests agree: part_publish */
    PART_WRONG, /* this source's bytes are not the archive; another one may do */
    PART_SHORT, /* bytes are missing */
};

/* The response ended as it should. */
enum part_end part_end(struct part *part);

/* The response broke off: what it brought stays, if it may. */
void part_break(struct part *part);

/* Whether all bytes are here already and right, as after a crash; then part_publish. */
bool part_is_complete(struct part *part);

/* After PART_RIGHT: shows the end, and takes the file into the cache. 0; 1: there was no room,
 * it lies in memory; -1, logged. */
int part_publish(struct part *part);

/* What lies in memory, for want of disk. The descriptor of what may be shown, *shown bytes, if that
 * does; else -1. */
int part_memory(const struct part *part, int64_t *shown);
/* How many bytes in all. */
int64_t part_in_memory(const struct part *part);
/* After PART_RIGHT, when room has been made: has what lies in memory on the disk. 0 or -1. */
int part_lower(struct part *part);
/* After PART_RIGHT, instead of part_publish: has the whole archive in memory. Its descriptor, the
 * part's own, or -1. */
int part_lift(struct part *part);

/* Its SHA-256 and its size, after PART_RIGHT. */
const struct checksum *part_sha256(const struct part *part);
int64_t part_size(const struct part *part);

#endif
