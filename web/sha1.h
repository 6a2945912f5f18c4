/*
 * sha1: SHA-1 (FIPS 180-4), for one purpose: tus 1.0.0 demands it of every server that checks
 * sums. It guards against broken cables, not against people. Pure.
 */
#ifndef WEB_SHA1_H
#define WEB_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_SIZE 20

struct sha1 {
    uint32_t state[5];
    uint64_t length;
    uint8_t block[64];
};

void sha1_init(struct sha1 *sha1);
void sha1_put(struct sha1 *sha1, const void *bytes, size_t length);
void sha1_end(struct sha1 *sha1, uint8_t out[SHA1_SIZE]);

#endif
