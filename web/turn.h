/*
 * turn: how many requests look into the store at the same time.
 *
 * Each such look needs a connection to the store, megabytes of memory and a processor: beyond a few
 * at once all of them only become slower, and with hundreds nobody is answered in time. So they
 * take turns, which addresses share as share.h says: who asks for much waits behind what they
 * asked for themselves.
 */
#ifndef WEB_TURN_H
#define WEB_TURN_H

#include <stdbool.h>

/* Waits for a turn; address is the client's, as text. false: it took too long. */
bool turn_take(const char *address);

/* Ends it. */
void turn_give(const char *address);

#endif
