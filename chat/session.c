#include "chat/session.h"
#include "base/mem.h"
#include "base/when.h"
#include "chat/server.h"
#include "chat/server_door.h"

#include <libssh/libssh.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define LINGER_MS (10 * 60 * 1000) /* a connection without channels */
#define SILENT_MS 30000            /* after so long it is asked, and has as long to answer */
#define AGAIN_MS  8000             /* to answer, when its person has signed in anew */

/* ---- life ---- */

struct session *session_new(struct server *server, int fd, const char *address, const char *local)
{
    struct session *session = mem_alloc(sizeof(*session));
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = session};

    session->server = server;
    session->fd = fd;
    session->born = when_monotonic_ms();
    snprintf(session->address, sizeof(session->address), "%s", address);
    snprintf(session->local, sizeof(session->local), "%s", local);
    session->ssh = ssh_new();
    session->event = ssh_event_new();
    if (session->ssh == NULL || session->event == NULL ||
        ssh_bind_accept_fd(server->bind, session->ssh, fd) != SSH_OK)
        goto out;
    fd = -1;
    ssh_set_blocking(session->ssh, 0);
    session_auth_init(session);
    if (ssh_handle_key_exchange(session->ssh) == SSH_ERROR ||
        ssh_event_add_session(session->event, session->ssh) != SSH_OK ||
        epoll_ctl(server->epoll, EPOLL_CTL_ADD, session->fd, &wanted) != 0)
        goto out;
    session->next = server->sessions;
    session->link = &server->sessions;
    if (session->next != NULL)
        session->next->link = &session->next;
    server->sessions = session;
    server->session_count++;
    server->unauthenticated++;
    return session;
out:
    if (fd >= 0)
        close(fd);
    ssh_event_free(session->event);
    ssh_free(session->ssh);
    free(session);
    return NULL;
}

void session_free(struct session *session)
{
    struct server *server = session->server;
    struct lane *next;

    if (session->refuse_address)
        door_refuse(server, session->address);
    *session->link = session->next;
    if (session->next != NULL)
        session->next->link = session->link;
    server->session_count--;
    if (!session->authenticated)
        server->unauthenticated--;
    for (struct lane *lane = session->lanes; lane != NULL; lane = next) {
        next = lane->next;
        lane_free(lane);
    }
    if (session->first != NULL)
        client_leave(session->first);
    ssh_event_remove_session(session->event, session->ssh);
    ssh_event_free(session->event);
    ssh_free(session->ssh);
    free(session);
}

/* Before it is authenticated a client sends two packets in a row, and holds the second back until
 * the first is acknowledged (RFC 896); the kernel would keep that for an answer, up to 40 ms. */
static void acknowledge(const struct session *session)
{
    int yes = 1;

    setsockopt(session->fd, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof(yes));
}

void session_ready(struct session *session)
{
    struct ssh_counter_struct before = session->counter;

    if (session->dead || session->away != NULL)
        return;
    if (ssh_event_dopoll(session->event, 0) == SSH_ERROR || ssh_get_fd(session->ssh) < 0)
        session->dead = true;
    if (!session->authenticated && !session->dead) {
        acknowledge(session);
        session_auth_stepped(session, &before);
    }
    server_touch(session->server, session);
}

/* ---- away from the loop and back ---- */

void session_go_away(struct session *session, struct lane *lane)
{
    epoll_ctl(session->server->epoll, EPOLL_CTL_DEL, session->fd, NULL);
    ssh_event_remove_session(session->event, session->ssh);
    ssh_set_blocking(session->ssh, 1);
    session->crowded = false;
    session->away = lane;
}

void session_come_back(struct session *session)
{
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = session};

    session->away = NULL;
    session->heard_at = when_monotonic_ms();
    session->answer_by = 0;
    session->waits_to_write = false;
    server_touch(session->server, session);
    if (ssh_get_fd(session->ssh) < 0) {
        session->dead = true;
        return;
    }
    ssh_set_blocking(session->ssh, 0);
    if (ssh_event_add_session(session->event, session->ssh) != SSH_OK ||
        epoll_ctl(session->server->epoll, EPOLL_CTL_ADD, session->fd, &wanted) != 0)
        session->dead = true;
}

