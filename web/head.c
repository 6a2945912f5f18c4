#include "web/head.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

const char *head_find(const struct head_line *lines, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(lines[i].name, name) == 0)
            return lines[i].value;
    return NULL;
}

static size_t times(const struct head_line *lines, size_t count, const char *name)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += strcasecmp(lines[i].name, name) == 0;
    return found;
}

/* What stands behind a line: its end is one NUL, or two for CR LF. */
static const char *behind(const char *last)
{
    const char *end = last + strlen(last) + 1;
    return *end == '\0' ? end + 1 : end;
}

/* civetweb also puts a NUL over the last byte of a head. Where its lines end with LF alone nothing
 * of it is left then behind the last one, and next is a body or another request, if anything: that
 * must not begin as the lines do at which civetweb stops. */
enum head_framing head_framing(const char *version, const struct head_line *lines, size_t count,
                               const char **end)
{
    const char *last = version, *next = behind(version);
    for (size_t i = 0; i < count; i++) {
        const char *colon = lines[i].name + strlen(lines[i].name);
        if (lines[i].name != next || (colon + 1 < lines[i].value && colon[1] == '\0'))
            return HEAD_NOT_FRAMED;
        last = lines[i].value;
        next = behind(last);
    }
    /* The blank line, if its first byte is still there: without any line it is not. */
    *end = next[0] == (count > 0 ? '\r' : '\0') && next[1] == '\0' ? next + 2 : next;
    if (*next == '\r' || *next == '\n' || *next == '\0' ||
        (*next > ' ' && *next < 127 && *next != ':'))
        return HEAD_FRAMED;
    return next == last + strlen(last) + 2 ? HEAD_UNSURE : HEAD_NOT_FRAMED;
}

static bool is_token(const char *name)
{
    if (*name == '\0')
        return false;
    for (; *name != '\0'; name++)
        if (!isalnum((unsigned char)*name) && strchr("!#$%&'*+-.^_`|~", *name) == NULL)
            return false;
    return true;
}

static const char *trimmed_end(const char *text)
{
    const char *end = text + strlen(text);
    while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return end;
}

/* Digits alone, and no more of them than fit. -1 otherwise. */
static int64_t length_parse(const char *text)
{
    const char *end = trimmed_end(text);
    int64_t length = 0;
    if (end == text || end - text > 18)
        return -1;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        length = length * 10 + (*text - '0');
    }
    return length;
}

static bool is_word(const char *value, const char *word)
{
    size_t length = (size_t)(trimmed_end(value) - value);
    return strlen(word) == length && strncasecmp(value, word, length) == 0;
}

bool head_list_has(const char *list, const char *word)
{
    size_t length = strlen(word);
    while (*list != '\0') {
        list += strspn(list, " \t,");
        size_t item = strcspn(list, " \t,;");
        if (item == length && item > 0 && strncasecmp(list, word, item) == 0)
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

static int refuse(const char **why, int status, const char *sentence)
{
    *why = sentence;
    return status;
}

static int check_lines(const struct head_line *lines, size_t count, const char **why)
{
    static const char *const once[] = {"Host",  "Content-Length", "Transfer-Encoding",
                                       "Range", "Origin",         "Content-Range",
                                       "Expect"};
    for (size_t i = 0; i < count; i++)
        if (!is_token(lines[i].name))
            return refuse(why, 400, "A header's name has characters that it may not have.");
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        if (times(lines, count, once[i]) > 1)
            return refuse(why, 400, "A header that may stand once was sent twice.");
    return 0;
}

static int check_body(const struct head_line *lines, size_t count, bool http_10, struct head *head,
                      const char **why)
{
    const char *length = head_find(lines, count, "Content-Length");
    const char *coding = head_find(lines, count, "Transfer-Encoding");
    if (length != NULL && coding != NULL)
        return refuse(why, 400, "Content-Length and Transfer-Encoding exclude each other.");
    if (coding != NULL && http_10)
        return refuse(why, 400, "HTTP/1.0 knows no Transfer-Encoding.");
    if (coding != NULL && !is_word(coding, "chunked"))
        return refuse(why, 501, "Of the transfer codings only chunked is spoken here.");
    head->length = coding != NULL ? -1 : length != NULL ? length_parse(length) : 0;
    if (length != NULL && head->length < 0)
        return refuse(why, 400, "Content-Length is not a number of bytes.");
    return 0;
}

int head_check(const struct head_line *lines, size_t count, bool http_10, struct head *head,
               const char **why)
{
    *head = (struct head){0};
    int status = check_lines(lines, count, why);
    if (status == 0)
        status = check_body(lines, count, http_10, head, why);
    if (status != 0)
        return status;
    if (!http_10 && head_find(lines, count, "Host") == NULL)
        return refuse(why, 400, "HTTP/1.1 wants a Host header.");
    const char *expect = head_find(lines, count, "Expect");
    if (expect != NULL && !is_word(expect, "100-continue"))
        return refuse(why, 417, "The only expectation met here is 100-continue.");
    head->expects = expect != NULL && !http_10 && head->length != 0;
    const char *connection = head_find(lines, count, "Connection");
    head->keep = connection == NULL ? !http_10 : head_list_has(connection, "keep-alive");
    return 0;
}

bool head_cookie(const char *line, const char *name, char *out, size_t size)
{
    size_t length = strlen(name);

    while (*line != '\0') {
        line += strspn(line, " \t;");
        size_t item = strcspn(line, ";");
        if (item > length && line[length] == '=' && strncmp(line, name, length) == 0) {
            size_t value = item - length - 1;
            if (value >= size)
                return false;
            memcpy(out, line + length + 1, value);
            out[value] = '\0';
            return true;
        }
        line += item;
    }
    return false;
}

bool head_bearer(const char *line, char *secret, size_t size)
{
    if (strncasecmp(line, "Bearer ", 7) == 0)
        line += 7;
    line += strspn(line, " ");
    size_t length = strcspn(line, " \t");
    if (length != size - 1)
        return false;
    memcpy(secret, line, length);
    secret[length] = '\0';
    return true;
}

bool head_same_origin(const char *origin, const char *host)
{
    if (strncasecmp(origin, "http://", 7) == 0)
        origin += 7;
    else if (strncasecmp(origin, "https://", 8) == 0)
        origin += 8; /* somebody put an encrypting proxy in front */
    else
        return false;
    return *host != '\0' && strcasecmp(origin, host) == 0;
}
