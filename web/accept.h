/*
 * accept: the listening sockets of the web, which civetweb believes to be its own.
 *
 * civetweb 1.15 opens its sockets itself and has no call to adopt any. Ours, which outlive this
 * process with the keeper, take the place of those that it opened, by dup3(2), between its opening
 * and its first accept. Its loop also turns without a pause while accept(2) fails for want of
 * descriptors or memory: accept.c defines the accept that the library finds before the C library's,
 * and that waits a moment then. It also turns away whose address has its share of connections
 * already, before they cost a thread: see share.h.
 */
#ifndef WEB_ACCEPT_H
#define WEB_ACCEPT_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define ACCEPT_MAX  8
#define ACCEPT_SCAN 64 /* civetweb's own sockets have low numbers: they are born at the start */

struct accept {
    const int *listens; /* ours, the caller's */
    size_t count;
    int places[ACCEPT_MAX]; /* where civetweb has them */
    atomic_bool adopted;
};

/* Before mg_start, with all listening sockets that the process has. Silent connections are not
 * accepted for some seconds (TCP_DEFER_ACCEPT): each would hold a thread. count: at most
 * ACCEPT_MAX. most: connections that can be served at once. */
void accept_prepare(struct accept *doors, const int *listens, size_t count, int most);

/* In civetweb's callback init_thread with type 0; sets adopted when all took their places. */
void accept_adopt(struct accept *doors);

/* A connection of that address has ended. */
void accept_gone(struct in_addr address);

/* From now on nobody is accepted: whoever comes waits in the sockets' backlog, which the keeper
 * holds open, for the next riad-web. */
void accept_end(struct accept *doors);

#endif
