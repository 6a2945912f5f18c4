#include "chat/session.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "chat/server.h"
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

static int on_data(ssh_session ssh, ssh_channel channel, void *data, uint32_t length, int is_stderr,
                   void *context)
{
    struct session *session = context;
    struct client *client = session->client;
    size_t room, taken;

    (void)ssh;
    (void)channel;
    if (is_stderr || session->dead)
        return (int)length;
    server_touch(session->server, session);
    client->key_at = when_monotonic_ms();
    /* What a transfer will read stays with libssh, for the thread. */
    if (client->kind == CLIENT_NEW || client->kind == CLIENT_COMMAND)
        taken = 0;
    else {
        room = client->in.max - client->in.len;
        taken = length < room ? length : room;
        buf_put(&client->in, data, taken);
    }
    session->held |= taken < length;
    if (length - taken > HELD_BACK)
        session->dead = true;
    return (int)taken;
}

static void on_eof(ssh_session ssh, ssh_channel channel, void *context)
{
    struct session *session = context;

    (void)ssh;
    (void)channel;
    session->ended = true;
    server_touch(session->server, session);
}

static void on_close(ssh_session ssh, ssh_channel channel, void *context)
{
    struct session *session = context;

    (void)ssh;
    (void)channel;
    session->dead = true;
    server_touch(session->server, session);
}

static int on_pty(ssh_session ssh, ssh_channel channel, const char *term, int columns, int rows,
                  int pixel_width, int pixel_height, void *context)
{
    struct session *session = context;

    (void)ssh;
    (void)channel;
    (void)pixel_width;
    (void)pixel_height;
    session->wants_terminal = true;
    snprintf(session->term, sizeof(session->term), "%s", term);
    session->columns = columns;
    session->rows = rows;
    return 0;
}

static int on_window(ssh_session ssh, ssh_channel channel, int columns, int rows, int pixel_width,
                     int pixel_height, void *context)
{
    struct session *session = context;

    (void)ssh;
    (void)channel;
    (void)pixel_width;
    (void)pixel_height;
    session->resized = true;
    session->columns = columns;
    session->rows = rows;
    server_touch(session->server, session);
    return 0;
}

static bool asked_already(const struct session *session)
{
    return session->wants_shell || session->wants_command != NULL || session->wants_sftp;
}

static int on_shell(ssh_session ssh, ssh_channel channel, void *context)
{
    struct session *session = context;

    (void)ssh;
    (void)channel;
    if (asked_already(session))
        return 1;
    session->wants_shell = true;
    server_touch(session->server, session);
    return 0;
}

static int on_exec(ssh_session ssh, ssh_channel channel, const char *command, void *context)
{
    struct session *session = context;

    (void)ssh;
    (void)channel;
    if (asked_already(session) || strlen(command) > COMMAND_MAX)
        return 1;
    session->wants_command = mem_dup(command);
    server_touch(session->server, session);
    return 0;
}

static int on_subsystem(ssh_session ssh, ssh_channel channel, const char *name, void *context)
{
    struct session *session = context;

    (void)ssh;
    (void)channel;
    if (asked_already(session) || strcmp(name, "sftp") != 0)
        return 1;
    session->wants_sftp = true;
    server_touch(session->server, session);
    return 0;
}

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
    session->channel_callbacks = (struct ssh_channel_callbacks_struct){
        .userdata = session,
        .channel_data_function = on_data,
        .channel_eof_function = on_eof,
        .channel_close_function = on_close,
        .channel_pty_request_function = on_pty,
        .channel_shell_request_function = on_shell,
        .channel_pty_window_change_function = on_window,
        .channel_exec_request_function = on_exec,
        .channel_subsystem_request_function = on_subsystem,
    };
    ssh_callbacks_init(&session->channel_callbacks);
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

    if (session->refuse_address)
        server_refuse(server, session->address);
    *session->link = session->next;
    if (session->next != NULL)
        session->next->link = session->link;
    server->session_count--;
    if (!session->authenticated)
        server->unauthenticated--;
    if (session->client != NULL)
        client_leave(session->client);
    ssh_event_remove_session(session->event, session->ssh);
    ssh_event_free(session->event);
    ssh_free(session->ssh);
    free(session->wants_command);
    free(session);
}

void session_ready(struct session *session)
{
    if (session->dead || session->carrier != NULL)
        return;
    if (ssh_event_dopoll(session->event, 0) == SSH_ERROR || ssh_get_fd(session->ssh) < 0)
        session->dead = true;
    server_touch(session->server, session);
}

/* ---- leaving the loop ---- */

static void carry(struct session *session, enum carrier_kind kind, const char *text)
{
    static struct ssh_channel_callbacks_struct none;
    struct server *server = session->server;
    struct carrier_load load = {.kind = kind,
                                .session = session->ssh,
                                .channel = session->channel,
                                .fd = session->fd,
                                .person = session->client->somebody->person,
                                .text = text,
                                .address = session->address,
                                .config = server->config,
                                .store_path = server->store_path,
                                .bells = server->bells,
                                .bell_count = SERVICE_OTHERS,
                                .owner = session};

    ssh_callbacks_init(&none);
    epoll_ctl(server->epoll, EPOLL_CTL_DEL, session->fd, NULL);
    ssh_event_remove_session(session->event, session->ssh);
    ssh_remove_channel_callbacks(session->channel, &session->channel_callbacks);
    ssh_set_blocking(session->ssh, 1);
    session->carrier = carrier_start(server->carriers, &load);
    if (session->carrier == NULL)
        session->dead = true;
}

