/*
 * poster: GET /poster, a page to print and hang up.
 */
#ifndef WEB_POSTER_H
#define WEB_POSTER_H

#include "web/route.h"

void poster_answer(struct call *call);

#endif