/* ---- the pump ---- */

bool session_can_write(const struct session *session)
{
    return !(ssh_get_status(session->ssh) & SSH_WRITE_PENDING);
}

/* Waits for what can happen next: while something is pending, only for the connection to take it.
 */
static void choose_events(struct session *session)
{
    struct epoll_event wanted = {.data.ptr = session};
    bool waits = !session_can_write(session);

    if (waits == session->waits_to_write)
        return;
    session->waits_to_write = waits;
    wanted.events = waits ? EPOLLOUT : EPOLLIN;
    epoll_ctl(session->server->epoll, EPOLL_CTL_MOD, session->fd, &wanted);
}

static void drop_lanes(struct session *session)
{
    for (struct lane **at = &session->lanes; *at != NULL;) {
        struct lane *lane = *at;

        if (!lane_is_over(lane)) {
            at = &lane->next;
            continue;
        }
        *at = lane->next;
        session->lane_count--;
        session->born = when_monotonic_ms();
        /* Who was sent out goes altogether. */
        if (lane->spoilt || (lane->client != NULL && lane->client->expelled))
            session->dead = true;
        lane_free(lane);
    }
}

void session_pump(struct session *session)
{
    if (session->away != NULL) {
        lane_pump(session->away);
        return;
    }
    for (struct lane *lane = session->lanes; lane != NULL && !session->dead; lane = lane->next) {
        lane_pump(lane);
        /* It may have gone away with the session. */
        if (session->away != NULL)
            return;
    }
    if (!session->dead)
        drop_lanes(session);
    if (!session->dead && ssh_get_fd(session->ssh) < 0)
        session->dead = true;
    if (!session->dead)
        choose_events(session);
}

bool session_waits(const struct session *session)
{
    if (session->away != NULL)
        return session->away->client->expelled;
    for (const struct lane *lane = session->lanes; lane != NULL; lane = lane->next)
        if (lane_waits(lane))
            return true;
    return false;
}

/* ---- whether it is still there ---- */

/* Whether something came since this was asked last. */
static bool has_spoken(struct session *session, int64_t now)
{
    /* While it has to read first, the kernel looks after it (UNSENT_MS). */
    if (session->counter.in_packets == session->heard && session_can_write(session))
        return false;
    session->heard = session->counter.in_packets;
    session->heard_at = now;
    session->answer_by = 0;
    return true;
}

void session_ask(struct session *session, int64_t now, int64_t patience_ms)
{
    bool waits;

    if (session->away != NULL || session->dead || !session_can_write(session))
        return;
    has_spoken(session, now);
    waits = session->answer_by != 0;
    if (!waits || now + patience_ms < session->answer_by)
        session->answer_by = now + patience_ms;
    if (waits)
        return;
    /* The first call after an answer only takes it. */
    if (session->asked)
        ssh_send_keepalive(session->ssh);
    ssh_send_keepalive(session->ssh);
    session->asked = true;
    server_touch(session->server, session);
}

void session_ask_others(struct session *session)
{
    int64_t now = when_monotonic_ms();

    for (struct session *one = session->server->sessions; one != NULL; one = one->next)
        if (one != session && one->authenticated &&
            strcmp(one->facts.name, session->facts.name) == 0)
            session_ask(one, now, AGAIN_MS);
}

static void tick_silent(struct session *session, int64_t now)
{
    if (has_spoken(session, now))
        return;
    if (session->answer_by == 0 && now - session->heard_at >= SILENT_MS)
        session_ask(session, now, SILENT_MS);
    else if (session->answer_by != 0 && now >= session->answer_by)
        session->dead = true;
}

void session_tick(struct session *session, int64_t now)
{
    int64_t login_ms = session->server->config->chat.login_time * 1000;

    if (session->away != NULL || session->dead)
        return;
    if (session->authenticated)
        tick_silent(session, now);
    if (session->lanes == NULL && !session->dead)
        session->dead = now - session->born > (session->authenticated ? LINGER_MS : login_ms);
    for (struct lane *lane = session->lanes; lane != NULL; lane = lane->next)
        lane_tick(lane, now);
    if (session->dead)
        server_touch(session->server, session);
}
