#include "web/archive.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- tar ---- */

struct ustar {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
    char magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct ustar) == ARCHIVE_TAR_BLOCK, "a tar header is one block");

#define USTAR_SIZE_MAX INT64_C(077777777777)

/* Octal digits and a NUL into a field; a number that is too large becomes all sevens. */
static void put_octal(char *field, size_t size, int64_t number)
{
    char digits[32];
    int64_t most = (INT64_C(1) << (3 * (size - 1))) - 1;
    snprintf(digits, sizeof digits, "%0*llo", (int)size - 1,
             (long long)(number < 0      ? 0
                         : number > most ? most
                                         : number));
    memcpy(field, digits, size);
}

static void put_ustar(struct buf *out, const char *name, char type, int64_t size, int64_t mtime)
{
    struct ustar head;
    unsigned sum = 0;
    size_t length = strlen(name);
    memset(&head, 0, sizeof head);
    memcpy(head.name, name, length < sizeof head.name ? length : sizeof head.name);
    put_octal(head.mode, sizeof head.mode, 0644);
    put_octal(head.uid, sizeof head.uid, 0);
    put_octal(head.gid, sizeof head.gid, 0);
    put_octal(head.size, sizeof head.size, size);
    put_octal(head.mtime, sizeof head.mtime, mtime);
    memset(head.sum, ' ', sizeof head.sum);
    head.type = type;
    memcpy(head.magic, "ustar", 6);
    memcpy(head.version, "00", 2);
    for (size_t i = 0; i < sizeof head; i++)
        sum += ((const unsigned char *)&head)[i];
    snprintf(head.sum, sizeof head.sum, "%06o", sum & 0777777);
    head.sum[7] = ' ';
    buf_put(out, &head, sizeof head);
}

/* `LENGTH key=value\n`, where LENGTH counts itself. */
static void put_record(struct buf *out, const char *key, const char *value)
{
    size_t bare = strlen(key) + strlen(value) + 3, total = bare + 1;
    char digits[24];
    while ((size_t)snprintf(digits, sizeof digits, "%zu", total) + bare != total)
        total = bare + strlen(digits);
    buf_printf(out, "%s %s=%s\n", digits, key, value);
}

static void put_zeros(struct buf *out, int64_t count)
{
    static const char zeros[2 * ARCHIVE_TAR_BLOCK];
    buf_put(out, zeros, (size_t)count);
}

int64_t archive_tar_padding(int64_t size)
{
    return (ARCHIVE_TAR_BLOCK - size % ARCHIVE_TAR_BLOCK) % ARCHIVE_TAR_BLOCK;
}

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text > 0x7e)
            return false;
    return true;
}

void archive_tar_head(struct buf *out, const struct archive_file *file)
{
    bool long_name = strlen(file->path) > 100 || !is_ascii(file->path);
    bool large = file->size > USTAR_SIZE_MAX;
    int64_t mtime = file->modified_ms / 1000;
    if (long_name || large) {
        struct buf records;
        char size[24];
        buf_init(&records, 64 * 1024);
        if (long_name)
            put_record(&records, "path", file->path);
        snprintf(size, sizeof size, "%lld", (long long)file->size);
        if (large)
            put_record(&records, "size", size);
        put_ustar(out, "pax_header", 'x', (int64_t)records.len, mtime);
        buf_put(out, records.data, records.len);
        put_zeros(out, archive_tar_padding((int64_t)records.len));
        buf_done(&records);
    }
    put_ustar(out, file->path, '0', file->size, mtime);
}

void archive_tar_end(struct buf *out)
{
    put_zeros(out, 2 * ARCHIVE_TAR_BLOCK);
}

/* ---- zip ---- */

#define ZIP_32 INT64_C(0xffffffff)

static void put16(struct buf *out, unsigned number)
{
    buf_putc(out, (uint8_t)number);
    buf_putc(out, (uint8_t)(number >> 8));
}

static void put32(struct buf *out, uint32_t number)
{
    put16(out, number & 0xffff);
    put16(out, number >> 16);
}

static void put64(struct buf *out, int64_t number)
{
    put32(out, (uint32_t)number);
    put32(out, (uint32_t)(number >> 32));
}

/* A number in 32 bits, or all ones if it stands in the zip64 field. */
static void put_or_ones(struct buf *out, int64_t number)
{
    put32(out, number >= ZIP_32 ? UINT32_MAX : (uint32_t)number);
}

