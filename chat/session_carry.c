/* A channel that carries a file: its thread, and the pipe to it. */
#include "base/mem.h"
#include "chat/server.h"
#include "chat/sftp.h"

#include <libssh/libssh.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define PIECE   (16 * 1024)
#define AT_ONCE (256 * 1024) /* of a pipe, before others have their turn */

static void watch(struct lane *lane, uint32_t events)
{
    struct epoll_event wanted = {.events = events, .data.ptr = lane->session};

    if (events == lane->pipe_events)
        return;
    epoll_ctl(lane->session->server->epoll,
              lane->pipe_events == 0 ? EPOLL_CTL_ADD
              : events == 0          ? EPOLL_CTL_DEL
                                     : EPOLL_CTL_MOD,
              carrier_pipe(lane->carrier), &wanted);
    lane->pipe_events = events;
}

static void carry(struct lane *lane, enum carrier_kind kind, const char *text)
{
    struct session *session = lane->session;
    struct server *server = session->server;
    struct carrier_load load = {.kind = kind,
                                .direct = session->lane_count == 1,
                                .session = session->ssh,
                                .channel = lane->ssh,
                                .fd = session->fd,
                                .crowded = &session->crowded,
                                .person = lane->client->somebody->person,
                                .text = text,
                                .config = server->config,
                                .bells = server->bells,
                                .bell_count = SERVICE_OTHERS,
                                .owner = lane};

    if (kind == CARRY_SFTP || kind == CARRY_SCP)
        client_appear(lane->client, "sftp");
    if (load.direct)
        session_go_away(session, lane);
    if (load.direct)
        ssh_remove_channel_callbacks(lane->ssh, &lane->callbacks);
    lane->carrier = carrier_start(server->carriers, &load);
    if (lane->carrier != NULL)
        return;
    if (load.direct) {
        ssh_set_channel_callbacks(lane->ssh, &lane->callbacks);
        session_come_back(session);
    }
    lane->carried = true;
    client_end(lane->client, 1, "too many file transfers at once; try again in a moment");
}

bool lane_carries(struct lane *lane)
{
    struct client *client = lane->client;
    bool scp = lane->wants_command != NULL && sftp_wants(lane->wants_command);

    if (lane->carried)
        return false;
    if (lane->carrier != NULL)
        return true;
    if (!lane->wants_sftp && !scp && client->transfer == EFFECT_NONE)
        return false;
    if (client->step == CLIENT_LEAVING || client->somebody == NULL)
        return client->step != CLIENT_LEAVING;
    if (client->somebody->person.role == ROLE_WAITING) {
        client_end(client, 1, "a host has to let you in first");
        return false;
    }
    if (lane->wants_sftp)
        carry(lane, CARRY_SFTP, "");
    else if (scp)
        carry(lane, CARRY_SCP, lane->wants_command);
    else
        carry(lane, client->transfer == EFFECT_DROP ? CARRY_DROP : CARRY_GET, client->path);
    return lane->carrier != NULL;
}

/* All at once, since libssh opens the window anew at each read, whatever it still keeps; and bytes
 * that come during the read are behind these. */
static void fill_stock(struct lane *lane)
{
    int there, got = 0;

    lane->held = false;
    lane->stocking = true;
    there = ssh_channel_poll(lane->ssh, 0);
    if (there > 0) {
        lane->stock = mem_alloc((size_t)there);
        got = ssh_channel_read_nonblocking(lane->ssh, lane->stock, (uint32_t)there, 0);
    }
    lane->stocking = false;
    lane->stocked = got > 0 ? (size_t)got : 0;
    lane->used = 0;
    lane->held |= got > 0;
}

bool lane_take_held(struct lane *lane)
{
    struct buf *in = &lane->client->in;
    size_t taken = in->max - in->len;

    if (!lane->held || taken == 0)
        return false;
    if (lane->stock == NULL)
        fill_stock(lane);
    if (lane->stock == NULL)
        return false;
    if (taken > lane->stocked - lane->used)
        taken = lane->stocked - lane->used;
    buf_put(in, lane->stock + lane->used, taken);
    lane->used += taken;
    if (lane->used == lane->stocked) {
        free(lane->stock);
        lane->stock = NULL;
    }
    return taken > 0;
}

/* From the client to the carrier. */
static void feed(struct lane *lane)
{
    struct client *client = lane->client;
    int pipe = carrier_pipe(lane->carrier);
    size_t passed = 0;
    ssize_t wrote = 1;

    while (passed < AT_ONCE && wrote > 0) {
        lane_take_held(lane);
        if (client->in.len == 0)
            break;
        wrote = send(pipe, client->in.data, client->in.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (wrote > 0) {
            buf_consume(&client->in, (size_t)wrote);
            passed += (size_t)wrote;
        }
    }
    if (lane->ended && !lane->held && client->in.len == 0 && !lane->pipe_ended) {
        lane->pipe_ended = true;
        shutdown(pipe, SHUT_WR);
    }
}

/* From the carrier to the client. */
static void drain(struct lane *lane)
{
    struct buf *out = &lane->client->out;
    char block[PIECE];
    ssize_t got = 1;

    for (size_t passed = 0; passed < AT_ONCE && out->len < CLIENT_MAX_OUT / 2 && got > 0;) {
        got = recv(carrier_pipe(lane->carrier), block, sizeof(block), MSG_DONTWAIT);
        if (got > 0) {
            buf_put(out, block, (size_t)got);
            passed += (size_t)got;
        }
    }
}

void lane_pump_pipe(struct lane *lane)
{
    feed(lane);
    drain(lane);
}

void lane_watch_pipe(struct lane *lane)
{
    const struct client *client = lane->client;
    uint32_t events = 0;

    if (client->out.len < CLIENT_MAX_OUT / 2)
        events |= EPOLLIN;
    if (client->in.len > 0 || lane->held)
        events |= EPOLLOUT;
    watch(lane, events);
}

void lane_carrier(struct lane *lane, struct carrier_news *news)
{
    struct client *client = lane->client;

    if (news->event == CARRIER_PIPED || news->direct) {
        ssh_set_channel_callbacks(lane->ssh, &lane->callbacks);
        lane->held = true; /* perhaps */
        lane->ended |= ssh_channel_is_eof(lane->ssh);
        lane->closed |= ssh_channel_is_closed(lane->ssh);
        session_come_back(lane->session);
    }
    if (news->event != CARRIER_DONE)
        return;
    lane->carrier = NULL;
    lane->carried = true;
    lane->pipe_events = 0;
    client->out.max += news->rest_length;
    buf_put(&client->out, news->rest, news->rest_length);
    buf_puts(&client->err, news->said);
    client_end(client, news->status, NULL);
    server_touch(lane->session->server, lane->session);
}
