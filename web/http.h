/*
 * http: one request and its answer, over civetweb.
 *
 * http.c and wire.c alone include civetweb.h, and use it for what it does well: accepting, threads,
 * reading a head, keeping connections alive. Everything after that is ours: which requests are well
 * formed (no smuggling, no more than HTTP_HEADERS_MAX header lines, a path that is UTF-8 without
 * control characters), bodies with a minimum rate, 100-continue, heads in one packet, files by
 * sendfile(2).
 *
 * One connection has one thread, with about 70 KB of stack: large buffers belong on the heap. The
 * handler that http_start was given is called on that thread for each request, and must answer it
 * by exactly one of reply.h's endings. What it does not read of a body is dropped with the
 * connection, unless it is short.
 *
 * A struct http_request is valid during the handler's call only, and belongs to its thread.
 */
#ifndef WEB_HTTP_H
#define WEB_HTTP_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_PATH_MAX    4096 /* bytes of a decoded path, with its NUL */
#define HTTP_HEADERS_MAX 63   /* header lines; civetweb silently drops a 65th */

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_METHODS
};

/* "GET", ... */
const char *http_method_name(enum http_method method);

/* Whether it may change something: all but GET, HEAD and OPTIONS. */
bool http_is_write(enum http_method method);

struct http_request {
    enum http_method method;
    char path[HTTP_PATH_MAX]; /* decoded once, "/" first, doubled slashes folded */
    const char *query;        /* as sent, without '?'; "" none: see http_query */
    const char *host;         /* the Host header as sent, to build addresses with; "" none */
    const char *address;      /* the client's, as text */
    int port;                 /* the box's port that it came in by */
    int64_t length;           /* of the body as announced; 0 none; -1 chunked: not known */
    bool expects;             /* the client waits for our 100 before it sends the body */
    struct http_wire *wire;   /* the connection and the answer so far: see wire.h */
};

/* ---- what was asked ---- */

/* The value of that header (any case), NULL if it was not sent. */
const char *http_header(const struct http_request *request, const char *name);

/* Whether the client speaks HTTP/1.0: it takes a cut for the end where no length was announced. */
bool http_is_10(const struct http_request *request);

/* The value of a cookie into out. 1, or 0 if it was not sent or does not fit. */
int http_cookie(const struct http_request *request, const char *name, char *out, size_t size);

/* The decoded value of name in the query (`?name=value`, `?name`) into out. 1, 0 not there, -1 it
 * does not fit or is not valid. */
int http_query(const struct http_request *request, const char *name, char *out, size_t size);

/* Whether the query names it, with or without a value. */
bool http_query_has(const struct http_request *request, const char *name);

/* A decimal number in the query, 0 or more. 1, 0 not there or empty, -1 it is none; *number stays
 * as it was unless 1. */
int http_query_int(const struct http_request *request, const char *name, int64_t *number);

/* ---- its body ---- */

/*
 * Reads at most size bytes: what is there, waiting for at least one. The first call answers an
 * Expect: 100-continue, so refuse before it. > 0 how many, 0 the body is complete, -1 the client is
 * gone, lied about its length or was too slow (HTTP_MIN_RATE): answer if you like, the connection
 * ends.
 */
#define HTTP_MIN_RATE 128 /* bytes a second, averaged over 20 s; below that a body is cut off */
int64_t http_read(struct http_request *request, void *bytes, size_t size);

/* Whether http_read has something to say (bytes, the end, a failure), waiting at most timeout_ms
 * for it. */
bool http_wait(struct http_request *request, int timeout_ms);

/* Reads the whole body of a form or a small document into out, to its maximum. 0; -1 as above; 1 if
 * it is larger than out may be. */
int http_read_small(struct http_request *request, struct buf *out);

/* Who is sending this body, for http_expel; to the end of the body. */
struct http_sender {
    int64_t person_id, credential_id; /* 0: a guest */
    char address[48];
};
void http_sends(struct http_request *request, const struct http_sender *sender);

/* ---- bytes of the answer, behind the head that reply.h sent ---- */

/* Sends all bytes. 0, or -1 when the client is gone or does not read: stop. More than the head
 * promised is a defect: it is logged, and the connection cut. */
int http_send(struct http_request *request, const void *bytes, size_t length);

/* Sends length bytes of fd from offset, from page cache to socket. 0; -1 as above, or when the file
 * is shorter: the connection is then cut. */
int http_send_file(struct http_request *request, int fd, int64_t offset, int64_t length);

/* The connection ends after this answer. */
void http_close(struct http_request *request);
/* The connection ends now, so that the client sees that the answer is not complete. */
void http_cut(struct http_request *request);

/* Whether the client hung up. For streams that send nothing for a while. */
bool http_gone(struct http_request *request);

/*
 * Takes one of the places for answers that may take hours (event streams, followers): at most
 * half of all threads for one client address, since a herd may sit behind one, and three quarters
 * of them in all. false: none is free, and 503 with Retry-After has been sent. The place is given
 * back when the handler returns.
 */
bool http_hold(struct http_request *request);

/* ---- the server ---- */

struct http;

/* Answers a request; called on many threads at once. */
typedef void http_handler(void *context, struct http_request *request);

struct http_options {
    const int *listens; /* listening sockets; http takes copies */
    size_t listen_count;
    int threads; /* connections served at once, shared as share.h says; further ones get 503 */
    http_handler *handler;
    void *context;
};

/* Starts serving on those sockets. NULL, logged. */
struct http *http_start(const struct http_options *options);

/* Once a second, from any one thread: cuts those whose bodies trickle below HTTP_MIN_RATE. */
void http_tick(struct http *http);

/* Cuts off all who are sending a body and of whom is_out says so; from any thread. How many. */
int http_expel(struct http *http, bool (*is_out)(void *context, const struct http_sender *sender),
               void *context);

/* How many requests are being answered now, and how many threads there are. */
int http_busy(const struct http *http);
int http_threads(const struct http *http);
/* Whether there were many, and are none now but those that hold a place. Says so once a crowd. */
bool http_crowd_gone(struct http *http);

/* Whether http_stop has begun: long answers end themselves when they see it. */
bool http_stopping(const struct http_request *request);

/*
 * Takes no new connections and waits at most drain_ms for the requests under way. The process must
 * end afterwards: threads are left as they are, since civetweb's own end waits up to two seconds
 * for each idle one to look up. What a call has in hand survives that as it survives a crash.
 */
void http_stop(struct http *http, int drain_ms);

#endif
