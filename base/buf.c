#include "base/buf.h"
#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max, .cap = max < FIRST_CAP ? max : FIRST_CAP};
    buf->data = mem_alloc(buf->cap + 1);
}

void buf_done(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}

void buf_clear(struct buf *buf)
{
    buf_truncate(buf, 0);
    buf->overflowed = false;
}

/* Room for more bytes and a NUL. 0, or -1 if that would exceed max. */
static int reserve(struct buf *buf, size_t more)
{
    size_t cap = buf->cap;

    assert(buf->data != NULL);
    if (more > buf->max - buf->len) {
        buf->overflowed = true;
        return -1;
    }
    if (buf->len + more <= cap)
        return 0;
    while (cap < buf->len + more)
        cap = cap > buf->max / 2 ? buf->max : cap * 2;
    buf->data = mem_resize(buf->data, cap + 1, 1);
    buf->cap = cap;
    return 0;
}

int buf_put(struct buf *buf, const void *bytes, size_t length)
{
    if (reserve(buf, length) < 0)
        return -1;
    if (length > 0)
        memcpy(buf->data + buf->len, bytes, length);
    buf->len += length;
    buf->data[buf->len] = '\0';
    return 0;
}

int buf_room(struct buf *buf, size_t length)
{
    return reserve(buf, length);
}

void buf_grown(struct buf *buf, size_t length)
{
    assert(length <= buf->cap - buf->len);
    buf->len += length;
    buf->data[buf->len] = '\0';
}

int buf_puts(struct buf *buf, const char *text)
{
    return buf_put(buf, text, strlen(text));
}

int buf_putc(struct buf *buf, uint8_t byte)
{
    return buf_put(buf, &byte, 1);
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    int result;

    va_start(arguments, format);
    result = buf_vprintf(buf, format, arguments);
    va_end(arguments);
    return result;
}

int buf_vprintf(struct buf *buf, const char *format, va_list arguments)
{
    va_list again;
    int length;

    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    assert(length >= 0);
    if (reserve(buf, (size_t)length) < 0)
        return -1;
    vsnprintf((char *)buf->data + buf->len, (size_t)length + 1, format, arguments);
    buf->len += (size_t)length;
    return 0;
}

void buf_consume(struct buf *buf, size_t length)
{
    if (length > buf->len)
        length = buf->len;
    memmove(buf->data, buf->data + length, buf->len - length + 1);
    buf->len -= length;
}

void buf_truncate(struct buf *buf, size_t length)
{
    if (length >= buf->len)
        return;
    buf->len = length;
    buf->data[length] = '\0';
}

const char *buf_text(const struct buf *buf)
{
    return (const char *)buf->data;
}

char *buf_take(struct buf *buf)
{
    char *bytes = (char *)buf->data;

    buf_init(buf, buf->max);
    return bytes;
}
