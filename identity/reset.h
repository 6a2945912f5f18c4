/*
 * reset: forgetting, all at once for the next event, or by age.
 */
#ifndef IDENTITY_RESET_H
#define IDENTITY_RESET_H

#include "identity/store.h"

#include <stdbool.h>

/* What there is to forget. */
struct reset_counts {
    int64_t people, messages, files, leases;
};
int reset_count(struct store *store, struct reset_counts *counts); /* 0 or -1 */

/*
 * Forgets people with all that is theirs, words, rooms but the lobby, reports, bans, the index of
 * files but of shelf/, arrivals, leases and what the box counted, in one transaction with the
 * events that running services need; then nothing of it is left in the file. Ids go on from where
 * they were, so that no reader confuses old with new. 0, or -1, logged.
 */
int reset_all(struct store *store);

/* A box without a clock of its own starts somewhere in the past; when the time comes by the
 * network, everything that was said is suddenly years old. Zeroed at the start. */
struct reset_clock {
    bool known;
    int64_t offset, until_ms; /* wall against monotonic; until when it is not believed */
};

/* Whether the wall clock has gone along with the monotonic one for a day, or since the first call.
 * A jump is logged. */
bool reset_clock_is_steady(struct reset_clock *clock, int64_t wall_ms, int64_t monotonic_ms);

/*
 * Keeps house; for one thread of the box to call about once a minute (drop/keeper.c; riad-dhcp,
 * where neither chat nor web is enabled). Events beyond those that a reader may still ask for go,
 * expired credentials and codes, and with keep_s ([box] keep) above 0 messages, reports and leases
 * that are older; nothing by its age while the clock is not steady. Does a bounded piece of work at
 * a time. 0 or -1.
 */
int reset_tidy(struct store *store, struct reset_clock *clock, int64_t keep_s);

#endif
