#include "base/json.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* How many bytes at the beginning stand for themselves: ASCII but for what must be escaped. */
static size_t plain_length(const uint8_t *bytes, size_t length)
{
    size_t plain = 0;

    while (plain < length && bytes[plain] >= 0x20 && bytes[plain] < 0x7F &&
           strchr("\"\\<>&", bytes[plain]) == NULL)
        plain++;
    return plain;
}

static void put_code(struct buf *out, uint32_t code)
{
    static const char hex[] = "0123456789abcdef";

    buf_puts(out, "\\u");
    for (int shift = 12; shift >= 0; shift -= 4)
        buf_putc(out, (uint8_t)hex[code >> shift & 15]);
}

/* One character that does not stand for itself, or is not ASCII; how many bytes it had. */
static size_t put_character(struct buf *out, const uint8_t *bytes, size_t length)
{
    static const char short_forms[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    uint32_t code;
    size_t took = text_decode(bytes, length, &code);
    const char *form = code < 128 && code != 0 ? strchr(short_forms, (int)code) : NULL;

    if (form != NULL && (form - short_forms) % 2 == 0)
        buf_printf(out, "\\%c", form[1]);
    else if (code < 0x20 || (code >= 0x7F && code < 0xA0) || code == '<' || code == '>' ||
             code == '&' || code == 0x2028 || code == 0x2029)
        put_code(out, code);
    else
        text_encode(out, code);
    return took;
}

static void put_string(struct buf *out, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;

    buf_putc(out, '"');
    while (length > 0) {
        size_t took = plain_length(at, length);
        if (took > 0)
            buf_put(out, at, took);
        else
            took = put_character(out, at, length);
        at += took;
        length -= took;
    }
    buf_putc(out, '"');
}

/* A comma unless this is the first within its bracket (or behind other text: a blank), and the key.
 */
static void begin(struct buf *out, const char *key)
{
    if (out->len > 0 && strchr("{[: \n", out->data[out->len - 1]) == NULL)
        buf_putc(out, ',');
    if (key != NULL) {
        put_string(out, key, strlen(key));
        buf_putc(out, ':');
    }
}

void json_object(struct buf *out, const char *key)
{
    begin(out, key);
    buf_putc(out, '{');
}

void json_array(struct buf *out, const char *key)
{
    begin(out, key);
    buf_putc(out, '[');
}

void json_close(struct buf *out, char bracket)
{
    buf_putc(out, (uint8_t)bracket);
}

void json_string(struct buf *out, const char *key, const char *text)
{
    if (text == NULL)
        json_null(out, key);
    else
        json_bytes(out, key, text, strlen(text));
}

void json_bytes(struct buf *out, const char *key, const void *bytes, size_t length)
{
    begin(out, key);
    put_string(out, bytes, length);
}

void json_int(struct buf *out, const char *key, int64_t number)
{
    begin(out, key);
    buf_printf(out, "%" PRId64, number);
}

void json_real(struct buf *out, const char *key, double number)
{
    if (!isfinite(number)) {
        json_null(out, key);
        return;
    }
    begin(out, key);
    buf_printf(out, "%.10g", number);
}

void json_bool(struct buf *out, const char *key, bool yes)
{
    begin(out, key);
    buf_puts(out, yes ? "true" : "false");
}

void json_null(struct buf *out, const char *key)
{
    begin(out, key);
    buf_puts(out, "null");
}
