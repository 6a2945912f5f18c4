#include "chat/server.h"
#include "base/doorbell.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "base/when.h"
#include "chat/server_door.h"
#include "chat/session_guard.h"
#include "config/start.h"
#include "drop/drop.h"

#include <errno.h>
#include <libssh/libssh.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS   256
#define DRAIN_MS 1500 /* of the 5 s that the keeper waits for an end; as long as the web's */

/* What ssh-audit finds nothing to say against. */
#define KEX "curve25519-sha256,curve25519-sha256@libssh.org"
#define CIPHERS                                                                                    \
    "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,"                 \
    "aes256-ctr,aes192-ctr,aes128-ctr"
#define MACS "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com"
#define USER_KEYS                                                                                  \
    "ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"              \
    "ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256"

/* ---- opening ---- */

/* The private key: from the keeper's descriptor, or from the state folder when alone. */
static int read_host_key(struct server *server, struct buf *out)
{
    int fd = -1, result;
    char *path;

    if (service_fds_named(server->service, "hostkey", &fd, 1) > 0) {
        lseek(fd, 0, SEEK_SET);
        result = fs_read_all(fd, out);
        if (result != 0)
            log_errno("cannot read the host key that the keeper gave");
        return result;
    }
    path = config_path(server->config, "keys/host_ed25519");
    result = fs_read_file(path, out);
    if (result != 0)
        log_error("cannot read %s: %s; `riad run` makes it", path, strerror(errno));
    free(path);
    return result;
}

static int set_options(ssh_bind bind, ssh_key key)
{
    static const struct {
        enum ssh_bind_options_e option;
        const char *value;
    } options[] = {
        {SSH_BIND_OPTIONS_KEY_EXCHANGE,              KEX                 },
        {SSH_BIND_OPTIONS_CIPHERS_C_S,               CIPHERS             },
        {SSH_BIND_OPTIONS_CIPHERS_S_C,               CIPHERS             },
        {SSH_BIND_OPTIONS_HMAC_C_S,                  MACS                },
        {SSH_BIND_OPTIONS_HMAC_S_C,                  MACS                },
        {SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS,        "ssh-ed25519"       },
        {SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES, USER_KEYS           },
        {SSH_BIND_OPTIONS_BANNER,                    "riad-" RIAD_VERSION},
    };
    bool no = false;

    if (ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (ssh_bind_options_set(bind, options[i].option, options[i].value) != 0)
            return -1;
    return ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, key);
}

static int open_bind(struct server *server)
{
    struct buf text;
    ssh_key key = NULL;
    int result = -1;

    ssh_init();
    buf_init(&text, 65536);
    server->bind = ssh_bind_new();
    if (server->bind == NULL || read_host_key(server, &text) != 0)
        goto out;
    if (ssh_pki_import_privkey_base64(buf_text(&text), NULL, NULL, NULL, &key) != SSH_OK) {
        log_error("the host key is not one that can be read");
        goto out;
    }
    if (set_options(server->bind, key) != 0) { /* takes the key */
        log_error("libssh: %s", ssh_get_error(server->bind));
        goto out;
    }
    server->guarded = guard_check(server->bind);
    if (!server->guarded)
        log_warn("this libssh keeps its messages otherwise; a client that announces packets of 10 "
                 "bytes can stop the chat for some seconds, and a key that cannot be read ends its "
                 "connection");
    result = 0;
out:
    explicit_bzero(text.data, text.len);
    buf_done(&text);
    return result;
}

static int watch(struct server *server, int fd, void *what)
{
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = what};

    if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &wanted) == 0)
        return 0;
    log_errno("cannot watch descriptor %d", fd);
    return -1;
}

/* Descriptors that are no session are told apart by these addresses. */
static char is_service, is_worker, is_carriers, is_listening;

static int watch_all(struct server *server)
{
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server->epoll < 0 || watch(server, service_fd(server->service), &is_service) != 0 ||
        watch(server, worker_fd(server->worker), &is_worker) != 0 ||
        watch(server, carriers_fd(server->carriers), &is_carriers) != 0)
        return -1;
    return door_open(server, &is_listening);
}

