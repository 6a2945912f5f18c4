/*
 * orphan: services that outlived their keeper.
 *
 * A service hears of its keeper's death twice, by the end of its descriptor and by SIGTERM, and
 * ends. One that hangs or was stopped (SIGSTOP) just then does neither: it would hold ports and the
 * store against the next box for ever. A keeper that finds that the last one did not end in order
 * therefore looks up the processes that were published, and kills those that still are services and
 * whose parent is no keeper.
 */
#ifndef SUPERVISOR_ORPHAN_H
#define SUPERVISOR_ORPHAN_H

#include "config/config.h"

/* Ends what the last keeper on this state folder left, and waits until it is gone. The caller holds
 * the lock of the state folder. How many; each is logged. */
int orphan_end_all(const struct config *config);

#endif
