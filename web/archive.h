/*
 * archive: the bytes around files in a tar (POSIX pax, IEEE 1003.1) and in a zip without
 * compression (APPNOTE 6.3, zip64 where needed). Pure: the caller sends the files' own bytes.
 */
#ifndef WEB_ARCHIVE_H
#define WEB_ARCHIVE_H

#include "base/buf.h"

#include <stdint.h>

/* One file; path is UTF-8 without a leading slash. */
struct archive_file {
    const char *path;
    int64_t size, modified_ms;
    uint32_t crc;   /* zip */
    int64_t offset; /* zip: where its head began */
};

#define ARCHIVE_TAR_BLOCK 512

/* The head of a file in a tar, with a pax header before it where ustar's fields do not suffice. */
void archive_tar_head(struct buf *out, const struct archive_file *file);
/* How many zero bytes follow a file of that size. */
int64_t archive_tar_padding(int64_t size);
/* The end of a tar. */
void archive_tar_end(struct buf *out);

/* The head of a file in a zip; size and crc must be right. */
void archive_zip_head(struct buf *out, const struct archive_file *file);
/* Its entry in the directory at the end. */
void archive_zip_entry(struct buf *out, const struct archive_file *file);
/* What follows the directory, which has count entries and size bytes from offset on. */
void archive_zip_end(struct buf *out, int64_t count, int64_t size, int64_t offset);

/* CRC-32 as zip has it, going on from crc (0 at the start). */
uint32_t archive_crc(uint32_t crc, const void *bytes, size_t length);

#endif
