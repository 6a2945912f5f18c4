/*
 * opam: the mirror's answers on the wire. Which answer it is, is the mirror's to say.
 */
#include "base/fs.h"
#include "base/mem.h"
#include "web/door.h"
#include "web/hot.h"
#include "web/send.h"
#include "web/web.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP    65536
#define WAIT_MS 1000

static void put_head(void *context, struct http_request *request)
{
    const struct mirror_answer *answer = context;
    if (answer->cache_control != NULL)
        reply_header(request, "Cache-Control", "%s", answer->cache_control);
    /* Archives are strangers' bytes, too. */
    reply_header(request, "Content-Security-Policy", "sandbox; default-src 'none'");
}

static void answer_text(struct call *call, const struct mirror_answer *answer)
{
    if (answer->retry_after > 0)
        reply_extra(call->http, "Retry-After", "%d", answer->retry_after);
    if (answer->status < 400)
        reply_text(call->http, answer->status, "%s", answer->text);
    else
        reply_error(call->http, answer->status, "%s", answer->text);
}

static void answer_file(struct call *call, struct mirror_answer *answer)
{
    const struct send_file file = {.fd = answer->fd,
                                   .size = answer->size,
                                   .modified_ms = answer->modified_ms,
                                   .etag = answer->etag,
                                   .type = answer->type,
                                   .head = put_head,
                                   .context = answer};
    int64_t sent = send_whole_or_part(call->http, &file);
    if (sent > 0)
        mirror_served(call->web->mirror, answer->repository, sent, true);
    if (sent >= 0 && *answer->place != '\0')
        hot_learn(call, &file, HOT_ARCHIVES, answer->place, 0);
    fs_close(answer->fd);
}

/* ---- flights ---- */

/* A flight as one client follows it. */
struct follower {
    struct call *call;
    const struct mirror_answer *answer;
    struct mirror_flight *flight;
    bool begun;
    int64_t length; /* -1: chunked */
    int64_t offset;
    uint8_t *piece;
};

/* The head, at the first byte: only then it is certain that there is anything. */
static int begin(struct follower *f)
{
    struct http_request *request = f->call->http;
    f->begun = true;
    f->length = mirror_flight_length(f->flight);
    if (f->length < 0 && http_is_10(request)) { /* it landed, and left the cache again */
        reply_extra(request, "Retry-After", "5");
        reply_error(request, 503, "The box does not know yet how long this is: ask once more.");
        return -1;
    }
    reply_begin(request, 200, f->answer->type);
    put_head((void *)(uintptr_t)f->answer, request);
    int result = f->length >= 0 ? reply_head(request, f->length) : reply_stream(request);
    return result == 0 && reply_wants_body(request) ? 0 : -1;
}

static int copy(struct follower *f, int fd, int64_t until)
{
    struct http_request *request = f->call->http;
    if (!f->begun && begin(f) < 0)
        return -1;
    if (f->length >= 0) {
        int64_t count = until - f->offset;
        if (count > 0 && http_send_file(request, fd, f->offset, count) < 0)
            return -1;
        f->offset = until;
        return 0;
    }
    while (f->offset < until) {
        int64_t left = until - f->offset;
        ssize_t got = pread(fd, f->piece, left < STEP ? (size_t)left : STEP, f->offset);
        if (got <= 0 || reply_stream_put(request, f->piece, (size_t)got) < 0)
            return -1;
        f->offset += got;
    }
    return 0;
}

/* No source has it: an answer if nothing was sent yet, else the connection is cut, so that nobody
 * takes what came for the whole. */
static void lost(struct follower *f)
{
    struct mirror_answer why = {0};
    if (f->begun) {
        http_cut(f->call->http);
        return;
    }
    mirror_flight_failure(f->flight, &why);
    answer_text(f->call, &why);
}

