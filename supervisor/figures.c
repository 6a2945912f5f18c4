#include "supervisor/figures.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/when.h"
#include "identity/lease.h"
#include "identity/person.h"
#include "identity/presence.h"
#include "mirror/cache.h"
#include "mirror/savings.h"

#include <stdio.h>
#include <stdlib.h>

static void read_local(struct figures *figures, struct store *store)
{
    char *name = store_fact(store, LAN_FACT_LOCAL, NULL);

    snprintf(figures->local, sizeof figures->local, "%s", name ? name : "");
    free(name);
}

static void count_lease(void *context, const struct lease *lease)
{
    struct figures *figures = context;

    if (lease->expires_at > when_wall_ms())
        figures->leases++;
}

static int read_counts(struct figures *figures, struct store *store)
{
    if (store_int(store, &figures->files, "SELECT count(*) FROM file", "") < 0 ||
        store_int(store, &figures->file_bytes, "SELECT coalesce(sum(size), 0) FROM file", "") < 0 ||
        store_int(store, &figures->messages, "SELECT count(*) FROM message", "") < 0)
        return -1;
    figures->people = person_count(store);
    figures->hosts = person_host_count(store);
    figures->here = presence_count(store);
    return lease_list(store, count_lease, figures);
}

static void read_mirror(struct figures *figures, struct store *store)
{
    char *link = store_fact(store, MIRROR_FACT_LINK, NULL);

    figures->link_bytes = store_counter(store, MIRROR_COUNT_LINK);
    figures->served_bytes = store_counter(store, MIRROR_COUNT_SERVED);
    figures->hits = store_counter(store, MIRROR_COUNT_HITS);
    figures->misses = store_counter(store, MIRROR_COUNT_MISSES);
    snprintf(figures->link, sizeof figures->link, "%s", link ? link : "");
    free(link);
}

/* By repository, and what is on its way. */
static void read_flights(struct figures *figures, const struct config *config, struct store *store)
{
    struct cache *cache = config->mirror[0].enabled ? cache_open(config) : NULL;
    struct catalogues *catalogues;

    for (size_t i = 0; i < config->mirror_count; i++)
        mirror_savings(store, config->mirror[i].name, &figures->repositories[i]);
    if (!cache)
        return;
    catalogues = catalogues_open(cache, config);
    figures->flight_count = savings_progress(catalogues, store, figures->flights, FIGURES_FLIGHTS);
    catalogues_close(catalogues);
    cache_close(cache);
}

int figures_read(struct figures *figures, const struct config *config, struct store *store)
{
    *figures = (struct figures){0};
    if (fs_space(config->box.state, &figures->disk_free, &figures->disk_total) < 0) {
        log_errno("cannot ask how full the disk is: %s", config->box.state);
        return -1;
    }
    read_local(figures, store);
    read_mirror(figures, store);
    read_flights(figures, config, store);
    return read_counts(figures, store);
}
