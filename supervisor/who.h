/*
 * who: which process holds a port.
 *
 * Read from /proc. Without root only one's own processes can be named.
 */
#ifndef SUPERVISOR_WHO_H
#define SUPERVISOR_WHO_H

#include "base/listen.h"

/* Transports as /proc/net calls them. */
enum who_transport { WHO_TCP, WHO_UDP };

/* Who listens there (or on all addresses with that port), as `sshd, pid 812`; `another program` if
 * it cannot be named; NULL if nobody does. Yours to free. */
char *who_listens(enum who_transport transport, const union listen_address *address);

#endif
