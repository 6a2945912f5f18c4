/*
 * body: the bytes of a request and of its answer; http.h has the manual.
 */
#include "web/http.h"

#include "base/log.h"
#include "web/wire.h"

#include <poll.h>

/* The body is here: from now on nobody is cut off whose own act took away what they came by. */
static void all_sent(struct wire_slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    slot->sender_fd = -1;
    pthread_mutex_unlock(&slot->lock);
}

int64_t http_read(struct http_request *request, void *bytes, size_t size)
{
    int64_t got = wire_read(&request->wire->wire, bytes, size);
    if (got == 0)
        all_sent(request->wire->wire.slot);
    return got;
}

bool http_wait(struct http_request *request, int timeout_ms)
{
    return wire_wait(&request->wire->wire, timeout_ms);
}

int http_read_small(struct http_request *request, struct buf *out)
{
    uint8_t piece[4096];
    int64_t got;
    if (request->length > (int64_t)(out->max - out->len))
        return 1;
    while ((got = http_read(request, piece, sizeof piece)) > 0)
        if (buf_put(out, piece, (size_t)got) < 0)
            return 1;
    return got < 0 ? -1 : 0;
}

/* Whether so many more bytes were promised. More than that would be read as another answer: the
 * connection is cut then, so that nobody takes a head with a wrong length for the truth. */
static bool keeps_promise(struct http_request *request, int64_t length)
{
    struct wire *wire = &request->wire->wire;
    if (wire->promised < 0)
        return true;
    wire->promised -= length;
    if (wire->promised >= 0)
        return true;
    log_error("an answer to %s would be longer than its head said", request->path);
    wire_cut(wire);
    return false;
}

int http_send(struct http_request *request, const void *bytes, size_t length)
{
    struct wire *wire = &request->wire->wire;
    return keeps_promise(request, (int64_t)length) ? wire_send(wire, bytes, length, false) : -1;
}

int http_send_file(struct http_request *request, int fd, int64_t offset, int64_t length)
{
    struct wire *wire = &request->wire->wire;
    return keeps_promise(request, length) ? wire_send_file(wire, fd, offset, length) : -1;
}

void http_close(struct http_request *request)
{
    request->wire->wire.close = true;
}

void http_cut(struct http_request *request)
{
    wire_cut(&request->wire->wire);
}

bool http_is_10(const struct http_request *request)
{
    return request->wire->wire.http_10;
}

bool http_gone(struct http_request *request)
{
    struct wire *wire = &request->wire->wire;
    struct pollfd state = {.fd = wire_fd(wire), .events = POLLRDHUP};
    return wire->cut || (state.fd >= 0 && poll(&state, 1, 0) > 0 &&
                         (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0);
}
