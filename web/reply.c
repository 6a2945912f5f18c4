#include "web/reply.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "drop/path.h"
#include "web/asset.h"
#include "web/media.h"
#include "web/url.h"
#include "web/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"                             },
    {201, "Created"                        },
    {202, "Accepted"                       },
    {204, "No Content"                     },
    {206, "Partial Content"                },
    {301, "Moved Permanently"              },
    {302, "Found"                          },
    {303, "See Other"                      },
    {304, "Not Modified"                   },
    {307, "Temporary Redirect"             },
    {308, "Permanent Redirect"             },
    {400, "Bad Request"                    },
    {401, "Unauthorized"                   },
    {403, "Forbidden"                      },
    {404, "Not Found"                      },
    {405, "Method Not Allowed"             },
    {406, "Not Acceptable"                 },
    {408, "Request Timeout"                },
    {409, "Conflict"                       },
    {410, "Gone"                           },
    {411, "Length Required"                },
    {412, "Precondition Failed"            },
    {413, "Content Too Large"              },
    {414, "URI Too Long"                   },
    {415, "Unsupported Media Type"         },
    {416, "Range Not Satisfiable"          },
    {417, "Expectation Failed"             },
    {421, "Misdirected Request"            },
    {423, "Locked"                         },
    {429, "Too Many Requests"              },
    {431, "Request Header Fields Too Large"},
    {460, "Checksum Mismatch"              },
    {500, "Internal Server Error"          },
    {501, "Not Implemented"                },
    {502, "Bad Gateway"                    },
    {503, "Service Unavailable"            },
    {505, "HTTP Version Not Supported"     },
    {507, "Insufficient Storage"           },
};

const char *reply_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

static struct wire *wire_of(const struct http_request *request)
{
    return &request->wire->wire;
}

int reply_status(const struct http_request *request)
{
    return wire_of(request)->status;
}

bool reply_wants_body(const struct http_request *request)
{
    int status = wire_of(request)->status;
    return request->method != HTTP_HEAD && status != 204 && status != 304;
}

/* ---- heads ---- */

#define LINES_MAX (4 * HTTP_PATH_MAX) /* an address, encoded */

/* Most answers have none of these lines. */
static struct buf *lazy(struct buf *lines)
{
    if (lines->data == NULL)
        buf_init(lines, LINES_MAX);
    return lines;
}

/* One line; what could end it early is left out. */
static void put_line(struct buf *out, const char *name, const char *format, va_list arguments)
{
    buf_printf(out, "%s: ", name);
    size_t from = out->len;
    buf_vprintf(out, format, arguments);
    size_t to = from;
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] >= 0x20 && out->data[i] != 0x7f)
            out->data[to++] = out->data[i];
    buf_truncate(out, to);
    buf_puts(out, "\r\n");
}

/* The status line and Date; a thread writes the same date for a second. */
static void put_first_lines(struct wire *wire, int status)
{
    static _Thread_local struct {
        int64_t second;
        char text[WHEN_MAX];
    } date;
    int64_t now = when_wall_ms();
    if (date.second != now / 1000) {
        when_http(now, date.text);
        date.second = now / 1000;
    }
    buf_printf(&wire->out, "HTTP/1.1 %d %s\r\nDate: ", status, reply_reason(status));
    buf_puts(&wire->out, date.text);
    buf_puts(&wire->out, "\r\n");
}

void reply_begin(struct http_request *request, int status, const char *type)
{
    struct wire *wire = wire_of(request);
    buf_clear(&wire->out);
    wire->cached = false;
    wire->status = status;
    put_first_lines(wire, status);
    wire->lines_at = wire->out.len;
    buf_puts(&wire->out, "X-Content-Type-Options: nosniff\r\n");
    if (type != NULL)
        buf_printf(&wire->out, "Content-Type: %s\r\n", type);
}