static void put_dos_time(struct buf *out, int64_t modified_ms)
{
    time_t seconds = (time_t)(modified_ms / 1000);
    struct tm at;
    if (localtime_r(&seconds, &at) == NULL || at.tm_year < 80 || at.tm_year > 207)
        at = (struct tm){.tm_year = 80, .tm_mday = 1};
    put16(out, (unsigned)(at.tm_hour << 11 | at.tm_min << 5 | at.tm_sec / 2));
    put16(out, (unsigned)((at.tm_year - 80) << 9 | (at.tm_mon + 1) << 5 | at.tm_mday));
}

/* What the head and the directory's entry have in common: flags (UTF-8), stored, time, sizes. */
static void put_common(struct buf *out, const struct archive_file *file, bool big)
{
    put16(out, big ? 45 : 20);
    put16(out, 1 << 11);
    put16(out, 0);
    put_dos_time(out, file->modified_ms);
    put32(out, file->crc);
    put_or_ones(out, file->size);
    put_or_ones(out, file->size);
    put16(out, (unsigned)strlen(file->path));
}

void archive_zip_head(struct buf *out, const struct archive_file *file)
{
    bool big = file->size >= ZIP_32;
    put32(out, 0x04034b50);
    put_common(out, file, big);
    put16(out, big ? 20 : 0);
    buf_puts(out, file->path);
    if (big) {
        put16(out, 1);
        put16(out, 16);
        put64(out, file->size);
        put64(out, file->size);
    }
}

void archive_zip_entry(struct buf *out, const struct archive_file *file)
{
    bool big = file->size >= ZIP_32, far = file->offset >= ZIP_32;
    unsigned extra = (big ? 16u : 0) + (far ? 8u : 0);
    put32(out, 0x02014b50);
    put16(out, 3 << 8 | 45); /* made on Unix */
    put_common(out, file, big || far);
    put16(out, extra == 0 ? 0 : extra + 4);
    put16(out, 0);
    put16(out, 0);
    put16(out, 0);
    put32(out, 0100644u << 16);
    put_or_ones(out, file->offset);
    buf_puts(out, file->path);
    if (extra == 0)
        return;
    put16(out, 1);
    put16(out, extra);
    if (big) {
        put64(out, file->size);
        put64(out, file->size);
    }
    if (far)
        put64(out, file->offset);
}

void archive_zip_end(struct buf *out, int64_t count, int64_t size, int64_t offset)
{
    bool big = count >= 0xffff || size >= ZIP_32 || offset >= ZIP_32;
    if (big) {
        put32(out, 0x06064b50);
        put64(out, 44);
        put16(out, 3 << 8 | 45);
        put16(out, 45);
        put32(out, 0);
        put32(out, 0);
        put64(out, count);
        put64(out, count);
        put64(out, size);
        put64(out, offset);
        put32(out, 0x07064b50);
        put32(out, 0);
        put64(out, offset + size);
        put32(out, 1);
    }
    put32(out, 0x06054b50);
    put32(out, 0);
    put16(out, count >= 0xffff ? 0xffff : (unsigned)count);
    put16(out, count >= 0xffff ? 0xffff : (unsigned)count);
    put_or_ones(out, size);
    put_or_ones(out, offset);
    put16(out, 0);
}

/* ---- CRC-32, eight bytes at a time ---- */

static uint32_t tables[8][256];

static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320 : 0);
        tables[0][i] = crc;
    }
    for (int t = 1; t < 8; t++)
        for (int i = 0; i < 256; i++)
            tables[t][i] = tables[0][tables[t - 1][i] & 0xff] ^ (tables[t - 1][i] >> 8);
}

uint32_t archive_crc(uint32_t crc, const void *bytes, size_t length)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const uint8_t *at = bytes;
    pthread_once(&once, make_tables);
    crc = ~crc;
    for (; length >= 8; length -= 8, at += 8) {
        crc ^=
            (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        crc = tables[7][crc & 0xff] ^ tables[6][crc >> 8 & 0xff] ^ tables[5][crc >> 16 & 0xff] ^
              tables[4][crc >> 24] ^ tables[3][at[4]] ^ tables[2][at[5]] ^ tables[1][at[6]] ^
              tables[0][at[7]];
    }
    for (; length > 0; length--)
        crc = tables[0][(crc ^ *at++) & 0xff] ^ (crc >> 8);
    return ~crc;
}
