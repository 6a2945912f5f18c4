/*
 * savings: what the mirror saved, by repository, and the archives that are on their way with speed
 * and time left. Nothing where the mirror is off.
 */
#ifndef WEB_SAVINGS_H
#define WEB_SAVINGS_H

#include "web/door.h"

/* Lists for the home page; nothing where there is one repository and nothing is on its way. */
void savings_html(struct call *call, struct buf *out);
/* The same in lines, below what the plain page says of all together. */
void savings_text(struct call *call, struct buf *out);
/* Metrics, labelled by repository and by archive. */
void savings_metrics(struct call *call, struct buf *out);

#endif
