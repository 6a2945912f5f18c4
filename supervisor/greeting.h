/*
 * greeting: what to type next, on the console of a box that has become ready.
 */
#ifndef SUPERVISOR_GREETING_H
#define SUPERVISOR_GREETING_H

#include "base/buf.h"
#include "config/config.h"

/* Appends the lines: ssh with the port that works and the host key's fingerprint, the page, opam.
 * Only what is enabled and listens. */
void greeting_put(struct buf *out, const struct config *config);

/* Writes them to standard error: on a terminal as they are, with a QR code of the page's address,
 * else a log line each. */
void greeting_print(const struct config *config);

#endif
