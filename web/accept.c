#include "web/accept.h"

#include "base/log.h"
#include "web/share.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DEFER_ACCEPT_S 15
#define WEIGHT         4 /* a whole floor may sit behind one address: it gets four fifths alone */
#define PAUSE_NS       100000000L

/* Of the connections that can be served at once. There is one web in a process: accept has no other
 * way to it. */
static struct share *connections;

void accept_prepare(struct accept *doors, const int *listens, size_t count, int most)
{
    int defer = DEFER_ACCEPT_S;
    share_free(connections);
    connections = share_new(most, WEIGHT);
    doors->listens = listens;
    doors->count = count;
    for (size_t i = 0; i < count; i++) {
        if (setsockopt(listens[i], IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer, sizeof defer) < 0)
            log_debug("no TCP_DEFER_ACCEPT here");
    }
}

/* Whether it is one that civetweb opened. Who had the number before says nothing: the drop's keeper
 * opens and closes files meanwhile. */
static bool is_theirs(const struct accept *doors, int fd)
{
    int yes = 0;
    socklen_t size = sizeof yes;
    for (size_t i = 0; i < doors->count; i++)
        if (doors->listens[i] == fd)
            return false;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) == 0 && yes;
}

void accept_adopt(struct accept *doors)
{
    size_t next = 0;
    for (int fd = 3; fd < ACCEPT_SCAN && next < doors->count; fd++) {
        if (!is_theirs(doors, fd))
            continue;
        if (dup3(doors->listens[next], fd, O_CLOEXEC) < 0)
            log_errno("cannot hand a listening socket over");
        else
            doors->places[next++] = fd;
    }
    atomic_store(&doors->adopted, next == doors->count);
}

void accept_end(struct accept *doors)
{
    int nothing = eventfd(0, EFD_CLOEXEC);
    for (size_t i = 0; nothing >= 0 && i < doors->count; i++)
        if (dup3(nothing, doors->places[i], O_CLOEXEC) < 0)
            log_errno("cannot stop listening");
}

/* Its request has come already (TCP_DEFER_ACCEPT): unread it would make a reset of our end, which
 * may overtake the answer. */
static void turn_away(int fd)
{
    static const char answer[] =
        "HTTP/1.1 503 Service Unavailable\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Length: 64\r\nRetry-After: 2\r\nConnection: close\r\n\r\n"
        "Too many connections of your address are open here; wait a bit.\n";
    char waste[16384];
    if (recv(fd, waste, sizeof waste, MSG_DONTWAIT) >= 0)
        send(fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

/* The box itself, its probe or an organiser's proxy, is never turned away. */
static bool may_come(struct in_addr address)
{
    return share_take(connections, address, address.s_addr == htonl(INADDR_LOOPBACK));
}

void accept_gone(struct in_addr address)
{
    share_give(connections, address);
}

/* For civetweb, as the header tells. */
int accept(int fd, __SOCKADDR_ARG peer, socklen_t *restrict length)
{
    int accepted = accept4(fd, peer, length, SOCK_CLOEXEC);
    if (accepted >= 0 && !may_come(peer.__sockaddr_in__->sin_addr)) {
        turn_away(accepted);
        errno = ECONNABORTED;
        return -1;
    }
    if (accepted < 0 &&
        (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
        int why = errno;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        errno = why;
    }
    return accepted;
}
