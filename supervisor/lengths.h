/*
 * lengths: how long archives are that are not in the cache, for `riad prefetch`.
 *
 * Commands do not cross the link: a second riad-mirror does, for as long as it is asked, with all
 * that the service has given up (mirror/sizes.h). The box may run or not. What was learnt is kept
 * in the mirror's folder, in a file `sizes` that may be thrown away: a line `ALGO:HEX BYTES` each.
 * Like all that sources say of lengths it is shown and never relied on.
 */
#ifndef SUPERVISOR_LENGTHS_H
#define SUPERVISOR_LENGTHS_H

#include "supervisor/mirrors.h"

/* Notes what earlier commands have learnt as archives' length. */
void lengths_recall(const struct config *config, struct mirrors_archive *archives, size_t count);

struct lengths;

/* Begins to ask for those that are neither here nor known. archives stay where they are until
 * lengths_end. NULL: it cannot be asked, logged. */
struct lengths *lengths_ask(const struct config *config, struct mirrors_archive *archives,
                            size_t count);

/* Waits at most timeout_ms for more, and notes what came as archives' length. Whether there may be
 * more; lengths may be NULL. */
bool lengths_look(struct lengths *lengths, int timeout_ms);

/* Asks for nothing more, and keeps what was learnt. */
void lengths_end(struct lengths *lengths);

#endif