/* Whether the connection has been handed to a thread, or waits to be. */
static bool goes_carrying(struct session *session)
{
    struct client *client = session->client;
    bool scp = session->wants_command != NULL && sftp_wants(session->wants_command);

    if (session->carrier != NULL)
        return true;
    if (!session->wants_sftp && !scp && client->transfer == EFFECT_NONE)
        return false;
    if (client->step == CLIENT_LEAVING || client->somebody == NULL)
        return client->step != CLIENT_LEAVING;
    if (client->somebody->person.role == ROLE_WAITING) {
        client_end(client, 1, "a host has to let you in first");
        return false;
    }
    if (session->wants_sftp)
        carry(session, CARRY_SFTP, "");
    else if (scp)
        carry(session, CARRY_SCP, session->wants_command);
    else
        carry(session, client->transfer == EFFECT_DROP ? CARRY_DROP : CARRY_GET, client->path);
    return true;
}

/* ---- the pump ---- */

static void carry_out(struct session *session)
{
    struct client *client = session->client;

    if (session->wants_terminal) {
        session->wants_terminal = false;
        client_terminal(client, session->term, session->columns, session->rows);
    }
    if (session->resized) {
        session->resized = false;
        client_resize(client, session->columns, session->rows);
    }
    if (session->wants_shell)
        client_shell(client);
    else if (session->wants_command != NULL && !sftp_wants(session->wants_command))
        client_exec(client, session->wants_command);
}

/* What libssh has kept because there was no room for it. */
static void take_back(struct session *session)
{
    struct client *client = session->client;
    size_t room = client->in.max - client->in.len;
    char block[8192];
    int got;

    if (!session->held) {
        client->in_ended = session->ended;
        return;
    }
    if (client->kind == CLIENT_NEW || client->kind == CLIENT_COMMAND || room == 0 ||
        client->step != CLIENT_OPEN)
        return;
    got = ssh_channel_read_nonblocking(session->channel, block,
                                       (uint32_t)(room < sizeof(block) ? room : sizeof(block)), 0);
    session->held = got > 0;
    if (got > 0)
        buf_put(&client->in, block, (size_t)got);
    server_touch(session->server, session);
}

static bool can_write(const struct session *session)
{
    return !(ssh_get_status(session->ssh) & SSH_WRITE_PENDING);
}

/* Sends of one queue what goes; false when the connection is broken. */
static bool send_queue(struct session *session, struct buf *queue, bool is_stderr)
{
    while (queue->len > 0 && can_write(session)) {
        uint32_t window = ssh_channel_window_size(session->channel);
        uint32_t piece = queue->len < PIECE ? (uint32_t)queue->len : PIECE;
        int sent;

        if (piece > window)
            piece = window;
        if (piece == 0)
            break;
        sent = is_stderr ? ssh_channel_write_stderr(session->channel, queue->data, piece)
                         : ssh_channel_write(session->channel, queue->data, piece);
        if (sent < 0)
            return false;
        if (sent == 0) /* keys are being exchanged anew */
            break;
        buf_consume(queue, (size_t)sent);
    }
    return true;
}

static void say_end(struct session *session)
{
    if (!can_write(session))
        return;
    if (!session->closing) {
        session->closing = true;
        session->closed_at = when_monotonic_ms();
        ssh_channel_request_send_exit_status(session->channel, session->client->status);
        ssh_channel_send_eof(session->channel);
    }
    if (can_write(session))
        ssh_channel_close(session->channel);
}

/* Waits for what can happen next: while something is pending, only for the connection to take it.
 */
static void choose_events(struct session *session)
{
    struct epoll_event wanted = {.data.ptr = session};
    bool waits = !can_write(session);

    if (session->dead || session->carrier != NULL || waits == session->waits_to_write)
        return;
    session->waits_to_write = waits;
    wanted.events = waits ? EPOLLOUT : EPOLLIN;
    epoll_ctl(session->server->epoll, EPOLL_CTL_MOD, session->fd, &wanted);
}

static void pump_channel(struct session *session)
{
    struct client *client = session->client;

    carry_out(session);
    if (goes_carrying(session)) {
        if (session->carrier != NULL && client->expelled)
            carrier_stop(session->carrier);
        return;
    }
    take_back(session);
    if (client->in.len > 0 || client->in_ended)
        client_input(client);
    client_redraw(client);
    if (!send_queue(session, &client->err, true) || !send_queue(session, &client->out, false) ||
        client->lost) {
        session->dead = true;
        return;
    }
    client_drained(client);
    if (client->transfer != EFFECT_NONE)
        server_touch(session->server, session);
    if (client->step == CLIENT_LEAVING && client->out.len == 0 && client->err.len == 0)
        say_end(session);
}

void session_pump(struct session *session)
{
    if (session->dead)
        return;
    if (session->client != NULL && session->channel != NULL)
        pump_channel(session);
    if (session->carrier == NULL && ssh_get_fd(session->ssh) < 0)
        session->dead = true;
    choose_events(session);
}

void session_tick(struct session *session, int64_t now)
{
    int64_t login_ms = session->server->config->chat.login_time * 1000;

    if (session->carrier != NULL || session->dead)
        return;
    if (session->closing && now - session->closed_at > HANG_UP_MS)
        session->dead = true;
    else if (!asked_already(session) && now - session->born > login_ms)
        session->dead = true;
    else if (session->client != NULL && session->client->step == CLIENT_LEAVING &&
             !session->closing) {
        if (session->closed_at == 0)
            session->closed_at = now;
        else if (now - session->closed_at > NO_WINDOW_MS)
            session->dead = true;
    }
    if (session->dead)
        server_touch(session->server, session);
}
