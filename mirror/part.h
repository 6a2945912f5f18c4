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
 * Pure but for its files; one thread.
 */
#ifndef MIRROR_PART_H
#define MIRROR_PART_H

#include "mirror/cache.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PART_DELAY_MS  25
#define PART_TAIL      ((int64_t)256 * 1024) /* held back of an archive whose length is known */
#define PART_TAIL_OPEN ((int64_t)64 * 1024)  /* and of one whose length is not */
#define PART_HOLD_MAX  ((size_t)8 << 20)     /* bytes in memory */
#define PART_MAX       ((int64_t)4 << 30)    /* bytes of an archive */

struct part;

/* Opens the part of flight name; what an earlier process left of it is taken up. sums are all
 * digests that it must have. NULL, logged. */
struct part *part_open(const struct cache *cache, const char *name, const struct checksum *sums,
                       size_t count);

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

/* Takes bytes. PART_DISK: the disk is full or broken, errno says; PART_TOO_LONG: more than the
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

/* After PART_RIGHT: shows the end, and takes the file into the cache. 0, or -1, logged. */
int part_publish(struct part *part);
/* Its SHA-256, after PART_RIGHT; and its size. */
const struct checksum *part_sha256(const struct part *part);

#endif
