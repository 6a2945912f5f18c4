/* One channel of a connection: what its client asks for, and bytes both ways. */
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "chat/server.h"
#include "chat/session_guard.h"
#include "chat/sftp.h"

#include <libssh/libssh.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define PIECE        (16 * 1024)
#define HANG_UP_MS   2000
#define NO_WINDOW_MS 60000 /* a client that takes nothing at the end is not waited for */
#define HELD_BACK    (3 * 1024 * 1024) /* libssh's window is 1.25 MB: more ignores it */
#define COMMAND_MAX  (64 * 1024)

/* ---- what libssh notes ---- */

/* While the session is away the loop must not hear of it. */
static void touch(struct lane *lane)
{
    if (lane->session->away == NULL)
        server_touch(lane->session->server, lane->session);
}

static int on_data(ssh_session ssh, ssh_channel ssh_channel, void *data, uint32_t length,
                   int is_stderr, void *context)
{
    struct lane *lane = context;
    struct client *client = lane->client;
    size_t room, taken = 0;

    (void)ssh;
    (void)ssh_channel;
    if (is_stderr || lane->session->dead)
        return (int)length;
    touch(lane);
    /* What a transfer will read stays with libssh. */
    if (client != NULL && (client->kind == CLIENT_TERMINAL || client->kind == CLIENT_LINES)) {
        client->key_at = when_monotonic_ms();
        room = lane->stock == NULL && !lane->stocking ? client->in.max - client->in.len : 0;
        taken = length < room ? length : room;
        buf_put(&client->in, data, taken);
    }
    lane->held |= taken < length;
    if (length - taken > HELD_BACK)
        lane->spoilt = true;
    return (int)taken;
}

static void on_eof(ssh_session ssh, ssh_channel ssh_channel, void *context)
{
    struct lane *lane = context;

    (void)ssh;
    (void)ssh_channel;
    lane->ended = true;
    touch(lane);
}

static void on_close(ssh_session ssh, ssh_channel ssh_channel, void *context)
{
    struct lane *lane = context;

    (void)ssh;
    (void)ssh_channel;
    lane->closed = true;
    touch(lane);
}

static int on_pty(ssh_session ssh, ssh_channel ssh_channel, const char *term, int columns, int rows,
                  int pixel_width, int pixel_height, void *context)
{
    struct lane *lane = context;

    (void)ssh;
    (void)ssh_channel;
    (void)pixel_width;
    (void)pixel_height;
    lane->wants_terminal = true;
    snprintf(lane->term, sizeof(lane->term), "%s", term);
    lane->columns = columns;
    lane->rows = rows;
    return 0;
}

static int on_window(ssh_session ssh, ssh_channel ssh_channel, int columns, int rows,
                     int pixel_width, int pixel_height, void *context)
{
    struct lane *lane = context;

    (void)ssh;
    (void)ssh_channel;
    (void)pixel_width;
    (void)pixel_height;
    lane->resized = true;
    lane->columns = columns;
    lane->rows = rows;
    touch(lane);
    return 0;
}

static bool asked_already(const struct lane *lane)
{
    return lane->wants_shell || lane->wants_command != NULL || lane->wants_sftp;
}

static int on_shell(ssh_session ssh, ssh_channel ssh_channel, void *context)
{
    struct lane *lane = context;

    (void)ssh;
    (void)ssh_channel;
    if (asked_already(lane))
        return 1;
    lane->wants_shell = true;
    touch(lane);
    return 0;
}

static int on_exec(ssh_session ssh, ssh_channel ssh_channel, const char *command, void *context)
{
    struct lane *lane = context;

    (void)ssh;
    (void)ssh_channel;
    if (asked_already(lane) || strlen(command) > COMMAND_MAX)
        return 1;
    lane->wants_command = mem_dup(command);
    touch(lane);
    return 0;
}

