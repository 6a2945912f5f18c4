/*
 * people: who is here, and what hosts do about it.
 */
#ifndef WEB_PEOPLE_H
#define WEB_PEOPLE_H

#include "web/route.h"

/* GET /people */
void people_answer(struct call *call);
/* POST /people/act: `name`, `act`: admit, kick, mute, unmute, ban, unban, promote, demote. */
void people_act(struct call *call);

#endif