void reply_header(struct http_request *request, const char *name, const char *format, ...)
{
    struct wire *wire = wire_of(request);
    va_list arguments;
    va_start(arguments, format);
    put_line(&wire->out, name, format, arguments);
    va_end(arguments);
    wire->cached |= strcasecmp(name, "Cache-Control") == 0;
}

void reply_extra(struct http_request *request, const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line(lazy(&wire_of(request)->extra), name, format, arguments);
    va_end(arguments);
}

void reply_early(struct http_request *request, const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line(lazy(&wire_of(request)->early), name, format, arguments);
    va_end(arguments);
}

void reply_cookie(struct http_request *request, const char *name, const char *value, int64_t life_s)
{
    buf_printf(lazy(&wire_of(request)->cookies),
               "Set-Cookie: %s=%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Lax\r\n", name, value,
               (long long)life_s);
}

void reply_own_page(struct http_request *request)
{
    reply_own_page_to(request, "");
}

void reply_own_page_to(struct http_request *request, const char *addresses)
{
    reply_header(request, "Content-Security-Policy",
                 "default-src 'none'; script-src 'self'; style-src 'self'; "
                 "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; "
                 "font-src 'self'; manifest-src 'self'; form-action 'self' %s; base-uri 'none'; "
                 "frame-ancestors 'none'",
                 addresses);
    /* With same-origin a form that leads elsewhere would send `Origin: null`. */
    reply_header(request, "Referrer-Policy", addresses[0] == '\0' ? "same-origin" : "origin");
    reply_header(request, "X-Frame-Options", "DENY");
}

void reply_peoples_bytes(struct http_request *request, const char *path, bool inline_ok)
{
    struct buf encoded, plain;
    buf_init(&encoded, 4 * DROP_PATH_MAX);
    buf_init(&plain, DROP_PATH_MAX);
    bool shelf = drop_path_on_shelf(path);
    const char *name = drop_path_name(path);
    url_encode(&encoded, name, false);
    for (const char *at = name; *at != '\0'; at++)
        buf_putc(&plain,
                 strchr("\"\\%", *at) != NULL || *at < 0x20 || *at > 0x7e ? '_' : (uint8_t)*at);
    reply_header(request, "Content-Disposition", "%s; filename=\"%s\"; filename*=UTF-8''%s",
                 inline_ok ? "inline" : "attachment", buf_text(&plain), buf_text(&encoded));
    /* Browsers' own PDF viewers do not work in a sandbox; they run nothing as this origin. */
    reply_header(request, "Content-Security-Policy", "%s",
                 inline_ok && media_of(name).is_pdf
                     ? "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'"
                     : "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self' data:; "
                       "style-src 'self' 'unsafe-inline'");
    /* A page on the shelf, sandboxed, is of no origin: its own style and pictures are foreign. */
    reply_header(request, "Cross-Origin-Resource-Policy", shelf ? "cross-origin" : "same-origin");
    buf_done(&encoded);
    buf_done(&plain);
}

/* ---- endings ---- */

/* Whether the connection will end: what is left of the body decides, too. */
static bool will_close(const struct http_request *request)
{
    const struct wire *wire = wire_of(request);
    int64_t left =
        wire->head.length < 0 ? (wire->complete ? 0 : INT64_MAX) : wire->head.length - wire->taken;
    return wire->close || wire->broken || !wire->head.keep || left > 256 * 1024 ||
           (wire->head.expects && !wire->continued);
}

