/*
 * range: header lines, a table of those that count.
 */
#include "mirror/range.h"
#include "base/when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VALUE_MAX 256

void response_init(struct response *response)
{
    *response = (struct response){
        .content_length = -1, .range_from = -1, .range_total = -1, .retry_after = -1};
}

/* Digits at *at as a number, passing them; -1 if there are none or too many. */
static int64_t read_number(const char **at)
{
    int64_t number = 0;
    int digits = 0;

    for (; **at >= '0' && **at <= '9'; (*at)++) {
        if (++digits > 17)
            return -1;
        number = number * 10 + (**at - '0');
    }
    return digits ? number : -1;
}

static void read_length(struct response *response, const char *value, int64_t now_ms)
{
    int64_t number = read_number(&value);

    (void)now_ms;
    response->content_length = *value == '\0' ? number : -1;
}

/* `bytes FROM-TO/TOTAL`, where TOTAL may be `*`. */
static void read_range(struct response *response, const char *value, int64_t now_ms)
{
    int64_t from, to, total = -1;

    (void)now_ms;
    if (strncasecmp(value, "bytes", 5) != 0)
        return;
    for (value += 5; *value == ' ' || *value == '=';)
        value++;
    if ((from = read_number(&value)) < 0 || *value++ != '-' || (to = read_number(&value)) < from ||
        *value++ != '/')
        return;
    if (*value != '*' && (total = read_number(&value)) <= to)
        return;
    response->range_from = from;
    response->range_total = total;
}

static void read_retry(struct response *response, const char *value, int64_t now_ms)
{
    int64_t seconds = read_number(&value), at;

    if (*value != '\0' || seconds < 0) {
        if (when_http_parse(value, &at) < 0)
            return;
        seconds = at > now_ms ? (at - now_ms + 999) / 1000 : 0;
    }
    response->retry_after = seconds < RESPONSE_WAIT_MAX ? seconds : RESPONSE_WAIT_MAX;
}

static void copy(char out[RESPONSE_ETAG_MAX], const char *value)
{
    if (strlen(value) < RESPONSE_ETAG_MAX)
        snprintf(out, RESPONSE_ETAG_MAX, "%s", value);
}

static void read_etag(struct response *response, const char *value, int64_t now_ms)
{
    (void)now_ms;
    copy(response->etag, value);
}

static void read_modified(struct response *response, const char *value, int64_t now_ms)
{
    (void)now_ms;
    copy(response->modified, value);
}

static void read_encoding(struct response *response, const char *value, int64_t now_ms)
{
    (void)now_ms;
    response->encoded = strcasecmp(value, "identity") != 0;
}

static const struct {
    const char *name;
    void (*read)(struct response *response, const char *value, int64_t now_ms);
} headers[] = {
    {"content-length",   read_length  },
    {"content-range",    read_range   },
    {"content-encoding", read_encoding},
    {"retry-after",      read_retry   },
    {"etag",             read_etag    },
    {"last-modified",    read_modified},
};

/* `HTTP/1.1 206 Partial Content`, `HTTP/2 200`. */
static void read_status(struct response *response, const char *line)
{
    const char *blank = strchr(line, ' ');
    int64_t status;

    response_init(response);
    while (blank && *blank == ' ')
        blank++;
    status = blank ? read_number(&blank) : -1;
    response->status = status >= 100 && status <= 599 ? (int)status : 0;
}

void response_line(struct response *response, const char *line, size_t length, int64_t now_ms)
{
    char text[VALUE_MAX];
    char *value;

    while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == '\n' ||
                          line[length - 1] == ' ' || line[length - 1] == '\t'))
        length--;
    if (length == 0 || length >= sizeof text || memchr(line, '\0', length))
        return;
    memcpy(text, line, length);
    text[length] = '\0';
    if (strncmp(text, "HTTP/", 5) == 0) {
        read_status(response, text);
        return;
    }
    if (!(value = strchr(text, ':')))
        return;
    *value++ = '\0';
    while (*value == ' ' || *value == '\t')
        value++;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (strcasecmp(text, headers[i].name) == 0)
            headers[i].read(response, value, now_ms);
}

int64_t response_whole(const struct response *response)
{
    return response->status == 206 ? response->range_total : response->content_length;
}

bool response_etag_is_strong(const struct response *response)
{
    return response->etag[0] == '"';
}
