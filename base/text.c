#include "base/text.h"
#include "base/text_marks.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What is left out, in order. */
static const struct text_range unsafe[] = {
    {0x0000,  0x001F  }, /* C0 */
    {0x007F,  0x009F  }, /* DEL, C1 */
    {0x00AD,  0x00AD  }, /* soft hyphen */
    {0x034F,  0x034F  }, /* combining grapheme joiner */
    {0x061C,  0x061C  }, /* Arabic letter mark */
    {0x115F,  0x1160  }, /* Hangul fillers */
    {0x17B4,  0x17B5  }, /* Khmer inherent vowels */
    {0x180E,  0x180E  }, /* Mongolian vowel separator */
    {0x200B,  0x200B  }, /* zero width space */
    {0x200E,  0x200F  }, /* direction marks */
    {0x2028,  0x202E  }, /* line and paragraph separators, embeddings, overrides */
    {0x2060,  0x206F  }, /* word joiner, invisible operators, isolates, deprecated controls */
    {0x3164,  0x3164  }, /* Hangul filler */
    {0xD800,  0xF8FF  }, /* surrogates, private use */
    {0xFDD0,  0xFDEF  }, /* noncharacters */
    {0xFEFF,  0xFEFF  }, /* zero width no-break space */
    {0xFFA0,  0xFFA0  }, /* halfwidth Hangul filler */
    {0xFFF0,  0xFFFB  }, /* specials: interlinear annotations */
    {0xFFFE,  0xFFFF  }, /* noncharacters, here and at the end of every plane */
    {0x1BCA0, 0x1BCA3 }, /* shorthand format controls */
    {0x1D173, 0x1D17A }, /* musical format controls */
    {0xE0000, 0xE00FF }, /* language tags */
    {0xE01F0, 0xE0FFF }, /* default ignorable, unassigned */
    {0xF0000, 0x10FFFF}, /* private use */
};

static const struct text_range right_to_left[] = {
    {0x0590,  0x08FF }, /* Hebrew, Arabic, Syriac, Thaana, N'Ko, Samaritan, Mandaic */
    {0xFB1D,  0xFDFF }, /* presentation forms */
    {0xFE70,  0xFEFC },
    {0x10800, 0x10FFF}, /* ancient scripts, Hanifi Rohingya, Yezidi, ... */
    {0x1E800, 0x1EFFF}, /* Mende Kikakui, Adlam, Arabic mathematical */
};

static bool within(const struct text_range *ranges, size_t count, uint32_t code)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (code > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && code >= ranges[low].first;
}

static size_t bad_byte(uint32_t *code)
{
    *code = TEXT_REPLACEMENT;
    return 1;
}

size_t text_decode(const uint8_t *bytes, size_t length, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = bytes[0] < 0x80   ? 1
                  : bytes[0] < 0xC2 ? 0
                  : bytes[0] < 0xE0 ? 2
                  : bytes[0] < 0xF0 ? 3
                  : bytes[0] < 0xF5 ? 4
                                    : 0;

    if (size == 1) {
        *code = bytes[0];
        return 1;
    }
    if (size == 0 || size > length)
        return bad_byte(code);
    *code = bytes[0] & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return bad_byte(code);
        *code = *code << 6 | (bytes[i] & 0x3Fu);
    }
    if (*code < smallest[size] || *code > 0x10FFFF || (*code >= 0xD800 && *code <= 0xDFFF))
        return bad_byte(code);
    return size;
}

