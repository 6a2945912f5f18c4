/*
 * reset: forgetting, all at once for the next event, or by age.
 */
#ifndef IDENTITY_RESET_H
#define IDENTITY_RESET_H

#include "identity/store.h"

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

/*
 * Keeps house; for one service to call about once a minute. Events beyond those that a reader may
 * still ask for go, expired credentials and codes, and with keep_s ([box] keep) above 0 messages,
 * reports and leases that are older. Does a bounded piece of work at a time. 0 or -1.
 */
int reset_tidy(struct store *store, int64_t keep_s);

#endif
