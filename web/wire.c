#include "web/wire.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define WINDOW_MS     20000 /* over which HTTP_MIN_RATE is averaged */
#define STALL_MS      30000 /* a client that takes nothing for so long is gone */
#define BUFFERED_MAX  16384 /* what civetweb may hold of a body: its max_request_size */
#define BLIND_READ    1024
#define SENDFILE_STEP (1 << 20)
#define DRAIN_BYTES   (256 * 1024)
#define LINGER_BYTES  (4 << 20)
#define LINGER_MS     1500

/* ---- finding the descriptor ---- */

static bool is_peer(int fd, const struct sockaddr_in *wanted, int port)
{
    struct sockaddr_in at = {0};
    socklen_t size = sizeof at;
    if (getpeername(fd, (struct sockaddr *)&at, &size) < 0 || at.sin_family != AF_INET ||
        at.sin_port != wanted->sin_port || at.sin_addr.s_addr != wanted->sin_addr.s_addr)
        return false;
    size = sizeof at;
    return getsockname(fd, (struct sockaddr *)&at, &size) == 0 && ntohs(at.sin_port) == port;
}

static int find_fd(const struct mg_request_info *info, int bound)
{
    struct sockaddr_in wanted = {.sin_family = AF_INET,
                                 .sin_port = htons((in_port_t)info->remote_port)};
    int found = -1;
    if (inet_pton(AF_INET, info->remote_addr, &wanted.sin_addr) != 1)
        return -1;
    for (int fd = 3; fd < bound; fd++) {
        if (!is_peer(fd, &wanted, info->server_port))
            continue;
        if (found >= 0)
            return -1;
        found = fd;
    }
    return found;
}

static struct wire_peer *peer_of(struct wire *wire)
{
    return mg_get_user_connection_data(wire->connection);
}

int wire_fd(struct wire *wire)
{
    if (wire->fd != WIRE_UNKNOWN)
        return wire->fd;
    struct wire_peer *peer = peer_of(wire);
    if (peer->fd == WIRE_UNKNOWN)
        peer->fd = find_fd(mg_get_request_info(wire->connection), wire->fd_bound);
    return wire->fd = peer->fd;
}

/* ---- the watch ---- */

/* How much of struct tcp_info is looked at; a kernel may know less of it. */
#define TOLD_SIZE                                                                                  \
    (offsetof(struct tcp_info, tcpi_bytes_received) +                                              \
     sizeof(((struct tcp_info *)0)->tcpi_bytes_received))

#define HALF_CLOSED 8 /* TCP_CLOSE_WAIT; its header does not go with linux/tcp.h */

static uint64_t bytes_passed(int fd, bool sending)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 || size < TOLD_SIZE)
        return UINT64_MAX;
    if (sending)
        return info.tcpi_bytes_acked;
    /* The kernel counts the end as a byte. */
    return info.tcpi_bytes_received - (info.tcpi_state == HALF_CLOSED);
}

/* Only while the client is waited for does its clock run: neither a slow disk of ours nor an answer
 * that has nothing to say for a minute is its fault. */
static void watch_begin(struct wire *wire, bool sending)
{
    struct wire_slot *slot = wire->slot;
    if (wire->fd < 0)
        return;
    pthread_mutex_lock(&slot->lock);
    if (slot->fd != wire->fd || slot->sending != sending) {
        slot->fd = wire->fd;
        slot->sending = sending;
        slot->since_ms = when_monotonic_ms();
        slot->bytes = bytes_passed(wire->fd, sending);
    } else if (slot->stopped_ms != 0) {
        slot->since_ms += when_monotonic_ms() - slot->stopped_ms;
    }
    slot->stopped_ms = 0;
    pthread_mutex_unlock(&slot->lock);
}

static void watch_stop(struct wire *wire)
{
    pthread_mutex_lock(&wire->slot->lock);
    wire->slot->stopped_ms = when_monotonic_ms();
    pthread_mutex_unlock(&wire->slot->lock);
}

static void watch_end(struct wire *wire)
{
    pthread_mutex_lock(&wire->slot->lock);
    wire->slot->fd = -1;
    pthread_mutex_unlock(&wire->slot->lock);
}

void wire_watch(struct wire_slot *slot, int64_t now_ms)
{
    pthread_mutex_lock(&slot->lock);
    if (slot->fd >= 0 && slot->stopped_ms == 0 && now_ms - slot->since_ms >= WINDOW_MS) {
        uint64_t bytes = bytes_passed(slot->fd, slot->sending);
        int64_t least = (now_ms - slot->since_ms) / 1000 * HTTP_MIN_RATE;
        if (bytes - slot->bytes < (uint64_t)least) {
            log_debug("a client that trickles is cut off");
            shutdown(slot->fd, SHUT_RDWR);
        }
        slot->since_ms = now_ms;
        slot->bytes = bytes;
    }
    pthread_mutex_unlock(&slot->lock);
}

