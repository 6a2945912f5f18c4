/*
 * fetch: curl_multi, one loop.
 */
#include "mirror/fetch.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_REDIRECTS 10L
#define CONNECT_MS    10000L
#define ERROR_BODY_MAX                                                                             \
    ((size_t)16 * 1024)    /* of a refusal, read so that the connection may stay                   \
                            */
#define RATE_SLICE_MS   50 /* the bounded rate is given out in slices */
#define MAX_CONNECTIONS 32L

struct transfer {
    struct fetch *fetch;
    struct transfer *next;
    CURL *easy;
    struct curl_slist *headers;
    struct fetch_calls calls;
    void *context;
    struct response response;
    bool connected;
    bool headed;  /* the head that counts has begun: neither a redirect nor 1xx */
    bool begun;   /* head was called */
    bool stopped; /* by the caller's functions */
    bool stalled, paused, background;
    bool ended; /* to be reaped */
    size_t refusal;
    char error[CURL_ERROR_SIZE];
    int64_t mark_ms, mark_bytes, bytes; /* the watch over its speed */
};

struct fetch {
    CURLM *multi;
    struct transfer *transfers;
    int64_t rate, budget, budget_ms;
    int64_t bytes;
    int64_t heard_ms; /* when a host was last heard, or the first transfer began */
};

struct fetch *fetch_new(void)
{
    struct fetch *fetch = mem_alloc(sizeof *fetch);

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(fetch->multi = curl_multi_init())) {
        log_error("libcurl cannot start");
        free(fetch);
        return NULL;
    }
    curl_multi_setopt(fetch->multi, CURLMOPT_MAXCONNECTS, MAX_CONNECTIONS);
    return fetch;
}

const char *fetch_authorities(void)
{
    const char *file = getenv("SSL_CERT_FILE");

    return file && *file ? file : NULL;
}

void fetch_set_rate(struct fetch *fetch, int64_t bytes)
{
    fetch->rate = bytes;
    fetch->budget = 0;
    fetch->budget_ms = when_monotonic_ms();
}

int64_t fetch_bytes(const struct fetch *fetch)
{
    return fetch->bytes;
}

