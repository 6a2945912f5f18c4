#include "web/url.h"

#include "base/text.h"

#include <string.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character at *text; moves on. -1 for a broken escape. */
static int decode_one(const char **text, const char *end, bool plus)
{
    const char *at = *text;
    *text = at + 1;
    if (*at == '+' && plus)
        return ' ';
    if (*at != '%')
        return (unsigned char)*at;
    if (end - at < 3 || digit(at[1]) < 0 || digit(at[2]) < 0)
        return -1;
    *text = at + 3;
    return digit(at[1]) * 16 + digit(at[2]);
}

int url_decode(const char *text, size_t length, bool plus, char *out, size_t size)
{
    const char *end = text + length;
    size_t used = 0;
    while (text < end) {
        int c = decode_one(&text, end, plus);
        if (c <= 0 || used + 1 >= size)
            return -1;
        out[used++] = (char)c;
    }
    if (size == 0)
        return -1;
    out[used] = '\0';
    return text_is_utf8(out, used) ? (int)used : -1;
}

int url_path(const char *target, char *out, size_t size)
{
    size_t length = strcspn(target, "?#");
    if (*target != '/' || url_decode(target, length, false, out, size) < 0)
        return -1;
    char *to = out;
    for (const char *from = out; *from != '\0'; from++) {
        if ((unsigned char)*from < 0x20 || *from == 0x7f)
            return -1;
        if (*from != '/' || to == out || to[-1] != '/')
            *to++ = *from;
    }
    *to = '\0';
    return 0;
}

void url_encode(struct buf *out, const char *text, bool slashes)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *text != '\0'; text++)
        if (strchr(plain, *text) != NULL || (*text == '/' && slashes))
            buf_putc(out, (uint8_t)*text);
        else
            buf_printf(out, "%%%02X", (unsigned char)*text);
}

int url_value(const char *pairs, const char *name, char *out, size_t size)
{
    char key[64];
    while (*pairs != '\0') {
        size_t pair = strcspn(pairs, "&"), left = strcspn(pairs, "&=");
        if (url_decode(pairs, left, true, key, sizeof key) >= 0 && strcmp(key, name) == 0) {
            const char *value = pairs + left + (left < pair);
            size_t length = (size_t)(pairs + pair - value);
            return url_decode(value, length, true, out, size) < 0 ? -1 : 1;
        }
        pairs += pair + (pairs[pair] == '&');
    }
    return 0;
}