static int on_subsystem(ssh_session ssh, ssh_channel ssh_channel, const char *name, void *context)
{
    struct lane *lane = context;

    (void)ssh;
    (void)ssh_channel;
    if (asked_already(lane) || strcmp(name, "sftp") != 0)
        return 1;
    lane->wants_sftp = true;
    touch(lane);
    return 0;
}

/* ---- life ---- */

static struct lane *lane_new(struct session *session, ssh_channel ssh)
{
    struct lane *lane = mem_alloc(sizeof(*lane));

    lane->session = session;
    lane->ssh = ssh;
    lane->born = when_monotonic_ms();
    lane->callbacks = (struct ssh_channel_callbacks_struct){
        .userdata = lane,
        .channel_data_function = on_data,
        .channel_eof_function = on_eof,
        .channel_close_function = on_close,
        .channel_pty_request_function = on_pty,
        .channel_shell_request_function = on_shell,
        .channel_pty_window_change_function = on_window,
        .channel_exec_request_function = on_exec,
        .channel_subsystem_request_function = on_subsystem,
    };
    ssh_callbacks_init(&lane->callbacks);
    ssh_set_channel_callbacks(ssh, &lane->callbacks);
    lane->next = session->lanes;
    session->lanes = lane;
    session->lane_count++;
    return lane;
}

int lane_open(struct session *session, ssh_message message)
{
    ssh_channel ssh;

    if (ssh_message_subtype(message) != SSH_CHANNEL_SESSION || !session->authenticated ||
        session->lane_count >= SESSION_LANES)
        return 1;
    if (session->server->guarded && guard_packet_size(message) < GUARD_LEAST_PACKET) {
        log_debug("a channel with packets of %u bytes is refused",
                  (unsigned)guard_packet_size(message));
        session->refuse_address = session->dead = true;
        return 1;
    }
    ssh = ssh_channel_new(session->ssh);
    if (ssh == NULL)
        return 1;
    lane_new(session, ssh);
    session->crowded = true;
    ssh_message_channel_request_open_reply_accept_channel(message, ssh);
    return 0;
}

void lane_free(struct lane *lane)
{
    if (lane->carrier != NULL) {
        epoll_ctl(lane->session->server->epoll, EPOLL_CTL_DEL, carrier_pipe(lane->carrier), NULL);
        carrier_disown(lane->carrier);
    }
    if (lane->client != NULL)
        client_leave(lane->client);
    ssh_remove_channel_callbacks(lane->ssh, &lane->callbacks);
    ssh_channel_free(lane->ssh);
    free(lane->wants_command);
    free(lane->stock);
    free(lane);
}

/* ---- the pump ---- */

static void carry_out(struct lane *lane)
{
    struct client *client = lane->client;

    if (lane->wants_terminal) {
        lane->wants_terminal = false;
        client_terminal(client, lane->term, lane->columns, lane->rows);
    }
    if (lane->resized) {
        lane->resized = false;
        client_resize(client, lane->columns, lane->rows);
    }
    if (lane->wants_shell)
        client_shell(client);
    else if (lane->wants_command != NULL && !sftp_wants(lane->wants_command))
        client_exec(client, lane->wants_command);
}

static void take_back(struct lane *lane)
{
    struct client *client = lane->client;

    if (!lane->held) {
        client->in_ended = lane->ended;
        return;
    }
    if (client->kind == CLIENT_NEW || client->kind == CLIENT_COMMAND || client->step != CLIENT_OPEN)
        return;
    if (lane_take_held(lane))
        touch(lane);
}

