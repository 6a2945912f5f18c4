/*
 * tushead: the headers of tus 1.0.0 (tus.io/protocols/resumable-upload). Pure.
 */
#ifndef WEB_TUSHEAD_H
#define WEB_TUSHEAD_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/* Standard base64 with padding into out; how many bytes, -1 if it is not or does not fit. */
int tushead_base64(const char *text, size_t length, void *out, size_t size);
/* Appends bytes as base64. */
void tushead_put_base64(struct buf *out, const void *bytes, size_t length);

/* A number of bytes: Upload-Length, Upload-Offset. -1 if it is none (or NULL). */
int64_t tushead_number(const char *value);

/* The value of key in Upload-Metadata (`key base64,key base64,...`) as text into out. 1, 0 not
 * there, -1 not well formed, not text or too long. */
int tushead_metadata(const char *metadata, const char *key, char *out, size_t size);

enum tushead_sum { TUSHEAD_MD5, TUSHEAD_SHA1, TUSHEAD_SHA256, TUSHEAD_SHA512, TUSHEAD_SUMS };
extern const char *const tushead_sum_names[TUSHEAD_SUMS];

/* Upload-Checksum: which sum, and the 64 bytes at most that it should be. The number of bytes; -1
 * not well formed or a sum that is not known. */
int tushead_checksum(const char *value, enum tushead_sum *sum, uint8_t out[64]);

#endif