static void follow(struct follower *f)
{
    enum mirror_wait wait = MIRROR_MORE;
    while (wait == MIRROR_MORE || wait == MIRROR_TIMEOUT) {
        int fd = -1;
        int64_t available = f->offset;
        if (http_stopping(f->call->http) || (wait == MIRROR_TIMEOUT && http_gone(f->call->http)))
            break;
        wait = mirror_flight_wait(f->flight, f->offset, WAIT_MS, &fd, &available);
        if ((wait == MIRROR_MORE || wait == MIRROR_DONE) && copy(f, fd, available) < 0)
            return; /* gone, or HEAD: the rest is not wanted */
    }
    if (wait == MIRROR_LOST)
        lost(f);
    else if (wait != MIRROR_DONE)
        http_cut(f->call->http);
    else if (f->length < 0)
        reply_stream_end(f->call->http);
}

/* Waits until the flight has ended, however it does. False: the client is gone. */
static bool sit_out(struct call *call, struct mirror_flight *flight)
{
    enum mirror_wait wait = MIRROR_MORE;
    int64_t seen = 0;
    int fd;
    while (wait == MIRROR_MORE || wait == MIRROR_TIMEOUT) {
        if (http_stopping(call->http) || http_gone(call->http))
            return false;
        wait = mirror_flight_wait(flight, seen, WAIT_MS, &fd, &seen);
    }
    return true;
}

/* Who wants a part, or has one already, gets it from what has landed: a flight has no validator,
 * since what is on its way may prove wrong. So does HTTP/1.0, which must know the length. */
static bool wants_what_landed(struct call *call)
{
    return http_is_10(call->http) || http_header(call->http, "Range") != NULL ||
           http_header(call->http, "If-None-Match") != NULL;
}

static void answer_flight(struct call *call, const struct mirror_answer *answer)
{
    struct follower f = {.call = call, .answer = answer, .flight = answer->flight};
    if (http_hold(call->http)) {
        f.piece = mem_alloc(STEP);
        follow(&f);
        free(f.piece);
        mirror_served(call->web->mirror, answer->repository, f.offset, false);
    }
    mirror_flight_leave(f.flight);
}

static const char *path_of(const struct call *call)
{
    return call->http->path + strlen("/opam");
}

/* Turns the answer into that after the landing. 0, or -1: nobody is there any more, or the box is
 * too busy, which has been answered. */
static int await_landing(struct call *call, struct mirror_answer *answer)
{
    bool held = http_hold(call->http), there = held && sit_out(call, answer->flight);
    mirror_flight_leave(answer->flight);
    if (held && (!there || call_acquire(call) == -1))
        http_cut(call->http);
    if (call->store == NULL)
        return -1;
    mirror_handle(call->web->mirror, call->store, path_of(call), answer);
    call_release(call);
    return 0;
}

/* Whoever comes with a browser is told what the address is for. */
static void answer_bare(struct call *call)
{
    char base[WEB_BASE_MAX];
    web_base(call->http, base);
    reply_error(call->http, 404,
                "This is a repository for opam, not a page. Add it with: "
                "opam repository set-url default %s/opam",
                base);
}

void opam_answer(struct call *call)
{
    struct mirror_answer answer = {.fd = -1};
    if (call->web->mirror == NULL) {
        reply_error(call->http, 404, "The mirror is off on this box.");
        return;
    }
    if (path_of(call)[strspn(path_of(call), "/")] == '\0') {
        answer_bare(call);
        return;
    }
    mirror_handle(call->web->mirror, call->store, path_of(call), &answer);
    call_release(call);
    if (answer.kind == MIRROR_FLIGHT && wants_what_landed(call) &&
        await_landing(call, &answer) == -1)
        return;
    switch (answer.kind) {
    case MIRROR_FILE:
        answer_file(call, &answer);
        break;
    case MIRROR_FLIGHT:
        answer_flight(call, &answer);
        break;
    case MIRROR_TEXT:
        answer_text(call, &answer);
        break;
    }
}
