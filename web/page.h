/*
 * page: what people see in a browser. The maker of pages fills this in.
 */
#ifndef WEB_PAGE_H
#define WEB_PAGE_H

#include "web/route.h"

/* Answers GET of a folder of the drop (call->rest is its path, "" for the drop itself) as HTML. */
void page_listing(struct call *call, const char *folder);

/* The QR code of an address as SVG: answers the request. */
void page_qr(struct call *call, const char *address);

/* Main thread, each second and whenever the doorbell rang: wakes whoever waits for events. */
void page_look(struct store *store);

#endif
