/*
 * home: the first page, and the same as plain text for curl.
 */
#ifndef WEB_HOME_H
#define WEB_HOME_H

#include "web/route.h"

/* GET / */
void home_answer(struct call *call);

#endif
