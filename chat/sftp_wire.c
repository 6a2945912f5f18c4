#include "chat/sftp_wire.h"

#include <string.h>

/* ---- reading ---- */

static const uint8_t *take(struct sftp_reader *reader, size_t length)
{
    const uint8_t *at = reader->at;

    if (reader->bad || (size_t)(reader->end - reader->at) < length) {
        reader->bad = true;
        return NULL;
    }
    reader->at += length;
    return at;
}

uint8_t sftp_get_u8(struct sftp_reader *reader)
{
    const uint8_t *at = take(reader, 1);

    return at ? *at : 0;
}

uint32_t sftp_get_u32(struct sftp_reader *reader)
{
    const uint8_t *at = take(reader, 4);

    return at ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3] : 0;
}

uint64_t sftp_get_u64(struct sftp_reader *reader)
{
    uint64_t high = sftp_get_u32(reader);

    return high << 32 | sftp_get_u32(reader);
}

const uint8_t *sftp_get_bytes(struct sftp_reader *reader, size_t *length)
{
    const uint8_t *at;

    *length = sftp_get_u32(reader);
    at = take(reader, *length);
    if (!at)
        *length = 0;
    return at;
}

void sftp_get_text(struct sftp_reader *reader, char *out, size_t size)
{
    size_t length;
    const uint8_t *bytes = sftp_get_bytes(reader, &length);

    *out = '\0';
    if (!bytes || length >= size || memchr(bytes, '\0', length)) {
        reader->bad = true;
        return;
    }
    memcpy(out, bytes, length);
    out[length] = '\0';
}

void sftp_get_attrs(struct sftp_reader *reader, struct sftp_attrs *attrs)
{
    size_t length;

    *attrs = (struct sftp_attrs){.flags = sftp_get_u32(reader)};
    if (attrs->flags & SFTP_ATTR_SIZE)
        attrs->size = sftp_get_u64(reader);
    if (attrs->flags & SFTP_ATTR_OWNER) {
        attrs->uid = sftp_get_u32(reader);
        attrs->gid = sftp_get_u32(reader);
    }
    if (attrs->flags & SFTP_ATTR_MODE)
        attrs->mode = sftp_get_u32(reader);
    if (attrs->flags & SFTP_ATTR_TIMES) {
        attrs->atime = sftp_get_u32(reader);
        attrs->mtime = sftp_get_u32(reader);
    }
    if (attrs->flags & SFTP_ATTR_EXTENDED)
        for (uint32_t count = sftp_get_u32(reader); count > 0 && !reader->bad; count--) {
            sftp_get_bytes(reader, &length);
            sftp_get_bytes(reader, &length);
        }
}

/* ---- writing ---- */

void sftp_put_u32(struct buf *out, uint32_t number)
{
    const uint8_t bytes[] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                             (uint8_t)(number >> 8), (uint8_t)number};

    buf_put(out, bytes, sizeof bytes);
}

void sftp_put_u64(struct buf *out, uint64_t number)
{
    sftp_put_u32(out, (uint32_t)(number >> 32));
    sftp_put_u32(out, (uint32_t)number);
}

void sftp_put_bytes(struct buf *out, const void *bytes, size_t length)
{
    sftp_put_u32(out, (uint32_t)length);
    buf_put(out, bytes, length);
}

void sftp_put_text(struct buf *out, const char *text)
{
    sftp_put_bytes(out, text, strlen(text));
}

void sftp_put_attrs(struct buf *out, const struct sftp_attrs *attrs)
{
    sftp_put_u32(out, attrs->flags & 15u);
    if (attrs->flags & SFTP_ATTR_SIZE)
        sftp_put_u64(out, attrs->size);
    if (attrs->flags & SFTP_ATTR_OWNER) {
        sftp_put_u32(out, attrs->uid);
        sftp_put_u32(out, attrs->gid);
    }
    if (attrs->flags & SFTP_ATTR_MODE)
        sftp_put_u32(out, attrs->mode);
    if (attrs->flags & SFTP_ATTR_TIMES) {
        sftp_put_u32(out, attrs->atime);
        sftp_put_u32(out, attrs->mtime);
    }
}

size_t sftp_packet_begin(struct buf *out, uint8_t type, uint32_t id)
{
    size_t begin = out->len;

    sftp_put_u32(out, 0);
    buf_putc(out, type);
    sftp_put_u32(out, id);
    return begin;
}

void sftp_packet_end(struct buf *out, size_t begin)
{
    uint32_t length;

    if (out->len < begin + 4)
        return;
    length = (uint32_t)(out->len - begin - 4);
    for (int i = 0; i < 4; i++)
        out->data[begin + (size_t)i] = (uint8_t)(length >> (24 - 8 * i));
}

/* ---- paths ---- */

int sftp_path(const char *asked, char *out, size_t size)
{
    size_t used = 0;

    if (asked[0] == '~' && (asked[1] == '/' || asked[1] == '\0'))
        asked++;
    while (*(asked += strspn(asked, "/"))) {
        size_t length = strcspn(asked, "/");

        if (length == 2 && asked[0] == '.' && asked[1] == '.') {
            while (used > 0 && out[--used] != '/')
                ;
        } else if (length != 1 || asked[0] != '.') {
            if (used + length + 2 > size)
                return -1;
            if (used > 0)
                out[used++] = '/';
            memcpy(out + used, asked, length);
            used += length;
        }
        asked += length;
    }
    out[used] = '\0';
    return 0;
}