static void transfer_free(struct transfer *transfer)
{
    curl_multi_remove_handle(transfer->fetch->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    free(transfer);
}

static void unlink_transfer(struct transfer *transfer)
{
    struct transfer **link = &transfer->fetch->transfers;

    while (*link && *link != transfer)
        link = &(*link)->next;
    assert(*link);
    *link = transfer->next;
}

void fetch_stop(struct transfer *transfer)
{
    if (!transfer)
        return;
    unlink_transfer(transfer);
    transfer_free(transfer);
}

void fetch_free(struct fetch *fetch)
{
    if (!fetch)
        return;
    while (fetch->transfers)
        fetch_stop(fetch->transfers);
    curl_multi_cleanup(fetch->multi);
    curl_global_cleanup();
    free(fetch);
}

/* ---- what libcurl calls ---- */

static bool is_final(const struct response *response)
{
    return response->status >= 200 && (response->status < 300 || response->status >= 400);
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;

    response_line(&transfer->response, line, size * count, when_wall_ms());
    transfer->fetch->heard_ms = when_monotonic_ms();
    if (!transfer->headed && is_final(&transfer->response)) {
        transfer->headed = true;
        transfer->mark_ms = transfer->fetch->heard_ms;
    }
    return size * count;
}

/* A connection is there, old or new; the request goes out.
   NOLINTNEXTLINE(readability-non-const-parameter): libcurl's prototype */
static int on_connection(void *context, char *to, char *from, int to_port, int from_port)
{
    struct transfer *transfer = context;

    (void)to, (void)from, (void)to_port, (void)from_port;
    transfer->connected = true;
    transfer->fetch->heard_ms = when_monotonic_ms();
    return CURL_PREREQFUNC_OK;
}

static bool is_success(const struct response *response)
{
    return response->status == 200 || response->status == 206;
}

static bool someone_in_front_waits(const struct transfer *transfer)
{
    for (const struct transfer *other = transfer->fetch->transfers; other; other = other->next)
        if (other->paused && !other->background)
            return true;
    return false;
}

/* Whether these bytes have to wait for the next slice of the rate. */
static bool must_wait(struct transfer *transfer)
{
    struct fetch *fetch = transfer->fetch;

    if (fetch->rate == 0)
        return false;
    if (fetch->budget > 0 && !(transfer->background && someone_in_front_waits(transfer)))
        return false;
    transfer->paused = true;
    return true;
}

static size_t on_data(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t length = size * count;

    if (!is_success(&transfer->response)) {
        transfer->refusal += length;
        transfer->stopped = transfer->refusal > ERROR_BODY_MAX;
        return transfer->stopped ? 0 : length;
    }
    if (must_wait(transfer))
        return CURL_WRITEFUNC_PAUSE;
    if (!transfer->begun && transfer->calls.head(transfer->context, &transfer->response) < 0) {
        transfer->stopped = true;
        return 0;
    }
    transfer->begun = true;
    transfer->fetch->heard_ms = when_monotonic_ms();
    transfer->bytes += (int64_t)length;
    transfer->fetch->bytes += (int64_t)length;
    transfer->fetch->budget -= (int64_t)length;
    if (transfer->calls.data(transfer->context, bytes, length) == 0)
        return length;
    transfer->stopped = true;
    return 0;
}

/* ---- starting ---- */

static void add_header(struct transfer *transfer, const char *name, const char *value)
{
    char *line;

    if (!value || !*value)
        return;
    line = mem_printf("%s: %s", name, value);
    transfer->headers = curl_slist_append(transfer->headers, line);
    free(line);
}

/* The method, and what it depends on. */
static void set_conditions(struct transfer *transfer, const struct fetch_request *request)
{
    char range[40];

    add_header(transfer, "If-None-Match", request->etag);
    add_header(transfer, "If-Modified-Since", request->modified);
    if (request->kind == FETCH_FIRST_BYTE)
        add_header(transfer, "Range", "bytes=0-0");
    if (request->offset > 0) {
        snprintf(range, sizeof range, "bytes=%lld-", (long long)request->offset);
        add_header(transfer, "Range", range);
        add_header(transfer, "If-Range", request->if_range);
    }
    if (request->kind == FETCH_HEAD)
        curl_easy_setopt(transfer->easy, CURLOPT_NOBODY, 1L);
    if (transfer->headers)
        curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static void set_security(struct transfer *transfer, const struct fetch_request *request)
{
    bool stay = request->unchecked && strncasecmp(request->url, "https:", 6) == 0;
    const char *authorities = fetch_authorities();

    curl_easy_setopt(transfer->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(transfer->easy, CURLOPT_REDIR_PROTOCOLS_STR, stay ? "https" : "http,https");
    if (authorities)
        curl_easy_setopt(transfer->easy, CURLOPT_CAINFO, authorities);
}

static void set_options(struct transfer *transfer, const char *url)
{
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connection);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, MAX_REDIRECTS);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "riad/" RIAD_VERSION " (opam mirror)");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
}

struct transfer *fetch_start(struct fetch *fetch, const struct fetch_request *request,
                             const struct fetch_calls *calls, void *context)
{
    struct transfer *transfer = mem_alloc(sizeof *transfer);

    transfer->fetch = fetch;
    transfer->calls = *calls;
    transfer->context = context;
    transfer->background = request->background;
    transfer->mark_ms = when_monotonic_ms();
    response_init(&transfer->response);
    transfer->easy = curl_easy_init();
    if (transfer->easy) {
        set_options(transfer, request->url);
        set_security(transfer, request);
        set_conditions(transfer, request);
    }
    if (!transfer->easy || curl_multi_add_handle(fetch->multi, transfer->easy) != CURLM_OK) {
        curl_easy_cleanup(transfer->easy);
        curl_slist_free_all(transfer->headers);
        free(transfer);
        return NULL;
    }
    if (!fetch->transfers)
        fetch->heard_ms = transfer->mark_ms;
    transfer->next = fetch->transfers;
    fetch->transfers = transfer;
    return transfer;
}

/* ---- ending ---- */

static enum fetch_end meaning(const struct transfer *transfer, CURLcode code)
{
    if (transfer->stopped)
        return FETCH_STOPPED;
    if (transfer->stalled)
        return FETCH_STALLED;
    switch (code) {
    case CURLE_OK:
        return FETCH_COMPLETE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return FETCH_UNREACHABLE;
    case CURLE_OPERATION_TIMEDOUT:
        return transfer->response.status ? FETCH_STALLED : FETCH_UNREACHABLE;
    case CURLE_UNSUPPORTED_PROTOCOL:
        /* What is left of another answer on the connection reads as HTTP/0.9. */
        return transfer->connected && !transfer->response.status ? FETCH_CUT : FETCH_REFUSED;
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_REMOTE_FILE_NOT_FOUND:
        return FETCH_REFUSED;
    default:
        return FETCH_CUT;
    }
}

