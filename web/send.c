#include "web/send.h"

#include "base/when.h"
#include "web/range.h"

#include <stdio.h>

#define IN_ONE_PACKET                                                                              \
    65536 /* up to here head and body leave together, read rather than sendfile                    \
           */

static void validators(struct http_request *request, const struct send_file *file)
{
    char date[WHEN_MAX];
    when_http(file->modified_ms, date);
    if (file->head != NULL)
        file->head(file->context, request);
    if (*file->etag != '\0') {
        reply_header(request, "ETag", "\"%s\"", file->etag);
        reply_header(request, "Accept-Ranges", "bytes");
    }
    if (file->modified_ms > 0)
        reply_header(request, "Last-Modified", "%s", date);
}

/* The body of an answer that was begun. */
static int64_t send_bytes(struct http_request *request, const struct send_file *file, int64_t first,
                          int64_t length)
{
    if (length > IN_ONE_PACKET || !reply_wants_body(request)) {
        if (reply_head(request, length) < 0)
            return -1;
        if (!reply_wants_body(request))
            return 0;
        return http_send_file(request, file->fd, first, length) < 0 ? -1 : length;
    }
    return reply_file(request, file->fd, first, (size_t)length) < 0 ? -1 : length;
}

static int64_t without_body(struct http_request *request, const struct send_file *file, int status)
{
    if (status != 304) {
        reply_error(request, status, "The file is not the one that you mean any more.");
        return 0;
    }
    reply_begin(request, 304, NULL);
    validators(request, file);
    return reply_end(request, NULL, 0);
}

int64_t send_whole_or_part(struct http_request *request, const struct send_file *file)
{
    char etag[128];
    int64_t first = 0, last = file->size - 1;
    snprintf(etag, sizeof etag, "\"%s\"", file->etag);
    const struct range_conditions asked = {
        .if_match = http_header(request, "If-Match"),
        .if_none_match = http_header(request, "If-None-Match"),
        .if_modified_since = http_header(request, "If-Modified-Since"),
        .if_unmodified_since = http_header(request, "If-Unmodified-Since"),
        .if_range = http_header(request, "If-Range")};
    const struct range_file now = {.exists = true,
                                   .etag = *file->etag == '\0' ? NULL : etag,
                                   .modified_ms = file->modified_ms};
    int status = range_check(&asked, &now, true);
    if (status != 0)
        return without_body(request, file, status);
    enum range range = RANGE_WHOLE;
    if (request->method == HTTP_GET && now.etag != NULL && range_still(&asked, &now))
        range = range_parse(http_header(request, "Range"), file->size, &first, &last);
    if (range == RANGE_OUTSIDE) {
        reply_extra(request, "Content-Range", "bytes */%lld", (long long)file->size);
        reply_error(request, 416, "The file has %lld bytes.", (long long)file->size);
        return 0;
    }
    reply_begin(request, range == RANGE_PART ? 206 : 200, file->type);
    validators(request, file);
    if (range == RANGE_PART)
        reply_header(request, "Content-Range", "bytes %lld-%lld/%lld", (long long)first,
                     (long long)last, (long long)file->size);
    return send_bytes(request, file, first, last - first + 1);
}