static int confine(struct server *server)
{
    char *store = config_path(server->config, "store");
    char *drop = config_path(server->config, "drop");
    struct sandbox_path paths[] = {
        {store,                      SANDBOX_WRITE},
        {drop,                       SANDBOX_WRITE},
        {server->config->box.notice, SANDBOX_READ },
    };
    size_t count = server->config->box.notice[0] != '\0' ? 3 : 2;
    int result = sandbox_files(SERVICE_CHAT, paths, count);

    free(store);
    free(drop);
    return result;
}

/* What the drop's keeper says in the lobby is news for this service, too. */
static void keep_drop(struct server *server)
{
    int bells[SERVICE_OTHERS + 1] = {server->service->doorbell};

    memcpy(bells + 1, server->bells, sizeof(server->bells));
    server->keeper = drop_keeper_start(server->config, bells, SERVICE_OTHERS + 1);
}

int server_open(struct server *server, struct service *service, struct config *config)
{
    struct worker_start start;

    *server = (struct server){.service = service, .config = config, .epoll = -1};
    memcpy(server->bells, service->others, sizeof(server->bells));
    server->store_path = config_path(config, "store/riad.db");
    if (!service->kept && store_migrate(server->store_path) != 0)
        return -1;
    if (open_bind(server) != 0 || confine(server) != 0)
        return -1;
    start = (struct worker_start){
        .path = server->store_path, .bells = server->bells, .bell_count = SERVICE_OTHERS};
    server->login = login_open(server->store_path, config);
    server->carriers = carriers_new();
    server->worker = server->login != NULL ? worker_start(&start) : NULL;
    if (server->worker == NULL)
        return -1;
    hall_init(&server->hall, config, server->worker);
    keep_drop(server);
    if (watch_all(server) != 0)
        return -1;
    return sandbox_calls(SERVICE_CHAT, -1);
}

void server_touch(struct server *server, struct session *session)
{
    if (session->dirty)
        return;
    session->dirty = true;
    session->dirty_next = server->dirty;
    server->dirty = session;
}

/* ---- the loop ---- */

/* Pumps what is marked; what is marked meanwhile, too, but each once a turn. */
static void pump_marked(struct server *server)
{
    struct session *session = server->dirty;

    server->dirty = NULL;
    while (session != NULL) {
        struct session *next = session->dirty_next;

        session->dirty = false;
        session_pump(session);
        server->any_dead |= session->away == NULL && session->dead;
        session = next;
    }
}

static void pump_all(struct server *server)
{
    for (struct session *session = server->sessions; session != NULL; session = session->next)
        if (session_waits(session))
            server_touch(server, session);
    pump_marked(server);
}

static void reap(struct server *server)
{
    struct session *next;

    if (!server->any_dead)
        return;
    server->any_dead = false;
    /* The list of the marked must not hold who is released. */
    for (struct session *session = server->sessions; session != NULL; session = next) {
        next = session->next;
        if (session->away != NULL || !session->dead)
            continue;
        for (struct session **at = &server->dirty; *at != NULL; at = &(*at)->dirty_next)
            if (*at == session) {
                *at = session->dirty_next;
                break;
            }
        session_free(session);
    }
}

static void take_carriers(struct server *server)
{
    struct carrier_news news;

    while (carriers_take(server->carriers, &news)) {
        lane_carrier(news.owner, &news);
        free(news.rest);
        free(news.said);
    }
}

static void reload(struct server *server)
{
    struct config *fresh = mem_alloc(sizeof(*fresh));

    config_init(fresh);
    if (!server->service->kept)
        fresh->facts = server->config->facts;
    if (config_restart(server->service, fresh) != 0) {
        free(fresh);
        return;
    }
    server->old = mem_resize(server->old, server->old_count + 1, sizeof(*server->old));
    server->old[server->old_count++].config = server->config;
    server->config = fresh;
    server->hall.config = fresh;
    login_reconfigure(server->login, fresh);
    drop_keeper_forget_after(server->keeper, fresh->box.keep);
    log_info("took up the new configuration");
}

static void tick(struct server *server)
{
    int64_t now = when_monotonic_ms();

    /* The loop turns: that is what the keeper wants to know. */
    service_beat(server->service);
    worker_look(server->worker);
    door_tick(server);
    hall_tick(&server->hall, now);
    for (struct session *session = server->sessions; session != NULL; session = session->next)
        session_tick(session, now);
}

