/*
 * share: something of which there is a number, shared among addresses.
 *
 * Somebody who takes what they can get and gives nothing back must not leave none for others. An
 * address may have one more as long as fewer are its own than `weight` times those that are free:
 * with a weight of 1, alone it gets half of all and whoever comes then still finds as many as it
 * has; with 4 it gets four fifths (the dynamic threshold of Choudhury and Hahne).
 *
 * Safe on many threads.
 */
#ifndef WEB_SHARE_H
#define WEB_SHARE_H

#include <netinet/in.h>
#include <stdbool.h>

struct share;

struct share *share_new(int count, int weight);
void share_free(struct share *share);

/* Whether that address may have one more, which is counted then. Who has none may always; with
 * always the others may, too. */
bool share_take(struct share *share, struct in_addr address, bool always);

/* A client's address, from its text. */
struct in_addr share_address(const char *text);

/* One that the address took has come back. */
void share_give(struct share *share, struct in_addr address);

#endif
