/*
 * reply: answers, their heads, and the rules that every answer keeps.
 *
 * Begin, add what the head needs, end:
 *
 *     reply_begin(request, 200, "text/html; charset=utf-8");
 *     reply_header(request, "ETag", "\"%s\"", tag);
 *     reply_own_page(request);
 *     reply_end(request, body.data, body.len);
 *
 * Head and small body leave in one packet. For HEAD the endings send the head alone, with the
 * length that GET would have. 204 and 304 have no body. Every head says Date, nosniff, and no-store
 * unless Cache-Control was added. Header values lose their control characters here, so that no text
 * of a stranger can end a line.
 */
#ifndef WEB_REPLY_H
#define WEB_REPLY_H

#include "web/http.h"

/* Begins an answer; whatever was begun before and not sent is forgotten, except cookies. type may
 * be NULL (no body). */
void reply_begin(struct http_request *request, int status, const char *type);

/* Adds one header line. */
void reply_header(struct http_request *request, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sets a cookie for the whole box: HttpOnly, SameSite=Lax. life_s 0 removes it. May be called
 * before reply_begin. */
void reply_cookie(struct http_request *request, const char *name, const char *value,
                  int64_t life_s);

/* For the box's own pages: the policy that allows what the box itself serves and nothing else. */
void reply_own_page(struct http_request *request);
/* The same, for one whose forms may lead to these addresses, too (with blanks between; "" none). */
void reply_own_page_to(struct http_request *request, const char *addresses);

/* For bytes that somebody dropped: sandboxed, and offered as a download unless inline_ok. The last
 * part of path becomes the file name (RFC 6266 with UTF-8). */
void reply_peoples_bytes(struct http_request *request, const char *path, bool inline_ok);

/* ---- endings ---- */

/* The head with Content-Length, and the body. 0, or -1 if the client is gone. */
int reply_end(struct http_request *request, const void *body, size_t length);

/* The head of a body of length bytes that the caller then sends by http_send and http_send_file
 * (unless the method is HEAD: ask reply_wants_body). 0 or -1. */
int reply_head(struct http_request *request, int64_t length);
bool reply_wants_body(const struct http_request *request);

/* The head and length bytes of fd from offset, in one packet: for what is small. 0; -1 as above, or
 * the file is shorter: nothing was sent then. */
int reply_file(struct http_request *request, int fd, int64_t offset, size_t length);

/* The head of the 200 that was just sent, for whoever may send it again to others: its lines
 * without the first two (status and Date) and Connection, valid until the next answer. false: it
 * was another answer, or had cookies or lines of this request alone. */
bool reply_head_sent(const struct http_request *request, const char **lines, size_t *length);
/* Answers with such lines and this body, in one packet. 0 or -1. */
int reply_again(struct http_request *request, const char *lines, size_t lines_length,
                const void *body, size_t length);

/* The head of a body whose length nobody knows yet: chunked, or to the end of the connection for
 * HTTP/1.0. Then reply_stream_put any number of times and reply_stream_end, without which the
 * client sees that it is not complete. 0 or -1. */
int reply_stream(struct http_request *request);
int reply_stream_put(struct http_request *request, const void *bytes, size_t length);
int reply_stream_end(struct http_request *request);

/* ---- whole answers ---- */

/* text/plain; a line end is added if there is none. */
int reply_text(struct http_request *request, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* application/json. */
int reply_json(struct http_request *request, int status, const struct buf *json);

/*
 * One plain sentence for what cannot be; {"error": sentence, "status": status} to whoever asks for
 * JSON, a small page to whoever asks for HTML. Headers may be added by reply_extra before it.
 */
int reply_error(struct http_request *request, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A header for the next reply_error or reply_text of this request. */
void reply_extra(struct http_request *request, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A header for the 100 that http_read sends to a client that waits for it: what it should know even
 * if the connection breaks before there is an answer. */
void reply_early(struct http_request *request, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* 303 See Other after a POST, 302, 307 ...; location is a path of the box or a whole address. */
int reply_redirect(struct http_request *request, int status, const char *location);

/* What was answered, for the log and the metrics; 0 nothing yet. */
int reply_status(const struct http_request *request);

/* What a status is called: "Not Found". */
const char *reply_reason(int status);

#endif
