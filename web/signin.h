/*
 * signin: who a browser is: one-time links and codes, free names, other credentials, going.
 *
 * A browser's secret is a cookie; the store keeps its digest. Asking about a code burns nothing,
 * so that a preview of a link costs nobody their sign-in; only a POST of the page itself uses it.
 * Wrong codes are slowed down per address and in all.
 */
#ifndef WEB_SIGNIN_H
#define WEB_SIGNIN_H

#include "web/route.h"

/* GET and POST /join, /join/CODE; POST /leave */
void signin_ask(struct call *call);
void signin_join(struct call *call);
void signin_leave(struct call *call);
/* POST /you/name: `name` becomes theirs, with this browser as its credential. */
void signin_name(struct call *call);
/* POST /you/move: `to`, one of the box's other names: carries the sign-in over there. */
void signin_move(struct call *call);

/* What to call this browser in lists: "Firefox on Android". out has 64 bytes. Pure. */
void signin_label(const char *user_agent, char *out);

#endif
