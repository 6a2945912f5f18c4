/*
 * buf: a growing run of bytes with a hard maximum.
 *
 * After OpenSSH's sshbuf: whoever makes a buffer says how large it may become, and a put beyond
 * that fails and changes nothing, so that no input of a stranger can make a process grow. A failed
 * put is also remembered in `overflowed`, so that a caller may put many things and ask once.
 * The bytes are always followed by a NUL that does not count: data may be used as text when what
 * was put is text.
 *
 * A buffer belongs to whoever holds the struct; it is not for several threads at once.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data;   /* len bytes and a NUL; never NULL between buf_init and buf_done */
    size_t len;      /* bytes held */
    size_t cap;      /* bytes allocated */
    size_t max;      /* len never exceeds this */
    bool overflowed; /* a put was refused since buf_init or buf_clear */
};

/* An empty buffer that may grow to max bytes. */
void buf_init(struct buf *buf, size_t max);

/* Releases the memory. The struct may be initialised anew; a zeroed struct may be done, too. */
void buf_done(struct buf *buf);

/* Empties it and keeps the memory. */
void buf_clear(struct buf *buf);

/* Appends length bytes. 0, or -1 if that would exceed max: nothing is appended then. */
int buf_put(struct buf *buf, const void *bytes, size_t length);

/* Appends a NUL-terminated text without its NUL. 0 or -1 as buf_put. */
int buf_puts(struct buf *buf, const char *text);

/* Appends one byte. 0 or -1 as buf_put. */
int buf_putc(struct buf *buf, uint8_t byte);

/* Appends what printf(3) would write. 0 or -1 as buf_put. */
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *buf, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* Makes room for length more bytes behind the last one, for whoever fills them in itself (read(2))
 * and then says by buf_grown how many it did. 0 or -1 as buf_put. */
int buf_room(struct buf *buf, size_t length);
void buf_grown(struct buf *buf, size_t length);

/* Forgets the first length bytes (at most all of them). */
void buf_consume(struct buf *buf, size_t length);

/* Cuts it to length bytes, if it is longer. */
void buf_truncate(struct buf *buf, size_t length);

/* The bytes as text; valid until the next call on the buffer. */
const char *buf_text(const struct buf *buf);

/* The bytes with their NUL, yours to free; the buffer is empty afterwards. */
char *buf_take(struct buf *buf);

#endif