/* A machine whose clock stands in 1970 believes no certificate. */
static bool is_about_time(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION && !when_machine_is_set();
}

/* Tells the caller, and forgets the transfer. */
static void finish(struct transfer *transfer, CURLcode code)
{
    struct fetch_calls calls = transfer->calls;
    void *context = transfer->context;
    struct response response = transfer->response;
    enum fetch_end end = meaning(transfer, code);
    char why[CURL_ERROR_SIZE];

    snprintf(why, sizeof why, "%s",
             transfer->stalled     ? "nothing came for too long"
             : is_about_time(code) ? "the clock is not set, so certificates seem not yet valid"
             : *transfer->error    ? transfer->error
                                   : curl_easy_strerror(code));

    if (end == FETCH_COMPLETE && is_success(&response) && !transfer->begun &&
        calls.head(context, &response) < 0)
        end = FETCH_STOPPED;
    fetch_stop(transfer);
    calls.end(context, end, &response, why);
}

static void reap(struct fetch *fetch)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(fetch->multi, &left))) {
        void *private = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        finish(private, code);
    }
}

/* Whether a transfer has brought too little for too long. */
static bool has_stalled(struct transfer *transfer, int64_t now)
{
    if (transfer->paused || transfer->bytes - transfer->mark_bytes >= FETCH_STALL_MIN) {
        transfer->mark_ms = now;
        transfer->mark_bytes = transfer->bytes;
        return false;
    }
    return now - transfer->mark_ms > (transfer->headed ? FETCH_STALL_MS : FETCH_FIRST_MS);
}

int64_t fetch_silent_ms(const struct fetch *fetch)
{
    int64_t silent = fetch->transfers ? when_monotonic_ms() - fetch->heard_ms : 0;

    for (const struct transfer *t = fetch->transfers; t; t = t->next)
        if (t->paused)
            return 0;
    for (const struct transfer *t = fetch->transfers; t; t = t->next)
        if (t->connected && t->response.status == 0)
            return silent > FETCH_PACKING_MS ? silent - FETCH_PACKING_MS : 0;
    return silent;
}

static void watch(struct fetch *fetch)
{
    int64_t now = when_monotonic_ms();
    struct transfer *next;

    for (struct transfer *transfer = fetch->transfers; transfer; transfer = next) {
        next = transfer->next;
        if (has_stalled(transfer, now)) {
            transfer->stalled = true;
            finish(transfer, CURLE_OPERATION_TIMEDOUT);
            next = fetch->transfers; /* the caller may have stopped others */
        }
    }
}

/* Gives out the next slices of the rate, those in front first. */
static void refill(struct fetch *fetch)
{
    int64_t now = when_monotonic_ms(), slices = (now - fetch->budget_ms) / RATE_SLICE_MS;
    int64_t most = fetch->rate * 2 * RATE_SLICE_MS / 1000;

    if (fetch->rate == 0 || slices == 0)
        return;
    fetch->budget_ms += slices * RATE_SLICE_MS;
    fetch->budget += slices * fetch->rate * RATE_SLICE_MS / 1000;
    if (fetch->budget > most)
        fetch->budget = most;
    for (int background = 0; background <= 1; background++)
        for (struct transfer *t = fetch->transfers; t && fetch->budget > 0; t = t->next)
            if (t->paused && t->background == background) {
                t->paused = false;
                curl_easy_pause(t->easy, CURLPAUSE_CONT);
            }
}

static bool any_paused(const struct fetch *fetch)
{
    for (const struct transfer *t = fetch->transfers; t; t = t->next)
        if (t->paused)
            return true;
    return false;
}

void fetch_wait(struct fetch *fetch, int fd, int timeout_ms)
{
    struct curl_waitfd extra = {.fd = fd, .events = CURL_WAIT_POLLIN};
    int running;

    if (any_paused(fetch) && (timeout_ms < 0 || timeout_ms > RATE_SLICE_MS))
        timeout_ms = RATE_SLICE_MS;
    curl_multi_poll(fetch->multi, &extra, 1, timeout_ms < 0 ? 60000 : timeout_ms, NULL);
    refill(fetch);
    curl_multi_perform(fetch->multi, &running);
    reap(fetch);
    watch(fetch);
}
