#include "web/http.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "web/accept.h"
#include "web/reply.h"
#include "web/share.h"
#include "web/url.h"
#include "web/wire.h"

#include <civetweb.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SPARE_THREADS    8 /* that only say 503 */
#define CONNECTION_QUEUE 256
#define CROWD            16 /* requests at once; they leave memory behind that few will need */

struct http {
    struct http_options options;
    struct mg_context *context;
    struct wire_slot *slots;
    atomic_int slot_count; /* handed out */
    atomic_int open;       /* connections */
    atomic_int most_open;  /* there ever were at once */
    atomic_int busy;       /* requests */
    atomic_int held;
    atomic_bool crowded; /* CROWD requests were under way since http_crowd_gone said so */
    atomic_bool stopping;
    struct accept doors;
};

/* ---- places for long answers ---- */

static int held_by(struct http *http, const char *address)
{
    int count = 0;
    for (int i = 0; i < http->slot_count; i++) {
        struct wire_slot *slot = &http->slots[i];
        pthread_mutex_lock(&slot->lock);
        count += slot->held && strcmp(slot->address, address) == 0;
        pthread_mutex_unlock(&slot->lock);
    }
    return count;
}

bool http_hold(struct http_request *request)
{
    struct wire *wire = &request->wire->wire;
    struct http *http = wire->http;
    if (wire->slot->held)
        return true;
    if (atomic_fetch_add(&http->held, 1) >= http->options.threads * 3 / 4 ||
        held_by(http, request->address) >= http->options.threads / 2) {
        atomic_fetch_sub(&http->held, 1);
        reply_extra(request, "Retry-After", "2");
        reply_error(request, 503, "Too many are waiting here already; try again in a moment.");
        return false;
    }
    pthread_mutex_lock(&wire->slot->lock);
    wire->slot->held = true;
    snprintf(wire->slot->address, sizeof wire->slot->address, "%s", request->address);
    pthread_mutex_unlock(&wire->slot->lock);
    return true;
}

/* ---- who is sending ---- */

void http_sends(struct http_request *request, const struct http_sender *sender)
{
    struct wire *wire = &request->wire->wire;
    int fd = wire_fd(wire);
    pthread_mutex_lock(&wire->slot->lock);
    wire->slot->sender = *sender;
    wire->slot->sender_fd = fd;
    pthread_mutex_unlock(&wire->slot->lock);
}

int http_expel(struct http *http, bool (*is_out)(void *context, const struct http_sender *sender),
               void *context)
{
    int count = 0;
    for (int i = 0; i < http->slot_count; i++) {
        struct wire_slot *slot = &http->slots[i];
        pthread_mutex_lock(&slot->lock);
        if (slot->sender_fd >= 0 && is_out(context, &slot->sender)) {
            shutdown(slot->sender_fd, SHUT_RDWR);
            count++;
        }
        pthread_mutex_unlock(&slot->lock);
    }
    return count;
}

static void give_place_back(struct http *http, struct wire_slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    slot->sender_fd = -1;
    if (slot->held)
        atomic_fetch_sub(&http->held, 1);
    slot->held = false;
    pthread_mutex_unlock(&slot->lock);
}

/* ---- from civetweb's request to ours ---- */

/* Descriptors are given lowest first, so none exceeds what was ever open at once: the process' own,
 * those that civetweb has accepted and queued, and of each request its socket, files and desk. */
static int fd_bound(const struct http *http)
{
    return 128 + CONNECTION_QUEUE + 12 * http->most_open;
}

static int take_lines(struct wire *wire, const struct mg_request_info *info)
{
    if (info->num_headers > HTTP_HEADERS_MAX)
        return -1;
    for (int i = 0; i < info->num_headers; i++)
        wire->lines[i] =
            (struct head_line){info->http_headers[i].name, info->http_headers[i].value};
    wire->line_count = (size_t)info->num_headers;
    return 0;
}

/* How long the head was on the wire: civetweb has parsed it in place. False: it is not as it should
 * be. */
static bool take_size(struct wire *wire, const struct mg_request_info *info)
{
    const char *end = NULL;
    enum head_framing framing =
        head_framing(info->http_version, wire->lines, wire->line_count, &end);
    if (framing == HEAD_NOT_FRAMED)
        return false;
    wire->head_size = (size_t)(end - info->request_method);
    wire->head_doubtful = wire->line_count == 0 || (end[-2] == '\r' && end[-1] == '\0');
    return framing == HEAD_FRAMED || wire_ends_here(wire);
}

static int take_method(struct http_request *request, const char *name)
{
    for (int i = 0; i < HTTP_METHODS; i++)
        if (strcmp(http_method_name((enum http_method)i), name) == 0) {
            request->method = (enum http_method)i;
            return 0;
        }
    return -1;
}

