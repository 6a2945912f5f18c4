#include "chat/server_door.h"

#include "base/log.h"
#include "base/when.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define REFUSE_MS       60000
#define AT_ONCE         8     /* those who are here do not wait for a crowd at the door */
#define KEEPALIVE_S     30    /* a silent connection is asked after this long, */
#define KEEPALIVE_TRIES 3     /* this often, */
#define KEEPALIVE_GAP_S 10    /* this far apart */
#define UNSENT_MS       60000 /* what nobody acknowledges for so long ends it */

void door_refuse(struct server *server, const char *address)
{
    size_t at = server->next_refused++ % SERVER_REFUSED;

    snprintf(server->refused[at].address, sizeof(server->refused[at].address), "%s", address);
    server->refused[at].until = when_monotonic_ms() + REFUSE_MS;
}

static bool is_refused(const struct server *server, const char *address)
{
    int64_t now = when_monotonic_ms();

    for (size_t i = 0; i < SERVER_REFUSED; i++)
        if (server->refused[i].until > now && strcmp(server->refused[i].address, address) == 0)
            return true;
    return false;
}

/* Those who have not said who they are, and which of them came first. */
struct strangers {
    int64_t count;
    struct session *oldest;
};

static void count_stranger(struct strangers *strangers, struct session *one)
{
    strangers->count++;
    if (strangers->oldest == NULL || one->born <= strangers->oldest->born)
        strangers->oldest = one;
}

/* Who has to go for one more of an address that has these; NULL nobody. An address may have as many
 * as are free: whoever knocks again and again ends their own, and not somebody who is asked by
 * their client whether the box's key is the right one. Beyond that the oldest of all goes. */
static struct session *who_makes_room(const struct strangers *all, const struct strangers *own,
                                      int64_t most)
{
    if (own->count > 0 && own->count >= most - all->count)
        return own->oldest;
    return all->count >= most ? all->oldest : NULL;
}

/* Why one more from that address is too many, or NULL. Makes room among those who have not said who
 * they are. */
static const char *too_many(struct server *server, const char *address)
{
    const struct config_chat *limits = &server->config->chat;
    struct strangers all = {.oldest = NULL}, own = {.oldest = NULL};
    int64_t same = 0;

    if (is_refused(server, address))
        return "refused for a minute";
    for (struct session *one = server->sessions; one != NULL; one = one->next) {
        bool is_same = strcmp(one->address, address) == 0;
        same += is_same;
        if (one->authenticated || one->dead)
            continue;
        count_stranger(&all, one);
        if (is_same)
            count_stranger(&own, one);
    }
    if (same >= limits->max_per_address)
        return "too many connections from your address";
    struct session *goes = who_makes_room(&all, &own, limits->max_unauthenticated);
    if (goes != NULL) {
        goes->dead = true;
        server_touch(server, goes);
    }
    return NULL;
}

static void set_socket(int fd)
{
    static const struct {
        int level, option, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY,      1              },
        {SOL_SOCKET,  SO_KEEPALIVE,     1              },
        {IPPROTO_TCP, TCP_KEEPIDLE,     KEEPALIVE_S    },
        {IPPROTO_TCP, TCP_KEEPINTVL,    KEEPALIVE_GAP_S},
        {IPPROTO_TCP, TCP_KEEPCNT,      KEEPALIVE_TRIES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, UNSENT_MS      },
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        setsockopt(fd, options[i].level, options[i].option, &options[i].value, sizeof(int));
}

static void take_connection(struct server *server, int fd, const union listen_address *peer)
{
    union listen_address own = {0};
    socklen_t length = sizeof(own);
    char address[LISTEN_TEXT_MAX], local[LISTEN_TEXT_MAX];
    const char *why;

    listen_host_text(peer, address);
    getsockname(fd, &own.any, &length);
    listen_host_text(&own, local);
    why = too_many(server, address);
    if (why != NULL) {
        /* Lines before the version are allowed (RFC 4253, 4.2). */
        dprintf(fd, "%s\r\n", why);
        close(fd);
        return;
    }
    set_socket(fd);
    session_new(server, fd, address, local);
}

/* ---- listening ---- */

/* Has the loop hear of knocks, or not (no events). */
static int listen_for(struct server *server, int operation, uint32_t events)
{
    int fds[LISTEN_MAX], result = 0;
    size_t count = service_fds_named(server->service, "listen", fds, LISTEN_MAX);

    for (size_t i = 0; i < count && i < LISTEN_MAX; i++) {
        struct epoll_event wanted = {.events = events, .data.ptr = server->door.mark};

        if (epoll_ctl(server->epoll, operation, fds[i], &wanted) != 0) {
            log_errno("cannot watch descriptor %d", fds[i]);
            result = -1;
        }
    }
    return result;
}

int door_open(struct server *server, void *mark)
{
    server->door.mark = mark;
    return listen_for(server, EPOLL_CTL_ADD, EPOLLIN);
}

void door_close(struct server *server)
{
    listen_for(server, EPOLL_CTL_DEL, 0);
    server->door.shut = false;
}

static bool is_short_of_something(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void door_answer(struct server *server)
{
    int fds[LISTEN_MAX];
    size_t count = service_fds_named(server->service, "listen", fds, LISTEN_MAX);

    for (size_t i = 0; i < count * AT_ONCE && i < (size_t)LISTEN_MAX * AT_ONCE; i++) {
        union listen_address peer = {0};
        socklen_t length = sizeof(peer);
        int fd = accept4(fds[i % count], &peer.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            take_connection(server, fd, &peer);
        } else if (is_short_of_something(errno)) {
            log_errno("new connections wait a moment");
            server->door.shut = listen_for(server, EPOLL_CTL_MOD, 0) == 0;
            return;
        }
    }
}

void door_tick(struct server *server)
{
    if (server->door.shut)
        server->door.shut = listen_for(server, EPOLL_CTL_MOD, EPOLLIN) != 0;
}
