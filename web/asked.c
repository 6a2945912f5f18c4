/*
 * asked: what a request says in its head; http.h has the manual.
 */
#include "web/url.h"
#include "web/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const methods[HTTP_METHODS] = {
    [HTTP_GET] = "GET",     [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",      [HTTP_PUT] = "PUT",
    [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS"};

const char *http_method_name(enum http_method method)
{
    return methods[method];
}

bool http_is_write(enum http_method method)
{
    return method != HTTP_GET && method != HTTP_HEAD && method != HTTP_OPTIONS;
}

/* ---- what was asked ---- */

const char *http_header(const struct http_request *request, const char *name)
{
    return head_find(request->wire->wire.lines, request->wire->wire.line_count, name);
}

int http_cookie(const struct http_request *request, const char *name, char *out, size_t size)
{
    const char *line = http_header(request, "Cookie");
    return line != NULL && head_cookie(line, name, out, size);
}

int http_query(const struct http_request *request, const char *name, char *out, size_t size)
{
    return url_value(request->query, name, out, size);
}

bool http_query_has(const struct http_request *request, const char *name)
{
    char waste[HTTP_PATH_MAX];
    return url_value(request->query, name, waste, sizeof waste) != 0;
}

int http_query_int(const struct http_request *request, const char *name, int64_t *number)
{
    char text[24];
    int found = http_query(request, name, text, sizeof text);
    if (found != 1 || *text == '\0')
        return found == 1 ? 0 : found;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno != 0 || text[strspn(text, "0123456789")] != '\0')
        return -1;
    *number = value;
    return 1;
}
