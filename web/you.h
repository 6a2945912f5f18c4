/*
 * you: the page of who asks: their name, what signs them in, and going.
 */
#ifndef WEB_YOU_H
#define WEB_YOU_H

#include "web/route.h"

/* GET /you; for a guest the page to sign in */
void you_answer(struct call *call);
/* POST /you/rename: `name`; /you/revoke: `id`; /you/code: `kind` (key or browser); /you/token:
 * `expires` and `label`. The last two answer with a page that shows the secret once. */
void you_rename(struct call *call);
void you_revoke(struct call *call);
void you_code(struct call *call);
void you_token(struct call *call);

#endif
