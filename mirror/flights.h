/*
 * flights: archives on their way across the link, one flight each however many wait for it.
 *
 * A row of the table `flight` asks for one: `wanted` by the handler (somebody waits) or by `riad
 * prefetch`. This module starts what may start (at most [mirror] parallel, people before prefetch),
 * leads each through its sources until all digests agree, and writes back what others need to know:
 * `flying` with the length, `landed`, or `failed` with a status and a sentence. The bytes go
 * through mirror/part.h, the connections through mirror/fetch.h, the choice of the next source is
 * mirror/source.h's.
 *
 * As long as the link is down nothing fails: flights wait, one of them tries the link every few
 * seconds, and the fact `mirror.link` says so.
 */
#ifndef MIRROR_FLIGHTS_H
#define MIRROR_FLIGHTS_H

#include "config/config.h"
#include "identity/store.h"
#include "mirror/cache.h"
#include "mirror/catalogues.h"
#include "mirror/fetch.h"
#include "mirror/handler.h"

#include <stdbool.h>
#include <stdint.h>

/* The fact that tells whether the link is up: `up`, or `down: WHY`. */
#define FLIGHTS_FACT_LINK MIRROR_FACT_LINK
/* Facts: bytes and archives in the cache. */
#define FLIGHTS_FACT_HELD  "mirror.cache_bytes"
#define FLIGHTS_FACT_COUNT "mirror.cache_archives"

struct flights;

/* What it works with; all of it outlives the flights. */
struct flights_with {
    struct store *store;
    struct cache *cache;
    struct catalogues *catalogues;
    struct fetch *fetch;
    const struct config *config;
    int pass; /* to riad-web, for what the disk has no room for (mirror/pass.h); -1 none */
};

struct flights *flights_new(const struct flights_with *with);
/* Ends all transfers; parts and rows stay for the next start. */
void flights_free(struct flights *flights);

/* Reads the table: new flights, changed priorities, withdrawn ones. */
void flights_look(struct flights *flights);

/* Starts, shows and lands what is due. */
void flights_run(struct flights *flights);

/* Once a second: progress for those who watch, old rows, the size of the cache. */
void flights_tick(struct flights *flights);

/* Milliseconds until flights_run has something to do; -1 not before something happens. */
int flights_timeout(const struct flights *flights);

/* Says that a host answered, or could not be reached: the index's transfers count, too. */
void flights_link_up(struct flights *flights);
void flights_link_failed(struct flights *flights, const char *why);
bool flights_link_is_down(const struct flights *flights);

/* Counts bytes that crossed the link for a repository (its number; -1: for none). */
void flights_carried(struct flights *flights, int repository, size_t bytes);

/* How many transfers are running, and how many flights wait. */
void flights_count(const struct flights *flights, size_t *running, size_t *waiting);

#endif
