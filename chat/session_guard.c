#include "chat/session_guard.h"
#include "base/when.h"

#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/server.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK_MS 5000
/* What libssh's client asks for when it opens a session; the window in 0.10, and in 0.11. */
#define CLIENT_WINDOW 64000
#define LATER_WINDOW  (64 * 32768)
#define CLIENT_PACKET 32768
#define POINTERS_MAX  1

/* The beginning of libssh's struct ssh_message_struct. */
struct message_layout {
    void *session;
    int type;
    struct {
        char *username;
        int method;
        char *password;
        void *key;
        char *signature_type;
        int signature_state;
        char response;
    } auth;
};

struct open_layout {
    int type;
    uint32_t sender, window, packet_size;
};

/* How many pointers more the part for authentication has: none in 0.10, the server's key in 0.11.
 * guard_check finds out. */
static size_t more_pointers;

static const struct open_layout *open_part(const struct ssh_message_struct *message, size_t more)
{
    const char *bytes = (const char *)(const void *)message;

    return (const struct open_layout *)(const void *)(bytes + sizeof(struct message_layout) +
                                                      more * sizeof(void *));
}

uint32_t guard_packet_size(const struct ssh_message_struct *message)
{
    return open_part(message, more_pointers)->packet_size;
}

int guard_refuse(ssh_session session)
{
    /* As long as whatever libssh looks for in one. */
    struct {
        struct message_layout message;
        char rest[512];
    } request = {
        .message = {.session = session, .type = SSH_REQUEST_AUTH}
    };

    return ssh_message_reply_default((ssh_message)(void *)&request) == SSH_OK ? 0 : -1;
}

struct check {
    ssh_session server, client;
    ssh_event event;
    ssh_channel channel;
    bool seen, fits;
};

static int see(ssh_session session, ssh_message message, void *context)
{
    struct check *check = context;
    const struct message_layout *layout = (const struct message_layout *)(const void *)message;

    if (ssh_message_type(message) != SSH_REQUEST_CHANNEL_OPEN)
        return 1;
    check->seen = true;
    for (size_t more = 0; more <= POINTERS_MAX && !check->fits; more++) {
        const struct open_layout *open = open_part(message, more);

        more_pointers = more;
        check->fits = layout->session == session && layout->type == SSH_REQUEST_CHANNEL_OPEN &&
                      open->type == SSH_CHANNEL_SESSION &&
                      (open->window == CLIENT_WINDOW || open->window == LATER_WINDOW) &&
                      open->packet_size == CLIENT_PACKET;
    }
    return 1;
}

static int let_in(ssh_session session, const char *user, void *context)
{
    (void)session;
    (void)user;
    (void)context;
    return SSH_AUTH_SUCCESS;
}

/* Moves the client one step on; true when the channel has been asked for. */
static void step_client(struct check *check, int *stage)
{
    if (*stage == 0 && ssh_connect(check->client) == SSH_OK)
        *stage = 1;
    if (*stage == 1 && ssh_userauth_none(check->client, NULL) == SSH_AUTH_SUCCESS)
        *stage = 2;
    /* Only who is signed in may make a channel. */
    if (*stage == 2 && check->channel == NULL)
        check->channel = ssh_channel_new(check->client);
    if (*stage == 2 && check->channel != NULL)
        ssh_channel_open_session(check->channel);
}

static bool shake_hands(struct check *check, ssh_bind bind, int fds[2])
{
    struct ssh_server_callbacks_struct callbacks = {.auth_none_function = let_in};
    int64_t until = when_monotonic_ms() + CHECK_MS;
    int off = 0, stage = 0;

    ssh_callbacks_init(&callbacks);
    if (ssh_bind_accept_fd(bind, check->server, fds[0]) != SSH_OK)
        return false;
    fds[0] = -1;
    ssh_set_blocking(check->server, 0);
    ssh_set_server_callbacks(check->server, &callbacks);
    ssh_set_message_callback(check->server, see, check);
    ssh_options_set(check->client, SSH_OPTIONS_HOST, "localhost");
    ssh_options_set(check->client, SSH_OPTIONS_USER, "self");
    ssh_options_set(check->client, SSH_OPTIONS_FD, &fds[1]);
    ssh_options_set(check->client, SSH_OPTIONS_PROCESS_CONFIG, &off);
    fds[1] = -1;
    ssh_set_blocking(check->client, 0);
    ssh_handle_key_exchange(check->server);
    if (ssh_event_add_session(check->event, check->server) != SSH_OK)
        return false;
    while (!check->seen && when_monotonic_ms() < until) {
        struct pollfd ready[2] = {
            {.fd = ssh_get_fd(check->server), .events = POLLIN},
            {.fd = ssh_get_fd(check->client), .events = POLLIN}
        };

        step_client(check, &stage);
        ssh_event_dopoll(check->event, 0);
        if (!check->seen && ready[0].fd < 0)
            return false;
        if (!check->seen)
            poll(ready, 2, 1);
    }
    ssh_event_remove_session(check->event, check->server);
    return check->fits;
}

bool guard_check(ssh_bind bind)
{
    struct check check = {.server = ssh_new(), .client = ssh_new(), .event = ssh_event_new()};
    int fds[2] = {-1, -1};
    bool fits = false;

    if (check.server != NULL && check.client != NULL && check.event != NULL &&
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0)
        fits = shake_hands(&check, bind, fds);
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    ssh_event_free(check.event);
    ssh_free(check.client);
    ssh_free(check.server);
    return fits;
}
