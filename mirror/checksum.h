/*
 * checksum: the name of an archive, in each of its spellings.
 *
 *     algo=hex        in opam files; a bare hex is md5; any case
 *     ALGO:HEX        in the store (flight.name)
 *     ALGO/XX/HEX     in the cache and on the wire; XX are the first two digits
 *
 * Pure. Whatever asks for an archive passes checksum_parse_path, whatever an opam file lists passes
 * checksum_parse: nothing else ever becomes a path below the cache.
 */
#ifndef MIRROR_CHECKSUM_H
#define MIRROR_CHECKSUM_H

#include "base/buf.h"
#include "identity/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECKSUM_TEXT 152 /* bytes of the longest spelling, with its NUL */

struct checksum {
    enum digest_kind kind;
    uint8_t bytes[DIGEST_MAX];
};

/* `algo=hex` or a bare md5 in any case. 0, or -1 if it is none of those. */
int checksum_parse(const char *text, struct checksum *sum);
/* `ALGO:HEX`. 0 or -1. */
int checksum_parse_name(const char *text, struct checksum *sum);
/* `ALGO/XX/HEX`, any case of the digits; XX must agree. 0 or -1. */
int checksum_parse_path(const char *text, struct checksum *sum);

/* The spellings, each into CHECKSUM_TEXT bytes: `algo=hex`, `algo:hex`, `algo/xx/hex`. */
void checksum_text(const struct checksum *sum, char *out);
void checksum_name(const struct checksum *sum, char *out);
void checksum_path(const struct checksum *sum, char *out);
/* The digits alone. */
void checksum_hex(const struct checksum *sum, char *out);

bool checksum_equal(const struct checksum *one, const struct checksum *other);

/* The strongest of count > 0: sha512 before sha256 before md5. */
const struct checksum *checksum_best(const struct checksum *sums, size_t count);

#endif
