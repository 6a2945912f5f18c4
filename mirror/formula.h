/*
 * formula: what a `depends:` field says, as far as one can say without a machine.
 *
 * Pure. Filters whose value only a machine knows (os, arch, ...) are neither true nor false; what
 * only tests, documentation and development need is false.
 */
#ifndef MIRROR_FORMULA_H
#define MIRROR_FORMULA_H

#include "mirror/opam.h"

#include <stdbool.h>

/* Called for each package that a formula names, with the options behind it or NULL. */
typedef void formula_handler(void *context, const char *package, const struct opam_item *options);

/* Walks over the items of a value, alternatives and all. */
void formula_walk(const struct opam_item *items, formula_handler *handler, void *context);

/* Whether options (an OPAM_OPTION, or NULL) may allow that version of a dependency; own is the
 * version of the package whose formula it is, for `{= version}`. */
bool formula_allows(const struct opam_item *options, const char *version, const char *own);

#endif