static void put_last_line(struct wire *wire)
{
    buf_puts(&wire->out,
             wire->close ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n");
}

static int finish_head(struct http_request *request, int64_t length, const void *body, size_t size)
{
    struct wire *wire = wire_of(request);
    if (wire->state != WIRE_ASKED) {
        log_error("an answer to %s was begun twice", request->path);
        return -1;
    }
    if (will_close(request))
        wire->close = true;
    if (!wire->cached)
        buf_puts(&wire->out, "Cache-Control: no-store\r\n");
    if (length >= 0 && wire->status != 204 && wire->status != 304)
        buf_printf(&wire->out, "Content-Length: %lld\r\n", (long long)length);
    if (wire->cookies.len > 0)
        buf_put(&wire->out, wire->cookies.data, wire->cookies.len);
    if (wire->extra.len > 0)
        buf_put(&wire->out, wire->extra.data, wire->extra.len);
    wire->lines_end = wire->out.len;
    put_last_line(wire);
    if (buf_put(&wire->out, body, size) < 0 || wire->out.overflowed) {
        log_error("an answer to %s has a head that is too large", request->path);
        wire_cut(wire);
        return -1;
    }
    wire->continued = true;
    return 0;
}

int reply_head(struct http_request *request, int64_t length)
{
    struct wire *wire = wire_of(request);
    if (finish_head(request, length, "", 0) < 0)
        return -1;
    bool body = reply_wants_body(request) && length > 0;
    wire->state = WIRE_BODY;
    wire->promised = body ? length : 0;
    if (body && length > 65536)
        wire_fd(wire);
    return wire_send(wire, wire->out.data, wire->out.len, body);
}

int reply_end(struct http_request *request, const void *body, size_t length)
{
    struct wire *wire = wire_of(request);
    bool with_body = reply_wants_body(request);
    bool together = with_body && length <= 128 * 1024;
    if (finish_head(request, (int64_t)length, body, together ? length : 0) < 0)
        return -1;
    wire->state = WIRE_DONE;
    if (wire_send(wire, wire->out.data, wire->out.len, with_body && !together) < 0)
        return -1;
    return with_body && !together ? wire_send(wire, body, length, false) : 0;
}

int reply_file(struct http_request *request, int fd, int64_t offset, size_t length)
{
    struct wire *wire = wire_of(request);
    bool with_body = reply_wants_body(request);
    if (finish_head(request, (int64_t)length, "", 0) < 0)
        return -1;
    size_t head = wire->out.len;
    uint8_t *all = mem_resize(NULL, head + length, 1);
    int result = -1;
    memcpy(all, wire->out.data, head);
    if (!with_body || pread(fd, all + head, length, offset) == (ssize_t)length) {
        wire->state = WIRE_DONE;
        result = wire_send(wire, all, head + (with_body ? length : 0), false);
    }
    free(all);
    return result;
}

bool reply_head_sent(const struct http_request *request, const char **lines, size_t *length)
{
    const struct wire *wire = wire_of(request);
    *lines = (const char *)wire->out.data + wire->lines_at;
    *length = wire->lines_end - wire->lines_at;
    return wire->state == WIRE_DONE && wire->status == 200 && wire->cookies.len == 0 &&
           wire->extra.len == 0;
}

int reply_again(struct http_request *request, const char *lines, size_t lines_length,
                const void *body, size_t length)
{
    struct wire *wire = wire_of(request);
    if (will_close(request))
        wire->close = true;
    buf_clear(&wire->out);
    wire->status = 200;
    put_first_lines(wire, 200);
    buf_put(&wire->out, lines, lines_length);
    put_last_line(wire);
    wire->continued = true;
    wire->state = WIRE_DONE;
    return wire_send_both(wire, wire->out.data, wire->out.len, body, length);
}

int reply_stream(struct http_request *request)
{
    struct wire *wire = wire_of(request);
    if (wire->http_10)
        wire->close = true;
    else
        buf_puts(&wire->out, "Transfer-Encoding: chunked\r\n");
    if (finish_head(request, -1, "", 0) < 0)
        return -1;
    wire->state = reply_wants_body(request) ? WIRE_STREAM : WIRE_DONE;
    wire->promised = -1;
    wire_fd(wire);
    return wire_send(wire, wire->out.data, wire->out.len, false);
}

int reply_stream_put(struct http_request *request, const void *bytes, size_t length)
{
    struct wire *wire = wire_of(request);
    char line[24];
    if (length == 0 || wire->state != WIRE_STREAM)
        return wire->cut ? -1 : 0;
    if (wire->http_10)
        return wire_send(wire, bytes, length, false);
    if (length <= 4096) { /* one packet for an event */
        buf_clear(&wire->out);
        buf_printf(&wire->out, "%zx\r\n", length);
        buf_put(&wire->out, bytes, length);
        buf_puts(&wire->out, "\r\n");
        return wire_send(wire, wire->out.data, wire->out.len, false);
    }
    int size = snprintf(line, sizeof line, "%zx\r\n", length);
    if (wire_send(wire, line, (size_t)size, true) < 0 || wire_send(wire, bytes, length, true) < 0)
        return -1;
    return wire_send(wire, "\r\n", 2, false);
}

int reply_stream_end(struct http_request *request)
{
    struct wire *wire = wire_of(request);
    if (wire->state != WIRE_STREAM || wire->cut)
        return wire->cut ? -1 : 0;
    wire->state = WIRE_DONE;
    return wire->http_10 ? 0 : wire_send(wire, "0\r\n\r\n", 5, false);
}

/* ---- whole answers ---- */

int reply_text(struct http_request *request, int status, const char *format, ...)
{
    struct buf text;
    va_list arguments;
    buf_init(&text, 64 * 1024);
    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);
    if (text.len == 0 || text.data[text.len - 1] != '\n')
        buf_putc(&text, '\n');
    reply_begin(request, status, "text/plain; charset=utf-8");
    int result = reply_end(request, text.data, text.len);
    buf_done(&text);
    return result;
}