/* ---- reading ---- */

static int64_t queued(const struct wire *wire)
{
    int bytes = 0;
    return ioctl(wire->fd, SIOCINQ, &bytes) < 0 ? 0 : bytes;
}

/* All that the connection brought, less what lies in the socket and what earlier requests and this
 * head took of it; -1 if that cannot be known. */
static int64_t read_ahead(struct wire *wire)
{
    const struct wire_peer *peer = peer_of(wire);
    if (wire_fd(wire) < 0 || !peer->exact)
        return -1;
    uint64_t before, brought = bytes_passed(wire->fd, false);
    int64_t waiting;
    do { /* what arrives between two questions would count as waiting, but not as brought */
        before = brought;
        waiting = queued(wire);
        brought = bytes_passed(wire->fd, false);
    } while (brought != before);
    int64_t ahead = (int64_t)(brought - peer->consumed - wire->head_size) - waiting;
    return brought == UINT64_MAX || ahead < 0 ? -1 : ahead;
}

bool wire_ends_here(struct wire *wire)
{
    return !peer_of(wire)->doubtful && read_ahead(wire) == 0;
}

/* Where it cannot be known, as behind a chunked body: 0, and the most that it may be. */
static void count_buffered(struct wire *wire)
{
    if (wire->buffered != WIRE_UNKNOWN)
        return;
    int64_t ahead = read_ahead(wire);
    bool known = ahead >= 0 && ahead <= BUFFERED_MAX;
    wire->buffered = known ? ahead : 0;
    wire->buffered_most = known ? ahead : BUFFERED_MAX;
}

/* Whether civetweb may have bytes of the body that are not known to be there. */
static bool may_be_buffered(struct wire *wire)
{
    count_buffered(wire);
    return wire->taken < wire->buffered_most;
}

/* How many bytes of the body are certainly there. civetweb returns only when it has all that it was
 * asked for, so it is never asked for more. Of a chunked body, six bytes carry one at least. */
static int64_t there(struct wire *wire)
{
    count_buffered(wire);
    int64_t ahead = wire->buffered - wire->taken, count = queued(wire);
    if (wire->head.length < 0)
        return count / 6;
    count += ahead > 0 ? ahead : 0;
    int64_t left = wire->head.length - wire->taken;
    return count < left ? count : left;
}

static int say_continue(struct wire *wire)
{
    char go_on[640];
    if (!wire->head.expects || wire->continued)
        return 0;
    wire->continued = true;
    int length = snprintf(go_on, sizeof go_on, "HTTP/1.1 100 Continue\r\n%s\r\n",
                          wire->early.data == NULL ? "" : buf_text(&wire->early));
    return wire_send(wire, go_on, (size_t)length, false);
}

bool wire_wait(struct wire *wire, int timeout_ms)
{
    if (wire->complete || wire->broken || say_continue(wire) < 0 || wire_fd(wire) < 0 ||
        there(wire) > 0 || (wire->head.length >= 0 && wire->taken == wire->head.length) ||
        may_be_buffered(wire))
        return true;
    struct pollfd state = {.fd = wire->fd, .events = POLLIN};
    watch_begin(wire, false);
    bool ready = poll(&state, 1, timeout_ms) != 0;
    watch_stop(wire);
    return ready;
}

static size_t how_many(struct wire *wire, size_t size)
{
    bool seen = wire_fd(wire) >= 0;
    int64_t ready = seen ? there(wire) : 0;
    if (ready < 1) /* blindly: more than a byte only where it cannot wait for a chunk in vain */
        ready = !seen || (wire->head.length >= 0 && may_be_buffered(wire)) ? BLIND_READ : 1;
    return (size_t)ready < size ? (size_t)ready : size;
}

static int64_t broken(struct wire *wire)
{
    wire->broken = wire->close = true;
    return -1;
}

int64_t wire_read(struct wire *wire, void *bytes, size_t size)
{
    if (wire->complete)
        return 0;
    if (wire->broken || say_continue(wire) < 0)
        return broken(wire);
    if (wire->head.length >= 0 && wire->taken == wire->head.length) {
        wire->complete = true;
        return 0;
    }
    size_t wanted = how_many(wire, size);
    watch_begin(wire, false);
    int got = mg_read(wire->connection, bytes, wanted);
    watch_stop(wire);
    if (got > 0) {
        wire->taken += got;
        return got;
    }
    if (got < 0 || wire->head.length >= 0)
        return broken(wire);
    wire->complete = true;
    return 0;
}

/* ---- sending ---- */

static int wait_writable(struct wire *wire)
{
    struct pollfd ready = {.fd = wire->fd, .events = POLLOUT};
    int found;
    watch_begin(wire, true);
    do
        found = poll(&ready, 1, STALL_MS);
    while (found < 0 && errno == EINTR);
    watch_stop(wire);
    return found > 0 && (ready.revents & (POLLERR | POLLHUP)) == 0 ? 0 : -1;
}

