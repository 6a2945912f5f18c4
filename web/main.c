/*
 * riad-web: pages, the drop, the conversation in browsers, and the mirror's answers, over HTTP.
 *
 * The main thread waits for its doorbell and its clock; the threads that serve are http's. It beats
 * for the keeper only when a request of its own was answered, the way a guest's is: a server whose
 * threads all hang is dead, however well its main thread ticks.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "base/when.h"
#include "config/start.h"
#include "identity/digest.h"
#include "web/expel.h"
#include "web/host.h"
#include "web/hot.h"
#include "web/page.h"
#include "web/probe.h"
#include "web/web.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define THREADS          384
#define PROBE_EVERY_MS   5000 /* of the 15 s that the keeper waits */
#define PROBE_TIMEOUT_MS 2000
#define DRAIN_MS         1500

struct room {
    struct service service;
    struct web web;
    struct config *config;
    struct config **outdated; /* what a thread may still be reading, kept to the end */
    size_t outdated_count;
    struct store *store; /* the main thread's */
    struct drop_keeper *keeper;
    int listens[LISTEN_MAX];
    size_t listen_count;
    int probe_fd;
    int64_t probed_ms;
};

/* What the kernel lets this process touch: its subtrees, and the organiser's notice. */
static int confine(const struct config *config)
{
    char *below[] = {config_path(config, "store"), config_path(config, "drop"),
                     config_path(config, "mirror"), config_path(config, "run")};
    struct sandbox_path paths[] = {
        {below[0],           SANDBOX_WRITE},
        {below[1],           SANDBOX_WRITE},
        {below[2],           SANDBOX_READ },
        {below[3],           SANDBOX_READ },
        {config->box.notice, SANDBOX_READ }
    };
    size_t count = *config->box.notice == '\0' ? 4 : 5;
    int result = sandbox_files(SERVICE_WEB, paths, count);
    for (size_t i = 0; i < sizeof below / sizeof *below; i++)
        free(below[i]);
    return result;
}

static size_t bells_of(const struct service *service, int bells[SERVICE_OTHERS + 1])
{
    size_t count = 0;
    bells[count++] = service->doorbell;
    for (size_t i = 0; i < SERVICE_OTHERS; i++)
        if (service->others[i] >= 0)
            bells[count++] = service->others[i];
    return count;
}

static int open_all(struct room *room)
{
    int bells[SERVICE_OTHERS + 1];
    size_t count = bells_of(&room->service, bells);
    room->listen_count = service_fds_named(&room->service, "listen", room->listens, LISTEN_MAX);
    if (room->listen_count > LISTEN_MAX)
        room->listen_count = LISTEN_MAX;
    if (room->listen_count == 0) {
        log_error("there is no address to listen on; see [web] listen");
        return -1;
    }
    host_watch(room->listens[0]);
    char *path = config_path(room->config, "store/riad.db");
    room->store = store_open(path);
    free(path);
    if (room->store == NULL || web_open(&room->web, room->config, bells, count) < 0)
        return -1;
    store_bells(room->store, bells, count);
    hot_open(room->config);
    return page_open(room->store) == 0 ? expel_open(room->store) : -1;
}

static int serve(struct room *room)
{
    int bells[SERVICE_OTHERS + 1];
    size_t count = bells_of(&room->service, bells);
    const struct http_options options = {.listens = room->listens,
                                         .listen_count = room->listen_count,
                                         .threads = THREADS,
                                         .handler = web_handle,
                                         .context = &room->web};
    room->keeper = drop_keeper_start(room->config, bells, count);
    room->web.http = http_start(&options);
    room->probe_fd = probe_open(room->listens[0]);
    if (room->web.http == NULL || room->probe_fd < 0)
        return -1;
    return sandbox_calls(SERVICE_WEB, room->probe_fd);
}

static void reload(struct room *room)
{
    struct config *fresh = mem_alloc(sizeof *fresh);
    config_init(fresh);
    if (config_restart(&room->service, fresh) < 0) {
        config_done(fresh);
        free(fresh);
        return;
    }
    room->outdated = mem_resize(room->outdated, room->outdated_count + 1, sizeof *room->outdated);
    room->outdated[room->outdated_count++] = room->config;
    room->config = fresh;
    web_set_config(fresh);
    page_reconfigured();
    drop_keeper_forget_after(room->keeper, fresh->box.keep);
    log_info("took up the new configuration");
}

static void look(struct room *room)
{
    struct mirror *mirror = room->web.mirror;
    if (mirror != NULL)
        mirror_look(mirror, room->store);
    page_look(room->store);
    expel_look(room->store, room->web.http);
}

static void tick(struct room *room)
{
    int64_t now = when_monotonic_ms();
    http_tick(room->web.http);
    web_tick();
    hot_tick(now);
    drop_downloads_settle(room->store);
    if (now - room->probed_ms < PROBE_EVERY_MS)
        return;
    room->probed_ms = now;
    if (http_crowd_gone(room->web.http))
        malloc_trim(0); /* nobody waits: it may take a tenth of a second */
    web_open_mirror(&room->web);
    if (probe_serves(room->probe_fd, room->listens[0], PROBE_TIMEOUT_MS))
        service_beat(&room->service);
    else
        log_warn("a probe of this web server was not answered in time; %d requests are under way",
                 http_busy(room->web.http));
}

static void run(struct room *room)
{
    int happened;
    service_tick_beats(&room->service, false);
    service_ready(&room->service);
    while (((happened = service_wait(&room->service, -1)) & SERVICE_STOP) == 0) {
        if ((happened & SERVICE_RELOAD) != 0)
            reload(room);
        if ((happened & (SERVICE_RANG | SERVICE_TICK)) != 0)
            look(room);
        if ((happened & SERVICE_TICK) != 0)
            tick(room);
    }
}

int main(int argc, char **argv)
{
    static struct room room;
    int status = 0;
    mallopt(M_ARENA_MAX, 2); /* one for each of many threads would hold on to megabytes */
    room.config = mem_alloc(sizeof *room.config);
    if (config_start(&room.service, room.config, SERVICE_WEB, argc, argv, &status) < 0)
        return status;
    room.web.service = &room.service;
    room.web.started_ms = when_wall_ms();
    status = 1;
    if (mirror_prepare(room.config) == 0 && confine(room.config) == 0 && open_all(&room) == 0 &&
        serve(&room) == 0) {
        run(&room);
        status = 0;
        page_stop();
    }
    http_stop(room.web.http, DRAIN_MS);
    drop_keeper_stop(room.keeper);
    store_close(room.store);
    if (room.web.http == NULL) { /* else its threads have all this to the end */
        page_close();
        web_close(&room.web);
        service_end(&room.service);
    }
    return status;
}
