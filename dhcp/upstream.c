#include "dhcp/upstream.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESOLV_CONF     "/etc/resolv.conf"
#define RESOLV_CONF_MAX 65536
#define FILE_MAX        4096
#define CALM_MS         15000
#define EAGER_MS        3000
#define PATIENCE_MS     2500
#define SILENCE_MAX     2

/* A number that differs whenever the file does; 0: there is none. */
static int64_t resolv_state(void)
{
    struct stat st;

    if (stat(RESOLV_CONF, &st) < 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec + (int64_t)st.st_ino;
}

/* A socket that hears only this resolver; -1 where no route leads to it. */
static int open_towards(const struct resolver *resolver)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[16];
    int fd = -1;

    snprintf(port, sizeof(port), "%d", resolver->port);
    if (getaddrinfo(resolver->host, port, &hints, &found) != 0)
        return -1;
    fd = socket(found->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) < 0) {
        fs_close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static void forget_servers(struct upstream *upstream)
{
    for (size_t i = 0; i < upstream->count; i++)
        fs_close(upstream->server[i].fd);
    upstream->count = 0;
}

static void find_servers(struct upstream *upstream, const struct config *config)
{
    struct resolver resolvers[GENERATE_MAX_SERVERS];
    struct buf text;

    forget_servers(upstream);
    buf_init(&text, RESOLV_CONF_MAX);
    upstream->resolv_changed = resolv_state();
    if (config->dns.forward.count == 0 && fs_read_file(RESOLV_CONF, &text) < 0)
        log_info("there is no %s: foreign names are not known here", RESOLV_CONF);
    upstream->count =
        generate_resolvers(resolvers, &config->dns.forward, buf_text(&text), config->lan.address);
    for (size_t i = 0; i < upstream->count; i++)
        upstream->server[i] = (struct upstream_server){.resolver = resolvers[i], .fd = -1};
    buf_done(&text);
}

/* Writes the file if it would say something else. True: it has changed. */
static bool write_servers(struct upstream *upstream)
{
    bool was = upstream->reachable, changed;
    struct buf text;

    buf_init(&text, FILE_MAX);
    for (size_t i = 0; i < upstream->count; i++) {
        const struct upstream_server *server = &upstream->server[i];

        if (server->fd != -1 && server->silent < SILENCE_MAX)
            buf_printf(&text, "server=%s#%d\n", server->resolver.host, server->resolver.port);
    }
    upstream->reachable = text.len > 0;
    changed = strcmp(buf_text(&text), buf_text(&upstream->written)) != 0;
    if (changed && fs_replace_file(upstream->path, text.data, text.len, 0644) == 0) {
        buf_clear(&upstream->written);
        buf_put(&upstream->written, text.data, text.len);
        if (was != upstream->reachable)
            log_info(upstream->reachable ? "a resolver answers: foreign names are known again"
                                         : "no resolver answers: foreign names are refused");
    }
    buf_done(&text);
    return changed;
}

/* Phones ask for these names whether there is an internet. While there is none, the box answers. */
static bool write_portal(struct upstream *upstream, const struct config *config)
{
    int wanted = config->dhcp.portal && !upstream->reachable;
    struct buf text;

    if (wanted == upstream->portal)
        return false;
    buf_init(&text, FILE_MAX);
    if (wanted)
        generate_portal(&text, config->lan.address);
    if (fs_replace_file(upstream->portal_path, text.data, text.len, 0644) == 0)
        upstream->portal = wanted;
    buf_done(&text);
    return true;
}

int upstream_open(struct upstream *upstream, const struct config *config, const char *folder)
{
    *upstream = (struct upstream){.path = mem_printf("%s/%s", folder, GENERATE_SERVERS),
                                  .portal_path = mem_printf("%s/%s", folder, GENERATE_PORTAL),
                                  .portal = -1};
    buf_init(&upstream->written, FILE_MAX);
    find_servers(upstream, config);
    for (size_t i = 0; i < upstream->count; i++)
        upstream->server[i].fd = open_towards(&upstream->server[i].resolver);
    upstream->reachable = true;
    if (!write_servers(upstream) && fs_replace_file(upstream->path, "", 0, 0644) < 0) {
        upstream_close(upstream);
        return -1;
    }
    write_portal(upstream, config);
    return 0;
}

void upstream_close(struct upstream *upstream)
{
    forget_servers(upstream);
    buf_done(&upstream->written);
    free(upstream->path);
    free(upstream->portal_path);
    *upstream = (struct upstream){0};
}

/* Who serves the root? Every resolver knows (RFC 1035, 4.1); recursion is desired. */
static void ask(struct upstream_server *server, int64_t now_ms)
{
    uint8_t question[17] = {[2] = 1, [5] = 1, [14] = 2, [16] = 1};

    fs_random(&server->id, sizeof(server->id));
    memcpy(question, &server->id, sizeof(server->id));
    server->waiting = true;
    server->end_ms = now_ms + PATIENCE_MS;
    server->next_ms = now_ms + CALM_MS;
    if (send(server->fd, question, sizeof(question), MSG_NOSIGNAL) < 0)
        log_debug("resolver %s: %s", server->resolver.host, strerror(errno));
}

/* Nobody answered, or somebody said that nobody will. */
static void note_silence(struct upstream_server *server, int64_t now_ms)
{
    server->waiting = false;
    server->silent++;
    server->next_ms = now_ms + (server->silent < SILENCE_MAX ? 0 : EAGER_MS);
}

static void receive(struct upstream_server *server)
{
    uint8_t answer[1500];
    ssize_t got;

    while ((got = recv(server->fd, answer, sizeof(answer), 0)) >= 0) {
        if (got < 12 || memcmp(answer, &server->id, sizeof(server->id)) != 0 || !server->waiting)
            continue;
        server->waiting = false;
        server->silent = 0;
    }
    if (errno != EAGAIN && server->waiting) /* e.g. ECONNREFUSED: nobody listens there */
        note_silence(server, when_monotonic_ms());
}

void upstream_receive(struct upstream *upstream)
{
    for (size_t i = 0; i < upstream->count; i++)
        if (upstream->server[i].fd != -1)
            receive(&upstream->server[i]);
}

static void step(struct upstream_server *server, int64_t now_ms)
{
    if (server->fd == -1) {
        server->fd = open_towards(&server->resolver);
        server->silent = 0;
    }
    if (server->fd == -1)
        return;
    if (server->waiting && now_ms >= server->end_ms) {
        note_silence(server, now_ms);
        /* A route that has changed is taken up by a new socket only. */
        fs_close(server->fd);
        server->fd = open_towards(&server->resolver);
    }
    if (server->fd != -1 && !server->waiting && now_ms >= server->next_ms)
        ask(server, now_ms);
}

bool upstream_step(struct upstream *upstream, const struct config *config, int64_t now_ms)
{
    bool changed;

    if (config->dns.forward.count == 0 && resolv_state() != upstream->resolv_changed)
        find_servers(upstream, config);
    for (size_t i = 0; i < upstream->count; i++)
        step(&upstream->server[i], now_ms);
    changed = write_servers(upstream);
    return write_portal(upstream, config) || changed;
}