/* 0, or the status to refuse it with. */
static int understand(struct http_request *request, const struct mg_request_info *info,
                      const char **why)
{
    struct wire *wire = &request->wire->wire;
    wire->http_10 = strcmp(info->http_version, "1.0") == 0;
    if (take_lines(wire, info) < 0) {
        *why = "That are too many headers.";
        return 431;
    }
    if (!take_size(wire, info)) {
        *why = "A header line is folded, or has a blank where none may be.";
        return 400;
    }
    int status = head_check(wire->lines, wire->line_count, wire->http_10, &wire->head, why);
    const char *host = http_header(request, "Host");
    request->host = host == NULL ? "" : host;
    request->query = info->query_string == NULL ? "" : info->query_string;
    request->address = info->remote_addr;
    request->port = info->server_port;
    request->length = wire->head.length;
    request->expects = wire->head.expects;
    if (status != 0)
        return status;
    if (take_method(request, info->request_method) < 0) {
        *why = "That method is not spoken here.";
        return 501;
    }
    if (url_path(info->local_uri_raw, request->path, sizeof request->path) < 0) {
        if (strlen(info->local_uri_raw) >= sizeof request->path) {
            *why = "That address is too long.";
            return 414;
        }
        *why = "That address is not well formed: percent-encoded UTF-8 without control characters.";
        return 400;
    }
    return 0;
}

static void refuse(struct http_request *request, int status, const char *why)
{
    struct wire *wire = &request->wire->wire;
    wire->close = true;
    wire->broken = status != 503; /* what follows is not read: it may be anything */
    if (status == 503)
        reply_extra(request, "Retry-After", "2");
    reply_error(request, status, "%s", why);
}

static void answer(struct http *http, struct http_request *request,
                   const struct mg_request_info *info)
{
    struct wire *wire = &request->wire->wire;
    const char *why = "The box has too many guests at once; try again in a moment.";
    int threads = http->options.threads;
    int status = understand(request, info, &why);
    /* A box that is full is not one that hangs: whoever asks whether it works is told. */
    if (status == 0 && http->open > threads - SPARE_THREADS &&
        strcmp(request->path, "/healthz") != 0)
        status = 503;
    if (http->open > threads * 3 / 4 || http->stopping)
        wire->close = true;
    if (status != 0)
        refuse(request, status, why);
    else
        http->options.handler(http->options.context, request);
    if (wire->state == WIRE_ASKED)
        reply_error(request, 500, "Something went wrong here; the log says what.");
    if (wire->state == WIRE_STREAM || (wire->state == WIRE_BODY && wire->promised != 0))
        wire_cut(wire);
}

static int begin_request(struct mg_connection *connection)
{
    const struct mg_request_info *info = mg_get_request_info(connection);
    struct http *http = info->user_data;
    struct http_request request = {.host = "", .query = "", .address = info->remote_addr};
    struct http_wire wire = {
        .wire = {.connection = connection,
                 .http = http,
                 .slot = mg_get_thread_pointer(connection),
                 .fd_bound = fd_bound(http),
                 .fd = WIRE_UNKNOWN,
                 .buffered = WIRE_UNKNOWN}
    };
    request.wire = &wire;
    if (atomic_fetch_add(&http->busy, 1) >= CROWD)
        http->crowded = true;
    buf_init(&wire.wire.out, 256 * 1024);
    answer(http, &request, info);
    wire_settle(&wire.wire);
    give_place_back(http, wire.wire.slot);
    if (wire.wire.close)
        mg_disable_keep_alive(connection);
    buf_done(&wire.wire.out);
    buf_done(&wire.wire.cookies);
    buf_done(&wire.wire.extra);
    buf_done(&wire.wire.early);
    atomic_fetch_sub(&http->busy, 1);
    return wire.wire.status > 0 ? wire.wire.status : 500;
}

/* What civetweb itself could not read. */
static int http_error(struct mg_connection *connection, int status, const char *message)
{
    char out[512];
    const char *why =
        status == 413 ? "The head of that request is too large."
                      : "That is not well formed HTTP/1.1, no method of it, or too large a head.";
    (void)message;
    status = status == 413 ? 431 : status;
    int length = snprintf(out, sizeof out,
                          "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                          "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
                          "Connection: close\r\nContent-Length: %zu\r\n\r\n%s\n",
                          status, reply_reason(status), strlen(why) + 1, why);
    mg_write(connection, out, (size_t)length);
    mg_disable_keep_alive(connection);
    struct wire wire = {.connection = connection,
                        .fd_bound = fd_bound(mg_get_user_context_data(connection)),
                        .fd = WIRE_UNKNOWN};
    wire_linger(&wire);
    return 0;
}

static int init_connection(const struct mg_connection *connection, void **data)
{
    struct http *http = mg_get_user_context_data(connection);
    struct wire_peer *peer = mem_alloc(sizeof *peer);
    *peer = (struct wire_peer){.fd = WIRE_UNKNOWN, .exact = true};
    *data = peer;
    int open = atomic_fetch_add(&http->open, 1) + 1, most = http->most_open;
    while (open > most && !atomic_compare_exchange_weak(&http->most_open, &most, open))
        ;
    return 0;
}

