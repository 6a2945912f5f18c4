#include "web/probe.h"

#include "base/fs.h"
#include "base/listen.h"
#include "base/when.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static int connect_to(int listen_fd)
{
    union listen_address at;
    if (listen_bound(listen_fd, &at) < 0 || at.any.sa_family != AF_INET)
        return -1;
    if (at.in.sin_addr.s_addr == htonl(INADDR_ANY))
        at.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void)connect(fd, &at.any, sizeof at.in); /* goes on while it is polled */
    return fd;
}

static bool ready(int fd, short events, int64_t until)
{
    struct pollfd state = {.fd = fd, .events = events};
    int64_t left = until - when_monotonic_ms();
    return left > 0 && poll(&state, 1, (int)left) > 0 && (state.revents & events) != 0;
}

bool probe_serves(int listen_fd, int timeout_ms)
{
    static const char ask[] = "GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n";
    static const char good[] = "HTTP/1.1 200 ";
    char answer[sizeof good - 1];
    int64_t until = when_monotonic_ms() + timeout_ms;
    int fd = connect_to(listen_fd);
    bool serves = fd >= 0 && ready(fd, POLLOUT, until) &&
                  send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL) == (ssize_t)sizeof ask - 1 &&
                  ready(fd, POLLIN, until) &&
                  recv(fd, answer, sizeof answer, 0) == (ssize_t)sizeof answer &&
                  memcmp(answer, good, sizeof answer) == 0;
    fs_close(fd);
    return serves;
}
