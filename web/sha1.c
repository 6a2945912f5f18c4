#include "web/sha1.h"

#include <string.h>

static uint32_t rotate(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

static uint32_t mix(int round, uint32_t b, uint32_t c, uint32_t d)
{
    switch (round / 20) {
    case 0:
        return ((b & c) | (~b & d)) + 0x5a827999;
    case 1:
        return (b ^ c ^ d) + 0x6ed9eba1;
    case 2:
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    default:
        return (b ^ c ^ d) + 0xca62c1d6;
    }
}

static void take_block(struct sha1 *sha1, const uint8_t *block)
{
    uint32_t w[80], s[5];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    memcpy(s, sha1->state, sizeof s);
    for (int i = 0; i < 80; i++) {
        uint32_t next = rotate(s[0], 5) + mix(i, s[1], s[2], s[3]) + s[4] + w[i];
        s[4] = s[3];
        s[3] = s[2];
        s[2] = rotate(s[1], 30);
        s[1] = s[0];
        s[0] = next;
    }
    for (int i = 0; i < 5; i++)
        sha1->state[i] += s[i];
}

void sha1_init(struct sha1 *sha1)
{
    static const uint32_t start[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    memset(sha1, 0, sizeof *sha1);
    memcpy(sha1->state, start, sizeof start);
}

void sha1_put(struct sha1 *sha1, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    while (length > 0) {
        size_t held = sha1->length % 64, room = 64 - held;
        size_t take = length < room ? length : room;
        memcpy(sha1->block + held, at, take);
        sha1->length += take;
        at += take;
        length -= take;
        if (held + take == 64)
            take_block(sha1, sha1->block);
    }
}

void sha1_end(struct sha1 *sha1, uint8_t out[SHA1_SIZE])
{
    uint64_t bits = sha1->length * 8;
    uint8_t tail[72] = {0x80};
    size_t held = sha1->length % 64, padding = (held < 56 ? 56 : 120) - held;
    for (int i = 0; i < 8; i++)
        tail[padding + (size_t)i] = (uint8_t)(bits >> (56 - 8 * i));
    sha1_put(sha1, tail, padding + 8);
    for (int i = 0; i < 20; i++)
        out[i] = (uint8_t)(sha1->state[i / 4] >> (24 - 8 * (i % 4)));
}
