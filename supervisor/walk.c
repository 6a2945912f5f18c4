#include "supervisor/walk.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 8
#define VALUE_MAX 65536

struct walker {
    const char *at;
    char path[WALK_PATH_MAX];
    struct buf value;
    int depth;
    walk_leaf *leaf;
    void *context;
};

static int read_value(struct walker *walker);

static void skip_blanks(struct walker *walker)
{
    walker->at += strspn(walker->at, " \t\r\n");
}

/* Takes the character if it is next. */
static bool take(struct walker *walker, char character)
{
    skip_blanks(walker);
    if (*walker->at != character)
        return false;
    walker->at++;
    return true;
}

static int read_hex4(struct walker *walker, uint32_t *code)
{
    uint8_t bytes[2];
    char digits[5];

    if (strnlen(walker->at, 4) < 4)
        return -1;
    memcpy(digits, walker->at, 4);
    digits[4] = '\0';
    if (fs_unhex(digits, bytes, sizeof bytes) < 0)
        return -1;
    *code = (uint32_t)bytes[0] << 8 | bytes[1];
    walker->at += 4;
    return 0;
}

/* Behind \u: one character, or the two halves of one. */
static int read_unicode(struct walker *walker)
{
    uint32_t code, low;

    if (read_hex4(walker, &code) < 0)
        return -1;
    if (code >= 0xD800 && code < 0xDC00) {
        if (strncmp(walker->at, "\\u", 2) != 0)
            return -1;
        walker->at += 2;
        if (read_hex4(walker, &low) < 0 || low < 0xDC00 || low > 0xDFFF)
            return -1;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    return text_encode(&walker->value, code);
}

static int read_escape(struct walker *walker)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char kind = *walker->at;
    const char *found;

    if (!kind)
        return -1;
    walker->at++;
    if (kind == 'u')
        return read_unicode(walker);
    found = strchr(from, kind);
    return found ? buf_putc(&walker->value, (uint8_t)to[found - from]) : -1;
}

/* A string into value; its opening quote has been taken. */
static int read_string(struct walker *walker)
{
    int result = 0;

    buf_clear(&walker->value);
    while (result == 0 && *walker->at && *walker->at != '"') {
        if (*walker->at == '\\') {
            walker->at++;
            result = read_escape(walker);
        } else {
            result = buf_putc(&walker->value, (uint8_t)*walker->at++);
        }
    }
    if (result < 0 || *walker->at != '"')
        return -1;
    walker->at++;
    return 0;
}

static int read_bare(struct walker *walker)
{
    size_t length = strspn(walker->at, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");

    buf_clear(&walker->value);
    if (length == 0)
        return -1;
    buf_put(&walker->value, walker->at, length);
    walker->at += length;
    return 0;
}

/* A member's or element's value, with its name at the end of the path. */
static int read_child(struct walker *walker, const char *name)
{
    size_t length = strlen(walker->path), room = sizeof walker->path - length;
    int result;

    if ((size_t)snprintf(walker->path + length, room, "%s%s", length ? "." : "", name) >= room)
        result = -1;
    else
        result = read_value(walker);
    walker->path[length] = '\0';
    return result;
}

static int read_member(struct walker *walker)
{
    char name[WALK_PATH_MAX];

    if (!take(walker, '"') || read_string(walker) < 0 || !take(walker, ':'))
        return -1;
    snprintf(name, sizeof name, "%s", buf_text(&walker->value));
    return read_child(walker, name);
}

static int read_element(struct walker *walker, size_t number)
{
    char name[24];

    snprintf(name, sizeof name, "%zu", number);
    return read_child(walker, name);
}

static int read_all(struct walker *walker, char closing)
{
    if (take(walker, closing))
        return 0;
    for (size_t number = 0;; number++) {
        if ((closing == '}' ? read_member(walker) : read_element(walker, number)) < 0)
            return -1;
        if (take(walker, closing))
            return 0;
        if (!take(walker, ','))
            return -1;
    }
}

static int read_value(struct walker *walker)
{
    int result;

    skip_blanks(walker);
    if (*walker->at == '{' || *walker->at == '[') {
        if (walker->depth == DEPTH_MAX)
            return -1;
        walker->depth++;
        result = read_all(walker, *walker->at++ == '{' ? '}' : ']');
        walker->depth--;
        return result;
    }
    result = take(walker, '"') ? read_string(walker) : read_bare(walker);
    if (result == 0)
        walker->leaf(walker->context, walker->path, buf_text(&walker->value));
    return result;
}

int walk(const char *text, walk_leaf *leaf, void *context)
{
    struct walker walker = {.at = text, .leaf = leaf, .context = context};
    int result;

    buf_init(&walker.value, VALUE_MAX);
    result = read_value(&walker);
    if (result == 0) {
        skip_blanks(&walker);
        result = *walker.at ? -1 : 0;
    }
    buf_done(&walker.value);
    return result;
}
