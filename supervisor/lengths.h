/*
 * lengths: how long archives are that are not in the cache, for `riad prefetch`.
 *
 * Commands do not cross the link: a second riad-mirror does, for as long as it is asked, with all
 * that the service has given up (mirror/sizes.h). The box may run or not.
 */
#ifndef SUPERVISOR_LENGTHS_H
#define SUPERVISOR_LENGTHS_H

#include "supervisor/mirrors.h"

struct lengths;

/* Begins to ask for those that are neither here nor known. archives stay where they are until
 * lengths_end. NULL: it cannot be asked, logged. */
struct lengths *lengths_ask(const struct config *config, struct mirrors_archive *archives,
                            size_t count);

/* Waits at most timeout_ms for more, and notes what came as archives' length. Whether there may be
 * more; lengths may be NULL. */
bool lengths_look(struct lengths *lengths, int timeout_ms);

/* Asks for nothing more. */
void lengths_end(struct lengths *lengths);

#endif
