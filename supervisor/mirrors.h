/*
 * mirrors: what `riad mirror` and `riad prefetch` share.
 *
 * The mirror's folder, the catalogues and, where packages are named, all packages of the indexes
 * that are here; archives as these commands count them.
 */
#ifndef SUPERVISOR_MIRRORS_H
#define SUPERVISOR_MIRRORS_H

#include "identity/store.h"
#include "mirror/cache.h"
#include "mirror/catalogues.h"
#include "mirror/universe.h"
#include "supervisor/command.h"

struct mirrors {
    const struct config *config;
    struct store *store;
    struct cache *cache;
    struct catalogues *catalogues;
    struct universe *universe; /* NULL until mirrors_read */
};

/* Becomes the box's account and opens all but the universe. 0, or -1, logged. */
int mirrors_open(struct mirrors *mirrors, const struct command_line *line);
void mirrors_close(struct mirrors *mirrors);

/* Whether there is any index to read. */
bool mirrors_has_index(const struct mirrors *mirrors);

/* Reads the indexes of all repositories. 0, or -1: there is none yet, or it cannot be read; said.
 */
int mirrors_read(struct mirrors *mirrors);

/* An archive that a command is about. */
struct mirrors_archive {
    char name[CHECKSUM_TEXT]; /* of its flight */
    const struct universe_package *package;
    const struct universe_archive *archive;
    int64_t bytes;  /* -1: not in the cache */
    int64_t length; /* of one that is not, as far as it is known; -1 */
};

/* All archives of the chosen packages, each once, in the order of packages. Yours to free. */
struct mirrors_archive *mirrors_chosen(struct mirrors *mirrors, size_t *count);

/* The same archives in the order of their names, yours to free, and the one with a name among them;
 * NULL: there is none. */
struct mirrors_archive **mirrors_by_name(struct mirrors_archive *archives, size_t count);
struct mirrors_archive *mirrors_named(struct mirrors_archive **named, size_t count,
                                      const char *name);

/* The SHA-256 of an archive in the cache, read from the file where no package lists it. 0, or -1,
 * logged. */
int mirrors_sha256(struct mirrors *mirrors, const struct universe_archive *archive,
                   struct checksum *sha256);

/*
 * Asks the fetcher for archives, as a prefetch that stays in the cache longest; those that are here
 * already are kept from now on. 0, or -1, logged. *asked becomes how many are on their way.
 */
int mirrors_ask(struct mirrors *mirrors, const struct mirrors_archive *archives, size_t count,
                size_t *asked);

/* Whether the box's fetcher runs; if not, says to standard error what that means. */
bool mirrors_fetcher_runs(const struct mirrors *mirrors);

#endif