static void hear_service(struct server *server)
{
    int happened = service_wait(server->service, 0);

    if (happened & SERVICE_RANG)
        worker_look(server->worker);
    if (happened & SERVICE_TICK)
        tick(server);
    if (happened & SERVICE_RELOAD)
        reload(server);
    if (happened & SERVICE_STOP)
        server->stopping = true;
}

/* wait_ms: at most, for something to happen; -1: for ever. */
static void turn(struct server *server, int wait_ms)
{
    struct epoll_event events[EVENTS];
    bool knocks = false, news = false;
    int count = epoll_wait(server->epoll, events, EVENTS, server->dirty != NULL ? 0 : wait_ms);

    for (int i = 0; i < count; i++) {
        void *what = events[i].data.ptr;

        if (what == &is_service) {
            hear_service(server);
            news = true;
        } else if (what == &is_worker) {
            worker_take(server->worker, hall_news, &server->hall);
            news = true;
        } else if (what == &is_carriers) {
            take_carriers(server);
        } else if (what == &is_listening) {
            knocks = true;
        } else {
            session_ready(what);
        }
    }
    if (news)
        pump_all(server);
    else
        pump_marked(server);
    reap(server);
    if (knocks)
        door_answer(server);
}

/* ---- the end ---- */

/* Whether it carries a file, or has carried one whose end its client has yet to read. */
static bool is_sending(const struct session *session)
{
    if (session->away != NULL)
        return true;
    for (const struct lane *lane = session->lanes; lane != NULL; lane = lane->next)
        if (lane->carrier != NULL || lane->carried)
            return true;
    return false;
}

/* A command that has not ended, and a bot whose lines may not all be said, must not look done. */
static void say_good_bye(struct session *session)
{
    for (struct lane *lane = session->lanes; lane != NULL; lane = lane->next) {
        struct client *client = lane->client;

        if (client == NULL || lane->carrier != NULL || lane->carried)
            continue;
        client_end(client, client->kind == CLIENT_TERMINAL ? 0 : 1,
                   client->kind == CLIENT_LINES
                       ? NULL
                       : "the box is stopping or starting anew; connect again in a moment");
    }
}

static size_t count_sending(const struct server *server)
{
    size_t count = 0;

    for (const struct session *one = server->sessions; one != NULL; one = one->next)
        count += is_sending(one);
    return count;
}

/* Everybody is told, and files under way have a moment to arrive. */
static void end_in_order(struct server *server)
{
    int64_t until = when_monotonic_ms() + DRAIN_MS, left = DRAIN_MS;

    door_close(server);
    for (struct session *session = server->sessions; session != NULL; session = session->next)
        if (session->away == NULL)
            say_good_bye(session);
    pump_all(server);
    for (struct session *session = server->sessions; session != NULL; session = session->next)
        if (!is_sending(session))
            session->dead = server->any_dead = true;
    reap(server);
    if (count_sending(server) > 0)
        log_info("file transfers under way have a moment to end: %zu", count_sending(server));
    while (count_sending(server) > 0 && left > 0) {
        turn(server, (int)left);
        left = until - when_monotonic_ms();
    }
}

void server_run(struct server *server)
{
    service_tick_beats(server->service, false);
    service_ready(server->service);
    while (!server->stopping)
        turn(server, -1);
    end_in_order(server);
}

void server_close(struct server *server)
{
    if (server->carriers != NULL) {
        carriers_stop(server->carriers);
        take_carriers(server);
    }
    for (struct session *session = server->sessions; session != NULL; session = session->next)
        session->dead = server->any_dead = true;
    reap(server);
    drop_keeper_stop(server->keeper);
    if (server->worker != NULL) {
        worker_stop(server->worker, hall_news, &server->hall);
        hall_done(&server->hall);
    }
    carriers_free(server->carriers);
    login_close(server->login);
    ssh_bind_free(server->bind);
    fs_close(server->epoll);
    for (size_t i = 0; i < server->old_count; i++) {
        if (!server->service->kept)
            server->old[i].config->facts = (struct config_facts){0};
        config_done(server->old[i].config);
        free(server->old[i].config);
    }
    free(server->old);
    free((void *)(uintptr_t)server->store_path);
    ssh_finalize();
}