int text_encode(struct buf *out, uint32_t code)
{
    uint8_t bytes[4];

    if (code < 0x80)
        return buf_putc(out, (uint8_t)code);
    if (code < 0x800) {
        bytes[0] = (uint8_t)(0xC0 | code >> 6);
        bytes[1] = (uint8_t)(0x80 | (code & 0x3F));
        return buf_put(out, bytes, 2);
    }
    if (code < 0x10000) {
        bytes[0] = (uint8_t)(0xE0 | code >> 12);
        bytes[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        bytes[2] = (uint8_t)(0x80 | (code & 0x3F));
        return buf_put(out, bytes, 3);
    }
    bytes[0] = (uint8_t)(0xF0 | code >> 18);
    bytes[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
    bytes[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    bytes[3] = (uint8_t)(0x80 | (code & 0x3F));
    return buf_put(out, bytes, 4);
}

/* Whether text_decode met a byte that is no UTF-8, rather than U+FFFD itself. */
static bool is_bad(uint32_t code, size_t took)
{
    return code == TEXT_REPLACEMENT && took == 1;
}

bool text_is_utf8(const void *bytes, size_t length)
{
    const uint8_t *at = bytes;

    while (length > 0) {
        uint32_t code;
        size_t took = text_decode(at, length, &code);

        if (is_bad(code, took))
            return false;
        at += took;
        length -= took;
    }
    return true;
}

bool text_is_unsafe_character(uint32_t code)
{
    return (code & 0xFFFE) == 0xFFFE || within(unsafe, COUNT(unsafe), code);
}

static bool is_mark(uint32_t code)
{
    return code >= 0x300 && within(text_marks, COUNT(text_marks), code);
}

static bool is_joiner(uint32_t code)
{
    return code == 0x200C || code == 0x200D;
}

/* What has been written so far, as far as the next character must know. */
struct cleaning {
    struct buf *out;
    enum text_lines lines;
    uint32_t joiner; /* waits for a visible character behind it */
    bool visible;    /* the last character written can be joined */
    unsigned marks;  /* in a row */
    bool after_cr;
};

static int put_visible(struct cleaning *c, uint32_t code)
{
    size_t before = c->out->len;

    if (c->joiner != 0 && text_encode(c->out, c->joiner) < 0)
        return -1;
    if (text_encode(c->out, code) < 0) {
        buf_truncate(c->out, before);
        return -1;
    }
    c->joiner = 0;
    c->visible = true;
    return 0;
}

static int put_blank(struct cleaning *c, uint8_t blank)
{
    c->joiner = 0;
    c->visible = false;
    c->marks = 0;
    return buf_putc(c->out, blank);
}

static int clean_character(struct cleaning *c, uint32_t code)
{
    bool after_cr = c->after_cr;

    c->after_cr = code == '\r';
    if (code == '\n' && after_cr)
        return 0;
    if (code == '\n' || code == '\r')
        return put_blank(c, c->lines == TEXT_MANY_LINES ? '\n' : ' ');
    if (code == '\t' || code == ' ')
        return put_blank(c, ' ');
    if (is_joiner(code)) {
        if (c->visible)
            c->joiner = code;
        return 0;
    }
    if (text_is_unsafe_character(code))
        return 0;
    if (!is_mark(code))
        c->marks = 0;
    else if (c->marks++ >= TEXT_MAX_MARKS)
        return 0;
    return put_visible(c, code);
}

int text_clean(struct buf *out, const void *bytes, size_t length, enum text_lines lines)
{
    struct cleaning c = {.out = out, .lines = lines};
    const uint8_t *at = bytes;

    while (length > 0) {
        uint32_t code;
        size_t took = text_decode(at, length, &code);

        if (clean_character(&c, code) < 0)
            return -1;
        at += took;
        length -= took;
    }
    return 0;
}

bool text_is_safe(const void *bytes, size_t length)
{
    struct buf cleaned;
    bool safe;

    buf_init(&cleaned, length);
    safe = text_clean(&cleaned, bytes, length, TEXT_ONE_LINE) == 0 && cleaned.len == length &&
           memcmp(cleaned.data, bytes, length) == 0;
    buf_done(&cleaned);
    return safe;
}

size_t text_length(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t left = strlen(text), count = 0;

    while (left > 0) {
        uint32_t code;
        size_t took = text_decode(at, left, &code);

        at += took;
        left -= took;
        count++;
    }
    return count;
}

bool text_has_rtl(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t left = strlen(text);

    while (left > 0) {
        uint32_t code;
        size_t took = text_decode(at, left, &code);

        if (within(right_to_left, COUNT(right_to_left), code))
            return true;
        at += took;
        left -= took;
    }
    return false;
}

void text_lower(char *text)
{
    for (; *text != '\0'; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

char *text_trim(char *text)
{
    size_t length = strlen(text), lead = 0;

    while (length > 0 && is_blank(text[length - 1]))
        length--;
    while (lead < length && is_blank(text[lead]))
        lead++;
    memmove(text, text + lead, length - lead);
    text[length - lead] = '\0';
    return text;
}