/* Sends of one queue what goes; false when the connection is broken. */
static bool send_queue(struct lane *lane, struct buf *queue, bool is_stderr)
{
    while (queue->len > 0 && session_can_write(lane->session)) {
        uint32_t window = ssh_channel_window_size(lane->ssh);
        uint32_t piece = queue->len < PIECE ? (uint32_t)queue->len : PIECE;
        int sent;

        if (piece > window)
            piece = window;
        if (piece == 0)
            break;
        sent = is_stderr ? ssh_channel_write_stderr(lane->ssh, queue->data, piece)
                         : ssh_channel_write(lane->ssh, queue->data, piece);
        if (sent < 0)
            return false;
        if (sent == 0) /* keys are being exchanged anew */
            break;
        buf_consume(queue, (size_t)sent);
    }
    return true;
}

/* The client hangs up, or closes the channel, when it has read the end; at once would look like a
 * broken connection. */
static void say_end(struct lane *lane)
{
    if (!session_can_write(lane->session))
        return;
    if (!lane->closing) {
        lane->closing = true;
        lane->closed_at = when_monotonic_ms();
        ssh_channel_request_send_exit_status(lane->ssh, lane->client->status);
        ssh_channel_send_eof(lane->ssh);
    }
    if (session_can_write(lane->session))
        ssh_channel_close(lane->ssh);
}

/* The client of the chat for this channel; the first was made when its person signed in. */
static void find_client(struct lane *lane)
{
    struct session *session = lane->session;

    lane->client = session->first != NULL ? session->first
                                          : client_new(&session->server->hall, &session->facts);
    session->first = NULL;
}

static void pump_open(struct lane *lane)
{
    struct client *client = lane->client;

    if (client->somebody != NULL && lane->session->facts.person_id == 0) {
        lane->session->facts.person_id = client->somebody->person.id;
        login_settled(lane->session->server->login, lane->session->key);
    }
    carry_out(lane);
    if (lane_carries(lane)) {
        if (lane->carrier == NULL || lane->session->away != NULL)
            return;
        lane_pump_pipe(lane);
    } else {
        take_back(lane);
        if (client->in.len > 0 || client->in_ended)
            client_input(client);
        client_redraw(client);
    }
    if (!send_queue(lane, &client->err, true) || !send_queue(lane, &client->out, false) ||
        client->lost) {
        lane->spoilt = true;
        return;
    }
    if (lane->carrier == NULL)
        client_drained(client);
    else
        lane_watch_pipe(lane);
    if (client->transfer != EFFECT_NONE && lane->carrier == NULL && !lane->carried)
        touch(lane);
    if (client->step == CLIENT_LEAVING && client->out.len == 0 && client->err.len == 0 &&
        lane->carrier == NULL)
        say_end(lane);
}

void lane_pump(struct lane *lane)
{
    if (lane->client == NULL)
        find_client(lane);
    if (lane->carrier != NULL && lane->client->expelled) {
        carrier_stop(lane->carrier);
        return;
    }
    if (lane->session->away == NULL && !lane_is_over(lane))
        pump_open(lane);
}

bool lane_waits(const struct lane *lane)
{
    const struct client *client = lane->client;

    return client == NULL || client->out.len > 0 || client->err.len > 0 || client->dirty ||
           client->lost || client->step == CLIENT_LEAVING || client->step == CLIENT_ENTERED ||
           lane->held || lane->ended ||
           (client->transfer != EFFECT_NONE && lane->carrier == NULL && !lane->carried);
}

bool lane_is_over(const struct lane *lane)
{
    return lane->closed || lane->spoilt;
}

void lane_tick(struct lane *lane, int64_t now)
{
    int64_t login_ms = lane->session->server->config->chat.login_time * 1000;
    const struct client *client = lane->client;

    if (lane->closing && now - lane->closed_at > HANG_UP_MS)
        lane->closed = true;
    else if (!asked_already(lane) && now - lane->born > login_ms)
        lane->spoilt = true;
    else if (client != NULL && client->step == CLIENT_LEAVING && !lane->closing) {
        if (lane->closed_at == 0)
            lane->closed_at = now;
        else if (now - lane->closed_at > NO_WINDOW_MS)
            lane->spoilt = true;
    }
    if (lane_is_over(lane))
        touch(lane);
}
