/*
 * clock: the box's time never begins before what its store holds.
 *
 * A small machine has no clock of its own: it wakes up in 1970, or where it was switched off, and
 * is told the time later, if it ever finds a time server. What people said and dropped before
 * would lie in the future then, and sign-ins that begin now would end the moment the clock is set.
 * So a box whose clock is behind its own store goes on from the newest time there, until the clock
 * has overtaken it (when_set_base). A clock that is set and more than a day behind is believed:
 * then it was the other one that was wrong.
 */
#ifndef IDENTITY_CLOCK_H
#define IDENTITY_CLOCK_H

#include "identity/store.h"

/* For whoever prepares the store before the services start: compares it with the clock and writes
 * down what comes of it. The base to pass to when_set_base; WHEN_NO_BASE if the clock is good, or
 * the store failed (logged). */
int64_t clock_begin(struct store *store);

/* For everybody who opens the store, again and again: takes up what clock_begin wrote down. */
void clock_take(struct store *store);

/* Pure. What comes of a clock that says machine_ms, on a program that was made at made_ms, with
 * newest_ms the newest time in the store. */
int64_t clock_base(int64_t newest_ms, int64_t machine_ms, int64_t monotonic_ms, int64_t made_ms);

#endif