static int send_direct(struct wire *wire, const char *bytes, size_t length, bool more)
{
    while (length > 0) {
        ssize_t sent =
            send(wire->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
        } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return -1;
        } else if (errno == EAGAIN && wait_writable(wire) < 0) {
            return -1;
        }
    }
    return 0;
}

int wire_send(struct wire *wire, const void *bytes, size_t length, bool more)
{
    int result = 0;
    if (wire->cut)
        return -1;
    if (wire->fd >= 0)
        result = send_direct(wire, bytes, length, more);
    else if (length > 0 && mg_write(wire->connection, bytes, length) != (int)length)
        result = -1;
    if (result < 0)
        wire->close = wire->cut = true;
    return result;
}

int wire_send_both(struct wire *wire, const void *head, size_t head_length, const void *body,
                   size_t length)
{
    struct iovec parts[] = {
        {(void *)(uintptr_t)head, head_length},
        {(void *)(uintptr_t)body, length     }
    };
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    /* To look for the descriptor is dearer than the copy: only where a connection is kept. */
    if (wire->cut || !peer_of(wire)->kept || wire_fd(wire) < 0) {
        uint8_t *all = mem_resize(NULL, head_length + length, 1);
        memcpy(all, head, head_length);
        memcpy(all + head_length, body, length);
        int result = wire_send(wire, all, head_length + length, false);
        free(all);
        return result;
    }
    ssize_t sent = sendmsg(wire->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    size_t done = sent < 0 ? 0 : (size_t)sent;
    if (done == head_length + length)
        return 0;
    if (done < head_length &&
        wire_send(wire, (const uint8_t *)head + done, head_length - done, true) < 0)
        return -1;
    done = done < head_length ? 0 : done - head_length;
    return wire_send(wire, (const uint8_t *)body + done, length - done, false);
}

static int send_by_hand(struct wire *wire, int fd, int64_t offset, int64_t length)
{
    enum { STEP = 65536 };
    uint8_t *piece = mem_alloc(STEP);
    int result = 0;
    while (length > 0 && result == 0) {
        ssize_t got = pread(fd, piece, length < STEP ? (size_t)length : STEP, offset);
        result = got > 0 ? wire_send(wire, piece, (size_t)got, false) : -1;
        offset += got;
        length -= got;
    }
    free(piece);
    return result;
}

int wire_send_file(struct wire *wire, int fd, int64_t offset, int64_t length)
{
    if (wire->cut)
        return -1;
    if (wire_fd(wire) < 0)
        return send_by_hand(wire, fd, offset, length);
    off_t at = offset;
    while (length > 0) {
        ssize_t sent =
            sendfile(wire->fd, fd, &at, length < SENDFILE_STEP ? (size_t)length : SENDFILE_STEP);
        if (sent > 0) {
            length -= sent;
            continue;
        }
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent == 0 || errno != EAGAIN || wait_writable(wire) < 0)
            break;
    }
    if (length > 0)
        wire->close = wire->cut = true;
    return length > 0 ? -1 : 0;
}

/* ---- endings ---- */

void wire_cut(struct wire *wire)
{
    wire->close = wire->cut = true;
    if (wire_fd(wire) >= 0)
        shutdown(wire->fd, SHUT_RDWR);
}

void wire_linger(struct wire *wire)
{
    char waste[16384];
    int64_t until = when_monotonic_ms() + LINGER_MS, left = LINGER_BYTES;
    if (wire_fd(wire) < 0)
        return;
    shutdown(wire->fd, SHUT_WR);
    while (left > 0) {
        struct pollfd ready = {.fd = wire->fd, .events = POLLIN};
        int64_t now = when_monotonic_ms();
        if (now >= until || poll(&ready, 1, (int)(until - now)) <= 0)
            return;
        ssize_t got = recv(wire->fd, waste, sizeof waste, MSG_DONTWAIT);
        if (got <= 0)
            return;
        left -= got;
    }
}

void wire_settle(struct wire *wire)
{
    char waste[4096];
    bool waits = wire->head.expects && !wire->continued;
    if (waits)
        wire->close = true;
    if (!wire->close && wire->head.length <= DRAIN_BYTES)
        while (wire->taken < DRAIN_BYTES && wire_read(wire, waste, sizeof waste) > 0)
            ;
    bool unread = !wire->complete && wire->head.length != 0 && wire->taken != wire->head.length;
    if (unread)
        wire->close = true;
    if (unread && !wire->cut && !wire->broken)
        wire_linger(wire);
    watch_end(wire);
    struct wire_peer *peer = peer_of(wire);
    peer->kept = true;
    peer->exact &= wire->head.length >= 0 && wire->taken == wire->head.length;
    peer->doubtful |= wire->head_doubtful;
    peer->consumed += wire->head_size + (uint64_t)wire->taken;
}
