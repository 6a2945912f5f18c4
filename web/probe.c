#include "web/probe.h"

#include "base/listen.h"
#include "base/log.h"
#include "base/when.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

/* Where the server can be asked. 0 or -1. */
static int address_of(int listen_fd, union listen_address *at)
{
    if (listen_bound(listen_fd, at) < 0 || at->any.sa_family != AF_INET)
        return -1;
    if (at->in.sin_addr.s_addr == htonl(INADDR_ANY))
        at->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return 0;
}

int probe_open(int listen_fd)
{
    union listen_address at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && address_of(listen_fd, &at) == 0 &&
        ntohl(at.in.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof "lo") < 0)
        log_debug("the probe's socket is not bound to loopback: %s", strerror(errno));
    return fd;
}

/* Connects it anew; goes on while it is polled. */
static int connect_anew(int fd, int listen_fd)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    union listen_address at;
    if (address_of(listen_fd, &at) < 0 || connect(fd, &nobody, sizeof nobody) < 0)
        return -1;
    return connect(fd, &at.any, sizeof at.in) == 0 || errno == EINPROGRESS ? 0 : -1;
}

static bool ready(int fd, short events, int64_t until)
{
    struct pollfd state = {.fd = fd, .events = events};
    int64_t left = until - when_monotonic_ms();
    return left > 0 && poll(&state, 1, (int)left) > 0 && (state.revents & events) != 0;
}

bool probe_serves(int fd, int listen_fd, int timeout_ms)
{
    static const char ask[] = "GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n";
    static const char good[] = "HTTP/1.1 200 ";
    char answer[sizeof good - 1];
    int64_t until = when_monotonic_ms() + timeout_ms;
    return connect_anew(fd, listen_fd) == 0 && ready(fd, POLLOUT, until) &&
           send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL) == (ssize_t)sizeof ask - 1 &&
           ready(fd, POLLIN, until) &&
           recv(fd, answer, sizeof answer, 0) == (ssize_t)sizeof answer &&
           memcmp(answer, good, sizeof answer) == 0;
}
