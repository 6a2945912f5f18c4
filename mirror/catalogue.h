/*
 * catalogue: which archive a digest names, and where it can be had.
 *
 * A file that may be thrown away: the fetcher writes it anew from each index, everybody reads it.
 * One archive is one record, under each of its digests; several packages, extra sources and
 * addresses that share a digest share the record. A record that contradicts another one (the same
 * md5, but different sha512) stays beside it and is found by the digest that only it has.
 *
 * A draft is in memory and belongs to one thread; all threads may ask an open catalogue. Whatever
 * becomes of its file, asking ends well.
 */
#ifndef MIRROR_CATALOGUE_H
#define MIRROR_CATALOGUE_H

#include "mirror/checksum.h"
#include "mirror/package.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CATALOGUE_MAX_URLS     32
#define CATALOGUE_MAX_ARCHIVES 200000 /* a draft holds no more; the real one has 11,600 */

/* ---- writing ---- */

struct catalogue_draft;

struct catalogue_draft *catalogue_draft_new(void);
void catalogue_draft_free(struct catalogue_draft *draft);

/* Adds an archive that package (`lwt.5.6.1`) needs. One without a checksum, and what is more than
 * CATALOGUE_MAX_ARCHIVES or takes more than 48 MB of memory, is left out. */
void catalogue_draft_put(struct catalogue_draft *draft, const char *package,
                         const struct package_archive *archive);

/* How many archives and digests it holds. */
void catalogue_draft_count(const struct catalogue_draft *draft, size_t *archives, size_t *digests);

/* Replaces the file at path. 0, or -1, logged. */
int catalogue_draft_write(const struct catalogue_draft *draft, const char *path);

/* ---- reading ---- */

struct catalogue;

/* Opens the file. NULL if there is none or it is not a catalogue of this version (not logged: it
 * will be written again). */
struct catalogue *catalogue_open(const char *path);
void catalogue_close(struct catalogue *catalogue);

/* How many archives it knows. */
size_t catalogue_size(const struct catalogue *catalogue);

/* A record. */
struct catalogue_entry {
    uint8_t *bytes;      /* what the others point to */
    const char *package; /* the first that needs it */
    struct checksum sums[PACKAGE_MAX_CHECKSUMS];
    size_t sum_count;
    const char *urls[CATALOGUE_MAX_URLS]; /* packages' own addresses, then their mirrors */
    size_t url_count;
};

/* Looks a digest up; catalogue may be NULL. What is found is yours. */
bool catalogue_find(const struct catalogue *catalogue, const struct checksum *sum,
                    struct catalogue_entry *entry);
void catalogue_entry_done(struct catalogue_entry *entry);

#endif
