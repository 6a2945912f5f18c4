/*
 * people: who is here, and what hosts do about it.
 */
#ifndef WEB_PEOPLE_H
#define WEB_PEOPLE_H

#include "web/route.h"

/* GET /people */
void people_answer(struct call *call);

/* hosts.c: for hosts only. GET /people/NAME; POST /people/act: `act` and `name`, and what the act
 * takes. */
void hosts_person(struct call *call);
void hosts_act(struct call *call);
/* Appends list items: everybody, and the bans that hold. */
void hosts_everybody(struct call *call, struct buf *everybody, struct buf *bans);

#endif
