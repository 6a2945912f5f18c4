/*
 * share: how many of the connections that can be served at once each address may have.
 *
 * A connection has a thread for as long as it lasts, and somebody who opens many of them and
 * neither ends a request nor reads an answer must not leave none for others. An address may have
 * one more as long as fewer are its own than are free: alone it gets half of all, and whoever comes
 * then still finds as many as it has (the dynamic threshold of Choudhury and Hahne). 127.0.0.1 is
 * the box itself, its probe or a proxy of the organiser's, and never turned away.
 *
 * Safe on many threads.
 */
#ifndef WEB_SHARE_H
#define WEB_SHARE_H

#include <netinet/in.h>
#include <stdbool.h>

/* How many there are to share, from now on; nobody has one. */
void share_open(int connections);

/* Whether that address may have one more, which is counted then. Who has none may always. */
bool share_take(struct in_addr address);

/* One of its connections has ended. */
void share_give(struct in_addr address);

#endif
