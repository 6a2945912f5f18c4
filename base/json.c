#include "base/json.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void put_string(struct buf *out, const void *bytes, size_t length)
{
    static const char short_forms[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    const uint8_t *at = bytes;

    buf_putc(out, '"');
    while (length > 0) {
        uint32_t code;
        size_t took = text_decode(at, length, &code);
        const char *form = code < 128 && code != 0 ? strchr(short_forms, (int)code) : NULL;

        at += took;
        length -= took;
        if (form != NULL && (form - short_forms) % 2 == 0)
            buf_printf(out, "\\%c", form[1]);
        else if (code < 0x20 || (code >= 0x7F && code < 0xA0) || code == '<' || code == '>' ||
                 code == '&' || code == 0x2028 || code == 0x2029)
            buf_printf(out, "\\u%04x", (unsigned)code);
        else
            text_encode(out, code);
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
