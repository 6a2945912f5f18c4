#include "base/log.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "base/when.h"
#include "config/start.h"
#include "dhcp/check.h"
#include "dhcp/lan.h"
#include "dhcp/mdns.h"
#include "dhcp/script.h"
#include "identity/lease.h"
#include "identity/reset.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURN_MS         60000
#define HOUSE_EVERY_MS  60000
#define CONFIG_TEXT_MAX (4 * 1024 * 1024)

/* Waits for any of what lan and mdns listen to, or for the service's own events. */
static void wait_for_anything(const struct service *service, const struct lan *lan,
                              const struct mdns *mdns, int64_t until_ms)
{
    struct pollfd fds[1 + LAN_MAX_FDS + MDNS_MAX_FDS];
    int64_t wait_ms = until_ms - when_monotonic_ms();
    size_t count = 0;

    fds[count++] = (struct pollfd){.fd = service_fd(service), .events = POLLIN};
    count += lan_fds(lan, fds + count);
    count += mdns_fds(mdns, fds + count);
    poll(fds, count, wait_ms < 0 ? 0 : wait_ms > TURN_MS ? TURN_MS : (int)wait_ms);
}

/* What it takes to apply the new configuration after the one that was put into before. */
static enum config_effort effort_since(const struct buf *before, const struct config *config)
{
    struct config_change change;
    struct config old;

    if (config_parse_whole(&old, "before", before->data, before->len, NULL, NULL) < 0)
        return CONFIG_SERVICE;
    config_compare(&old, config, &change);
    config_done(&old);
    return change.dhcp;
}

/* Takes up a new configuration. Only what concerns the LAN begins anew, dnsmasq included; names by
 * mDNS are said again in any case, since the title may be another. 0, or -1. */
static int reload(struct service *service, struct config *config, struct lan *lan,
                  struct mdns *mdns)
{
    struct store *store = lan->store;
    struct buf before;
    int result = 0;

    buf_init(&before, CONFIG_TEXT_MAX);
    config_put(&before, config);
    mdns_close(mdns);
    if (config_restart(service, config) == 0 && effort_since(&before, config) > CONFIG_AT_ONCE) {
        lan_close(lan);
        result = lan_open(lan, service, config, store);
    }
    mdns_open(mdns, config);
    buf_done(&before);
    return result;
}

/* Forgets by age, where neither the chat nor the web is there to do it. */
static void keep_house(const struct config *config, struct store *store, struct reset_clock *clock)
{
    static int64_t next_ms;
    int64_t now_ms = when_monotonic_ms();

    if (config->chat.enabled || config->web.enabled || now_ms < next_ms)
        return;
    next_ms = now_ms + HOUSE_EVERY_MS;
    reset_tidy(store, clock, config->box.keep);
}

/* Pages show the name only while it is published. */
static void note_name(struct store *store, const struct mdns *mdns, char *noted, size_t size)
{
    if (strcmp(noted, mdns_name(mdns)) == 0)
        return;
    snprintf(noted, size, "%s", mdns_name(mdns));
    store_set_fact(store, LAN_FACT_LOCAL, noted);
}

/* The life of the service until it shall stop. 0 or -1. */
static int serve(struct service *service, struct config *config, struct lan *lan, struct mdns *mdns)
{
    struct reset_clock clock = {0};
    char noted[sizeof(mdns->host)] = "?"; /* what an earlier one noted holds no longer */
    bool ready = false;

    for (;;) {
        int64_t lan_ms = lan_step(lan), mdns_ms = mdns_step(mdns);
        int happened;

        note_name(lan->store, mdns, noted, sizeof(noted));
        if (!ready && lan_is_settled(lan)) {
            service_ready(service);
            ready = true;
        }
        wait_for_anything(service, lan, mdns, lan_ms < mdns_ms ? lan_ms : mdns_ms);
        happened = service_wait(service, 0);
        if (happened & SERVICE_STOP)
            return 0;
        if (happened & SERVICE_TICK)
            lan_tick(lan);
        keep_house(config, lan->store, &clock);
        if ((happened & SERVICE_RELOAD) && reload(service, config, lan, mdns) < 0)
            return -1;
    }
}

static struct store *open_store(const struct config *config, const struct service *service)
{
    char *path = config_path(config, "store/riad.db");
    struct store *store = store_open(path);

    if (store != NULL)
        store_bells(store, service->others, SERVICE_OTHERS);
    free(path);
    return store;
}

/* Steps behind the walls: the store, what is generated for dnsmasq, nothing else of ours. */
static int confine(const struct config *config)
{
    char *store = config_path(config, "store"), *run = config_path(config, "run/dhcp");
    const struct sandbox_path paths[] = {
        {store,            SANDBOX_WRITE},
        {run,              SANDBOX_WRITE},
        {"/proc/self/exe", SANDBOX_READ }, /* dnsmasq runs it as its script */
    };
    int result = sandbox_files(SERVICE_DHCP, paths, sizeof(paths) / sizeof(paths[0]));

    free(store);
    free(run);
    return result;
}

int main(int argc, char **argv)
{
    struct service service;
    struct config config;
    struct lan lan;
    struct mdns mdns;
    struct store *store = NULL;
    int status = 1, result = -1;

    if (script_is_wanted(argc, argv))
        return script_run(argc, argv);
    if (check_is_wanted(argc, argv))
        return check_run(argc, argv);
    if (config_start(&service, &config, SERVICE_DHCP, argc, argv, &status) < 0)
        return status;
    mdns_open(&mdns, &config);
    store = open_store(&config, &service);
    if (store != NULL && lan_open(&lan, &service, &config, store) == 0) {
        if (confine(&config) == 0 && sandbox_calls(SERVICE_DHCP, -1) == 0)
            result = serve(&service, &config, &lan, &mdns);
        lan_close(&lan);
    }
    mdns_close(&mdns);
    store_close(store);
    config_done(&config);
    service_end(&service);
    return result == 0 ? 0 : 1;
}
