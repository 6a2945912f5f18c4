/*
 * home: the first page, and the same as plain text for curl.
 */
#ifndef WEB_HOME_H
#define WEB_HOME_H

#include "web/route.h"

/* GET / */
void home_answer(struct call *call);

/* Why this visitor may not upload now, as a sentence; NULL: they may. */
const char *home_no_drop(const struct call *call);

#endif
