/*
 * figures: what `riad status` tells from the store: people, files, leases, savings.
 */
#ifndef SUPERVISOR_FIGURES_H
#define SUPERVISOR_FIGURES_H

#include "config/config.h"
#include "identity/store.h"
#include "mirror/handler.h"

#define FIGURES_FLIGHTS 10

struct figures {
    int64_t people, hosts, here; /* known names, those who moderate, those with an open door */
    int64_t messages;
    int64_t files, file_bytes;
    int64_t leases;
    int64_t link_bytes, served_bytes; /* of the mirror: across the link, to clients */
    int64_t hits, misses; /* its answers from the cache, and those that crossed the link */
    struct mirror_savings repositories[CONFIG_MAX_MIRRORS]; /* as the configuration numbers them */
    struct mirror_progress flights[FIGURES_FLIGHTS];        /* archives on their way */
    size_t flight_count;
    char local[80];                /* the name by mDNS, without .local; "" none */
    char link[256];                /* `up` or `down: WHY`; "" not known yet */
    int64_t disk_free, disk_total; /* of the file system that holds the state */
};

/* 0, or -1, logged. */
int figures_read(struct figures *figures, const struct config *config, struct store *store);

#endif
