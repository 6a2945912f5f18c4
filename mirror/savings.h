/*
 * savings: what the mirror counts, for all repositories together and for each.
 *
 * A counter of one repository is that of all with `:NAME` behind it, `:` alone for [mirror]. What
 * crossed the link belongs to the repository that lists it, what was served to the one under whose
 * address it was asked for; an archive that no package lists counts for all together only.
 */
#ifndef MIRROR_SAVINGS_H
#define MIRROR_SAVINGS_H

#include "mirror/catalogues.h"
#include "mirror/handler.h"

/* Adds to the counter MIRROR_COUNT_* of a repository. 0, or -1, logged. */
int savings_count(struct store *store, const char *counter, const char *repository, int64_t more);

/* The same as mirror_progress, for whoever has catalogues and no mirror. */
size_t savings_progress(struct catalogues *catalogues, struct store *store,
                        struct mirror_progress *list, size_t room);

#endif
