/*
 * riad-mirror: the only part of riad that talks to the internet.
 *
 * It brings the indexes of the repositories and the archives that somebody waits for, and nothing
 * listens in it. One thread, one loop around libcurl's multi interface; what it is asked for are
 * rows of the table `flight`, what it brings are files below STATE/mirror, whole and verified.
 * Started by `riad prefetch` with a descriptor for it, it only finds out how long archives are
 * (mirror/sizes.h) and ends.
 */
#include "base/log.h"
#include "base/sandbox.h"
#include "base/service.h"
#include "base/when.h"
#include "config/start.h"
#include "identity/event.h"
#include "mirror/flights.h"
#include "mirror/renew.h"
#include "mirror/sizes.h"

#include <stdlib.h>
#include <string.h>

struct mirror_service {
    struct service service;
    struct config config;
    struct flights_with with;
    struct flights *flights;
    struct renew *renew;
    int64_t seen; /* the last event */
};

static void on_event(void *context, const char *kind, int64_t subject)
{
    struct mirror_service *self = context;

    (void)subject;
    if (strcmp(kind, EVENT_REFRESH) == 0)
        renew_ask(self->renew);
}

/* Something changed in the store. */
static void look(struct mirror_service *self)
{
    event_read(self->with.store, &self->seen, on_event, self);
    flights_look(self->flights);
}

/* One line for `riad status`. */
static void say(struct mirror_service *self)
{
    size_t running, waiting;

    flights_count(self->flights, &running, &waiting);
    if (flights_link_is_down(self->flights))
        service_say(&self->service, true, "the link is down; what is cached is served");
    else if (running + waiting > 0)
        service_say(&self->service, true, "archives on their way: %zu, waiting: %zu", running,
                    waiting);
    else if (!cache_has_room(self->with.cache, &self->config, 1))
        service_say(&self->service, true,
                    "the disk is full: what comes displaces, or passes through");
    else
        service_say(&self->service, true, "idle");
}

static void reload(struct mirror_service *self)
{
    if (config_restart(&self->service, &self->config) == 0)
        fetch_set_rate(self->with.fetch, self->config.mirror[0].max_rate);
}

static int wait_ms(const struct mirror_service *self)
{
    int flights = flights_timeout(self->flights), renew = renew_timeout(self->renew);

    if (flights < 0 || renew < 0)
        return flights < 0 ? renew : flights;
    return flights < renew ? flights : renew;
}

static void loop(struct mirror_service *self)
{
    int happened = SERVICE_RANG;

    while (!(happened & SERVICE_STOP)) {
        if (happened & SERVICE_RELOAD)
            reload(self);
        if ((happened & SERVICE_RANG) ||
            ((happened & SERVICE_TICK) && store_changed(self->with.store)))
            look(self);
        if (happened & SERVICE_TICK) {
            flights_tick(self->flights);
            say(self);
        }
        renew_run(self->renew);
        flights_run(self->flights);
        fetch_wait(self->with.fetch, service_fd(&self->service), wait_ms(self));
        happened = service_wait(&self->service, 0);
    }
    flights_tick(self->flights);
}

static int confine(const struct config *config)
{
    char *mirror = config_path(config, "mirror"), *store = config_path(config, "store");
    const char *authorities = fetch_authorities();
    const struct sandbox_path paths[] = {
        {mirror,      SANDBOX_WRITE},
        {store,       SANDBOX_WRITE},
        {authorities, SANDBOX_READ }
    };
    int result = sandbox_files(SERVICE_MIRROR, paths, authorities ? 3 : 2);

    free(mirror);
    free(store);
    return result;
}

/* What crossing the link takes, and no more. 0 or -1. */
static int open_link(struct mirror_service *self)
{
    struct flights_with *with = &self->with;

    with->config = &self->config;
    if (service_fds_named(&self->service, SERVICE_PASS, &with->pass, 1) == 0)
        with->pass = -1;
    with->cache = cache_open(&self->config);
    if (!with->cache || confine(&self->config) < 0 || !(with->fetch = fetch_new()))
        return -1;
    fetch_set_rate(with->fetch, self->config.mirror[0].max_rate);
    with->catalogues = catalogues_open(with->cache, &self->config);
    return 0;
}

static int open_all(struct mirror_service *self)
{
    struct flights_with *with = &self->with;
    char *path = config_path(&self->config, "store/riad.db");

    if (open_link(self) == 0)
        with->store = store_open(path);
    free(path);
    if (!with->store)
        return -1;
    store_bells(with->store, self->service.others, SERVICE_OTHERS);
    self->seen = event_last(with->store);
    self->flights = flights_new(with);
    self->renew = renew_new(with, self->flights);
    return sandbox_calls(SERVICE_MIRROR, -1);
}

static void close_all(struct mirror_service *self)
{
    renew_free(self->renew);
    flights_free(self->flights);
    catalogues_close(self->with.catalogues);
    fetch_free(self->with.fetch);
    store_close(self->with.store);
    cache_close(self->with.cache);
}

static int serve(struct mirror_service *self)
{
    if (open_all(self) < 0)
        return EXIT_FAILURE;
    service_ready(&self->service);
    loop(self);
    return EXIT_SUCCESS;
}

static int tell_sizes(struct mirror_service *self, int fd)
{
    if (open_link(self) < 0 || sandbox_calls(SERVICE_MIRROR, -1) < 0)
        return EXIT_FAILURE;
    return sizes_answer(&self->with, &self->service, fd) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct mirror_service self = {0};
    int status, fd;

    if (config_start(&self.service, &self.config, SERVICE_MIRROR, argc, argv, &status) < 0)
        return status;
    if (service_fds_named(&self.service, SIZES_FD, &fd, 1) == 1)
        status = tell_sizes(&self, fd);
    else
        status = serve(&self);
    close_all(&self);
    service_end(&self.service);
    config_done(&self.config);
    return status;
}
