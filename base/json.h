/*
 * json: writing JSON (RFC 8259) into a buffer.
 *
 * Only writing: riad's own machine output. Commas and quoting are done here; the caller opens and
 * closes what it likes in order. Strings are made valid: bytes that are not UTF-8 become U+FFFD,
 * control characters are escaped, and `<`, `>`, `&`, U+2028 and U+2029 are escaped so that the
 * result may stand within a page. After an overflow of the buffer the result is not JSON: ask
 * buf.overflowed at the end.
 *
 *     json_object(out, NULL);
 *     json_string(out, "name", person.name);
 *     json_array(out, "rooms");
 *     json_string(out, NULL, "lobby");
 *     json_close(out, ']');
 *     json_close(out, '}');
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Opens an object or an array; key is NULL within an array and at the top. */
void json_object(struct buf *out, const char *key);
void json_array(struct buf *out, const char *key);

/* Closes with '}' or ']'. */
void json_close(struct buf *out, char bracket);

/* One value each. A NULL text is null. */
void json_string(struct buf *out, const char *key, const char *text);
void json_bytes(struct buf *out, const char *key, const void *bytes, size_t length);
void json_int(struct buf *out, const char *key, int64_t number);
void json_real(struct buf *out, const char *key, double number);
void json_bool(struct buf *out, const char *key, bool yes);
void json_null(struct buf *out, const char *key);

#endif