static void connection_close(const struct mg_connection *connection)
{
    free(mg_get_user_connection_data(connection));
}

static void connection_closed(const struct mg_connection *connection)
{
    struct http *http = mg_get_user_context_data(connection);
    accept_gone(share_address(mg_get_request_info(connection)->remote_addr));
    atomic_fetch_sub(&http->open, 1);
}

static int log_message(const struct mg_connection *connection, const char *message)
{
    (void)connection;
    log_debug("%s", message);
    return 1;
}

/* ---- start and end ---- */

static void *init_thread(const struct mg_context *context, int type)
{
    struct http *http = mg_get_user_data(context);
    if (type == 0) {
        accept_adopt(&http->doors);
        return NULL;
    }
    return type == 1 ? &http->slots[atomic_fetch_add(&http->slot_count, 1)] : NULL;
}

static void prepare(struct http *http)
{
    accept_prepare(&http->doors, http->options.listens, http->options.listen_count,
                   http->options.threads);
    http->slots = mem_array((size_t)http->options.threads, sizeof *http->slots);
    for (int i = 0; i < http->options.threads; i++) {
        pthread_mutex_init(&http->slots[i].lock, NULL);
        http->slots[i].fd = http->slots[i].sender_fd = -1;
    }
}

static struct mg_context *start_civetweb(struct http *http)
{
    static const struct mg_callbacks callbacks = {.begin_request = begin_request,
                                                  .http_error = http_error,
                                                  .init_connection = init_connection,
                                                  .connection_close = connection_close,
                                                  .connection_closed = connection_closed,
                                                  .log_message = log_message,
                                                  .init_thread = init_thread};
    char ports[ACCEPT_MAX * 16] = "", threads[16], queue[16];
    for (size_t i = 0; i < http->options.listen_count; i++)
        strcat(ports, i == 0 ? "127.0.0.1:0" : ",127.0.0.1:0");
    snprintf(threads, sizeof threads, "%d", http->options.threads);
    snprintf(queue, sizeof queue, "%d", CONNECTION_QUEUE);
    const char *options[] = {"listening_ports",
                             ports,
                             "num_threads",
                             threads,
                             "tcp_nodelay",
                             "1",
                             "enable_keep_alive",
                             "yes",
                             "keep_alive_timeout_ms",
                             "3000",
                             "request_timeout_ms",
                             "20000",
                             "connection_queue",
                             queue,
                             "decode_url",
                             "no",
                             "enable_auth_domain_check",
                             "no",
                             "access_control_allow_methods",
                             "",
                             "access_control_allow_origin",
                             "",
                             NULL};
    return mg_start(&callbacks, http, options);
}

/*
 * Threads are born with the policy of whoever makes them. Under SCHED_BATCH one that wakes up does
 * not push another off its processor: a client that sends many requests gets to the end of its
 * turn, and they are answered one after another, with a third less of switching (measured: 64
 * connections, 20 kB, two processors: 63,000 a second became 84,000). Nobody waits longer for an
 * idle processor.
 */
static void schedule(int policy)
{
    const struct sched_param none = {0};
    if (sched_setscheduler(0, policy, &none) < 0)
        log_debug("the threads keep their scheduling policy");
}

struct http *http_start(const struct http_options *options)
{
    if (options->listen_count == 0 || options->listen_count > ACCEPT_MAX) {
        log_error("web needs 1 to %d listening sockets", ACCEPT_MAX);
        return NULL;
    }
    struct http *http = mem_alloc(sizeof *http);
    http->options = *options;
    prepare(http);
    mg_init_library(MG_FEATURES_DEFAULT);
    schedule(SCHED_BATCH);
    http->context = start_civetweb(http);
    schedule(SCHED_OTHER);
    for (int tries = 0; http->context != NULL && !http->doors.adopted && tries < 500; tries++)
        usleep(1000);
    if (http->context != NULL && http->doors.adopted)
        return http;
    log_error("the web server did not start");
    if (http->context != NULL)
        mg_stop(http->context);
    free(http->slots);
    free(http);
    return NULL;
}

void http_tick(struct http *http)
{
    int64_t now = when_monotonic_ms();
    for (int i = 0; i < http->slot_count; i++)
        wire_watch(&http->slots[i], now);
}

int http_busy(const struct http *http)
{
    return http->busy;
}

bool http_crowd_gone(struct http *http)
{
    return http->busy <= http->held && atomic_exchange(&http->crowded, false);
}

int http_threads(const struct http *http)
{
    return http->options.threads;
}

bool http_stopping(const struct http_request *request)
{
    return request->wire->wire.http->stopping;
}

void http_stop(struct http *http, int drain_ms)
{
    if (http == NULL)
        return;
    http->stopping = true;
    accept_end(&http->doors);
    for (int64_t until = when_monotonic_ms() + drain_ms;
         http->busy > 0 && when_monotonic_ms() < until;)
        usleep(5000);
}
