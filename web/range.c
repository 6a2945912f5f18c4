#include "web/range.h"

#include "base/when.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Digits at *text; moves behind them. -1 none; what is beyond every file is INT64_MAX. */
static int64_t number(const char **text)
{
    const char *begin = *text;
    int64_t value = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        int digit = **text - '0';
        value = value > (INT64_MAX - digit) / 10 ? INT64_MAX : value * 10 + digit;
    }
    return *text == begin ? -1 : value;
}

static const char *skip(const char *text)
{
    return text + strspn(text, " \t");
}

static enum range suffix(const char *text, int64_t size, int64_t *first, int64_t *last)
{
    int64_t count = number(&text);
    if (count < 0 || *skip(text) != '\0')
        return RANGE_WHOLE;
    if (count == 0 || size == 0)
        return RANGE_OUTSIDE;
    *first = count < size ? size - count : 0;
    *last = size - 1;
    return RANGE_PART;
}

enum range range_parse(const char *header, int64_t size, int64_t *first, int64_t *last)
{
    if (header == NULL || strncasecmp(header, "bytes=", 6) != 0 || strchr(header, ',') != NULL)
        return RANGE_WHOLE;
    const char *at = skip(header + 6);
    if (*at == '-')
        return suffix(at + 1, size, first, last);
    int64_t from = number(&at), to = INT64_MAX;
    if (from < 0 || *at++ != '-')
        return RANGE_WHOLE;
    if (*skip(at) != '\0' && ((to = number(&at)) < from || *skip(at) != '\0'))
        return RANGE_WHOLE;
    if (from >= size)
        return RANGE_OUTSIDE;
    *first = from;
    *last = to < size ? to : size - 1;
    return RANGE_PART;
}

int range_content(const char *header, int64_t *first, int64_t *last, int64_t *size)
{
    if (strncasecmp(header, "bytes ", 6) != 0)
        return -1;
    const char *at = skip(header + 6);
    if ((*first = number(&at)) < 0 || *at++ != '-' || (*last = number(&at)) < *first ||
        *at++ != '/')
        return -1;
    if (*at == '*') {
        *size = -1;
        return *skip(at + 1) == '\0' ? 0 : -1;
    }
    *size = number(&at);
    return *size > *last && *skip(at) == '\0' ? 0 : -1;
}

/* The next tag of a list into its bounds; false at the end or at what is no tag. */
static bool next_tag(const char **list, const char **tag, size_t *length, bool *weak)
{
    const char *at = *list + strspn(*list, " \t,");
    *weak = at[0] == 'W' && at[1] == '/';
    at += *weak ? 2 : 0;
    const char *end = *at == '"' ? strchr(at + 1, '"') : NULL;
    if (end == NULL)
        return false;
    *tag = at;
    *length = (size_t)(end + 1 - at);
    *list = end + 1;
    return true;
}

bool range_etag_listed(const char *list, const char *etag, bool weak)
{
    const char *tag;
    size_t length;
    bool is_weak;
    if (*skip(list) == '*')
        return true;
    while (etag != NULL && next_tag(&list, &tag, &length, &is_weak))
        if ((weak || !is_weak) && strlen(etag) == length && memcmp(tag, etag, length) == 0)
            return true;
    return false;
}

/* Whether the file changed after a date; -1 if it is no date. */
static int changed_since(const char *date, const struct range_file *file)
{
    int64_t then;
    if (when_http_parse(date, &then) < 0)
        return -1;
    return file->modified_ms / 1000 > then / 1000;
}

int range_check(const struct range_conditions *conditions, const struct range_file *file, bool read)
{
    const struct range_conditions *c = conditions;
    if (c->if_match != NULL) {
        if (!file->exists || !range_etag_listed(c->if_match, file->etag, false))
            return 412;
    } else if (c->if_unmodified_since != NULL && file->exists &&
               changed_since(c->if_unmodified_since, file) == 1) {
        return 412;
    }
    if (c->if_none_match != NULL) {
        if (file->exists && range_etag_listed(c->if_none_match, file->etag, true))
            return read ? 304 : 412;
    } else if (read && c->if_modified_since != NULL && file->exists &&
               changed_since(c->if_modified_since, file) == 0) {
        return 304;
    }
    return 0;
}

bool range_still(const struct range_conditions *conditions, const struct range_file *file)
{
    const char *given = conditions->if_range;
    int64_t then;
    if (given == NULL)
        return true;
    if (*given == '"' || strncmp(given, "W/", 2) == 0)
        return *given == '"' && file->etag != NULL && strcmp(given, file->etag) == 0;
    return when_http_parse(given, &then) == 0 && then / 1000 == file->modified_ms / 1000;
}
