/*
 * universe: all packages of the indexes with what they depend on, for commands.
 *
 * The catalogue knows archives; whoever asks "what does lwt need?" reads the indexes themselves,
 * which takes half a second. Choosing is generous on purpose: what is fetched at home and not
 * needed costs disk, what is missing at the event costs an hour. So every alternative of a formula
 * is taken, every platform's extra sources, and of each dependency the newest UNIVERSE_NEWEST
 * versions that its own constraint allows; of the compiler, which opam's solver chooses with less
 * regard for its age than for what else it allows, the newest UNIVERSE_COMPILERS. Left out is what
 * only tests, documentation and development setups need.
 */
#ifndef MIRROR_UNIVERSE_H
#define MIRROR_UNIVERSE_H

#include "mirror/checksum.h"
#include "mirror/opam.h"
#include "mirror/package.h"

#include <stdbool.h>
#include <stddef.h>

#define UNIVERSE_NEWEST    3
#define UNIVERSE_COMPILERS 20 /* reaches back to 4.14 */

struct universe_archive {
    char *extra; /* NULL: the package's url */
    char *url;
    struct checksum *sums;
    size_t sum_count;
};

struct universe_package {
    char *name, *version;
    char *depends; /* the field as it stands in the opam file, "" none */
    bool avoid;    /* flags: avoid-version, deprecated */
    bool chosen;
    struct universe_archive *archives; /* those with a checksum */
    size_t archive_count;
};

struct universe;

struct universe *universe_new(void);
void universe_free(struct universe *universe);

/* Reads the index at path over what is there already; of two packages with the same name and
 * version one stays. 0, or -1, logged. */
int universe_read(struct universe *universe, const char *path);

/* All packages, by name, the newest version first. */
struct universe_package *universe_packages(struct universe *universe, size_t *count);

/* The versions of one name, the newest first; NULL if there is none. */
struct universe_package *universe_versions(struct universe *universe, const char *name,
                                           size_t *count);

/* Chooses what a word names: `NAME` (its newest version), `NAME.VERSION`, `NAME=VERSION`; with deps
 * all that these may depend on, too. 0, or -1: there is no such package. */
int universe_choose(struct universe *universe, const char *word, bool deps);

/*
 * Chooses what a file names: an `opam switch export` (what is installed there), an opam file (what
 * it depends on), or words as above, any number a line, `#` begins a comment. 0; -1 if something
 * does not exist: the first such word in wrong, which has room for size bytes.
 */
int universe_choose_file(struct universe *universe, const char *text, size_t length, bool deps,
                         char *wrong, size_t size);

#endif
