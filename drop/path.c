#include "drop/path.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

static const char *const rules[] = {
    [DROP_PATH_GOOD] = "The name is good.",
    [DROP_PATH_EMPTY] = "A file needs a name.",
    [DROP_PATH_TOO_LONG] = "A name may have 255 bytes, and a whole path 1023.",
    [DROP_PATH_TOO_DEEP] = "Folders may be nested 16 deep, not deeper.",
    [DROP_PATH_NOT_UTF8] = "Names are UTF-8, and this one is not.",
    [DROP_PATH_UNSAFE] =
        "Names have no control characters, no invisible ones, no backslash, and no "
        "blank at either end.",
    [DROP_PATH_DOTS] = "Names do not begin with a dot.",
    [DROP_PATH_RESERVED] = "Windows cannot keep a file of that name (CON, NUL, COM1, ...).",
};

const char *drop_path_rule(enum drop_path_verdict verdict)
{
    return rules[verdict];
}

/* CON, PRN, AUX, NUL, COM1 ... LPT9, alone or before an extension. */
static bool is_reserved(const char *name, size_t length)
{
    static const char *const words[] = {"con", "prn", "aux", "nul"};
    const char *dot = memchr(name, '.', length);
    size_t stem = dot ? (size_t)(dot - name) : length;

    while (stem > 0 && name[stem - 1] == ' ')
        stem--;
    if (stem == 4 && name[3] >= '1' && name[3] <= '9')
        return strncasecmp(name, "com", 3) == 0 || strncasecmp(name, "lpt", 3) == 0;
    for (size_t i = 0; stem == 3 && i < sizeof words / sizeof *words; i++)
        if (strncasecmp(name, words[i], 3) == 0)
            return true;
    return false;
}

static bool is_blank(const char *bytes, size_t length)
{
    uint32_t code;

    text_decode((const uint8_t *)bytes, length, &code);
    return utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_ZS;
}

/* The last character of a name begins here. */
static size_t last_character(const char *name, size_t length)
{
    size_t at = length - 1;

    while (at > 0 && ((uint8_t)name[at] & 0xC0) == 0x80)
        at--;
    return at;
}

static enum drop_path_verdict check_name(const char *name, size_t length)
{
    size_t last = last_character(name, length);

    if (length > DROP_NAME_MAX)
        return DROP_PATH_TOO_LONG;
    if (name[0] == '.')
        return DROP_PATH_DOTS;
    if (!text_is_safe(name, length) || memchr(name, '\\', length))
        return DROP_PATH_UNSAFE;
    if (is_blank(name, length) || is_blank(name + last, length - last))
        return DROP_PATH_UNSAFE;
    return is_reserved(name, length) ? DROP_PATH_RESERVED : DROP_PATH_GOOD;
}

/* Checks each name of a path in NFC and copies them to out with single slashes between. */
static enum drop_path_verdict check_names(const char *path, char *out)
{
    size_t used = 0;
    unsigned depth = 0;

    while (*(path += strspn(path, "/"))) {
        size_t length = strcspn(path, "/");
        enum drop_path_verdict verdict = check_name(path, length);

        if (verdict != DROP_PATH_GOOD)
            return verdict;
        if (++depth > DROP_DEPTH_MAX)
            return DROP_PATH_TOO_DEEP;
        if (used + length + 2 > DROP_PATH_MAX)
            return DROP_PATH_TOO_LONG;
        if (used > 0)
            out[used++] = '/';
        memcpy(out + used, path, length);
        used += length;
        path += length;
    }
    out[used] = '\0';
    return used > 0 ? DROP_PATH_GOOD : DROP_PATH_EMPTY;
}

enum drop_path_verdict drop_path_check(const char *asked, size_t length, char *out)
{
    enum drop_path_verdict verdict;
    utf8proc_uint8_t *composed = NULL;

    *out = '\0';
    if (length > 4 * DROP_PATH_MAX)
        return DROP_PATH_TOO_LONG;
    if (!text_is_utf8(asked, length))
        return DROP_PATH_NOT_UTF8;
    if (memchr(asked, '\0', length))
        return DROP_PATH_UNSAFE;
    if (utf8proc_map((const utf8proc_uint8_t *)asked, (utf8proc_ssize_t)length, &composed,
                     UTF8PROC_STABLE | UTF8PROC_COMPOSE) < 0)
        return DROP_PATH_NOT_UTF8;
    verdict = check_names((const char *)composed, out);
    free(composed);
    if (verdict != DROP_PATH_GOOD)
        *out = '\0';
    return verdict;
}

const char *drop_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

void drop_path_folder(const char *path, char *out)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;

    memcpy(out, path, length);
    out[length] = '\0';
}

/* Where the extension of a name begins: `.tar.gz` is one, `.conference notes` is none. */
static const char *extension_of(const char *name)
{
    const char *end = name + strlen(name);
    const char *dot = strrchr(name, '.');

    if (!dot || dot == name || end - dot > 12 || strchr(dot, ' '))
        return end;
    if (dot - name > 4 && strncasecmp(dot - 4, ".tar", 4) == 0)
        return dot - 4;
    return dot;
}

void drop_path_numbered(const char *path, unsigned number, char *out)
{
    const char *name = drop_path_name(path);
    const char *extension = extension_of(name);
    size_t folder = (size_t)(name - path), stem = (size_t)(extension - name);
    char mark[32];
    size_t tail;

    snprintf(mark, sizeof mark, " (%u)", number);
    tail = strlen(mark) + strlen(extension);
    while (stem > 1 && (stem + tail > DROP_NAME_MAX || folder + stem + tail >= DROP_PATH_MAX))
        stem = last_character(name, stem);
    snprintf(out, DROP_PATH_MAX, "%.*s%s%s", (int)(folder + stem), path, mark, extension);
}

char *drop_path_fold(const char *path)
{
    utf8proc_uint8_t *folded = NULL;

    if (utf8proc_map((const utf8proc_uint8_t *)path, 0, &folded,
                     UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD |
                         UTF8PROC_STRIPMARK) < 0)
        return mem_dup(path);
    return (char *)folded;
}

bool drop_path_on_shelf(const char *path)
{
    return strncmp(path, "shelf", 5) == 0 && (path[5] == '/' || path[5] == '\0');
}

bool drop_path_like_shelf(const char *path)
{
    char *folded = drop_path_fold(path);
    bool like = drop_path_on_shelf(folded);

    free(folded);
    return like;
}
