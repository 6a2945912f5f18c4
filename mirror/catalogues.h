/*
 * catalogues: those of all repositories together, as they are now.
 *
 * The fetcher writes a catalogue anew while others have it open; catalogues_look notices. Any
 * thread may ask.
 */
#ifndef MIRROR_CATALOGUES_H
#define MIRROR_CATALOGUES_H

#include "mirror/cache.h"
#include "mirror/catalogue.h"

struct catalogues;

/* Opens those that exist. cache must outlive it. */
struct catalogues *catalogues_open(const struct cache *cache, const struct config *config);
void catalogues_close(struct catalogues *catalogues);

/* Opens anew what has been written since. */
void catalogues_look(struct catalogues *catalogues);

/* How many archives repository number index knows; -1 it has no catalogue. */
int64_t catalogues_size(struct catalogues *catalogues, size_t index);

/* What is known of an archive; copies, yours. */
struct archive_known {
    char *package;  /* NULL: no catalogue lists it */
    int repository; /* the first that lists it, as the configuration numbers them; -1 none */
    struct checksum sums[PACKAGE_MAX_CHECKSUMS];
    size_t sum_count;
    char *urls[CATALOGUE_MAX_URLS];
    size_t url_count;
};

/* Collects what all catalogues say. Whether any lists it; else sums holds sum alone. */
bool catalogues_find(struct catalogues *catalogues, const struct checksum *sum,
                     struct archive_known *known);
void archive_known_done(struct archive_known *known);

/* The name of the flight of an archive: its best digest, so that whatever digest it is asked under
 * leads to the same flight. Whether it is listed. name has CHECKSUM_TEXT bytes. */
bool catalogues_name(struct catalogues *catalogues, const struct checksum *sum, char *name);

#endif
