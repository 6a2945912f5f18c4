/*
 * expel: who is sent out stops sending, too.
 *
 * A ban, a kick, a sign-in or token that was taken away, somebody forgotten: whatever they are
 * sending at that moment (an upload may take hours) is cut off within a second, as a lost
 * connection would be. What has arrived of it is kept or not by the drop's own rules. Streams end
 * by themselves, with a good-bye (feed.h).
 */
#ifndef WEB_EXPEL_H
#define WEB_EXPEL_H

#include "identity/store.h"
#include "web/http.h"

/* Takes up the events from now on. 0 or -1. */
int expel_open(struct store *store);

/* Main thread: reads what happened and cuts off whom it is about. */
void expel_look(struct store *store, struct http *http);

#endif