int reply_json(struct http_request *request, int status, const struct buf *json)
{
    reply_begin(request, status, json->overflowed ? NULL : "application/json");
    if (json->overflowed)
        return reply_error(request, 500, "That would be too much for one answer; ask for less.");
    return reply_end(request, json->data, json->len);
}

static void put_escaped(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++)
        if (strchr("<>&\"'", *text) != NULL)
            buf_printf(out, "&#%d;", *text);
        else
            buf_putc(out, (uint8_t)*text);
}

static void put_error(struct buf *out, enum media_form form, int status, const char *sentence)
{
    if (form == MEDIA_JSON) {
        json_object(out, NULL);
        json_string(out, "error", sentence);
        json_int(out, "status", status);
        json_close(out, '}');
    } else if (form == MEDIA_HTML) {
        buf_printf(out,
                   "<!doctype html><html lang=en><meta charset=utf-8>"
                   "<meta name=viewport content=\"width=device-width\"><title>%s</title>"
                   "<link rel=stylesheet href=\"%s\"><main><section><h1>%s</h1><p>",
                   reply_reason(status), asset_address("style.css"), reply_reason(status));
        put_escaped(out, sentence);
        buf_puts(out, "<p><a class=button href=/>To the front page</a></section></main></html>\n");
    } else {
        buf_puts(out, sentence);
        buf_putc(out, '\n');
    }
}

int reply_error(struct http_request *request, int status, const char *format, ...)
{
    static const char *const types[] = {[MEDIA_TEXT] = "text/plain; charset=utf-8",
                                        [MEDIA_JSON] = "application/json",
                                        [MEDIA_HTML] = "text/html; charset=utf-8"};
    enum media_form form = media_wanted(http_header(request, "Accept"));
    struct buf sentence, body;
    va_list arguments;
    buf_init(&sentence, 8192);
    buf_init(&body, 65536);
    va_start(arguments, format);
    buf_vprintf(&sentence, format, arguments);
    va_end(arguments);
    put_error(&body, form, status, buf_text(&sentence));
    reply_begin(request, status, types[form]);
    if (form == MEDIA_HTML)
        reply_own_page(request);
    reply_header(request, "Vary", "Accept");
    int result = reply_end(request, body.data, body.len);
    buf_done(&sentence);
    buf_done(&body);
    return result;
}

int reply_redirect(struct http_request *request, int status, const char *location)
{
    reply_extra(request, "Location", "%s", location);
    return reply_text(request, status, "%s", location);
}
