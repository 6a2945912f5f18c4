/*
 * page: what people see in a browser, and what the pages' script talks to.
 *
 * page_routes has: / (home; plain text to who does not ask for HTML), /page/ (style, script),
 * /chat, /chat/events, /chat/messages, /api/messages, /people, /you, /join, /leave, /poster.
 *
 * Pages are templates (web/page/, web/template.h) filled with text that web/html.h wrote. All of
 * them work without scripts.
 */
#ifndef WEB_PAGE_H
#define WEB_PAGE_H

#include "web/route.h"

/* Once, before requests come: prepares the assets, takes up the events, removes presence that an
 * earlier riad-web left. store is the main thread's. 0, or -1, logged. */
int page_open(struct store *store);

/* Main thread, each second and whenever the doorbell rang: wakes whoever waits for events. */
void page_look(struct store *store);

/* Another configuration is in force: whoever follows the chat may not be welcome to it now. */
void page_reconfigured(void);

/* Main thread, before http_stop: who follows events is sent away (they come back by themselves). */
void page_stop(void);
void page_close(void);

/* Answers GET of a folder of the drop (its path, "" for the drop itself) as HTML. */
void page_listing(struct call *call, const char *folder);

/* The QR code of an address as SVG: answers the request. */
void page_qr(struct call *call, const char *address);

/* Ends a call with a page: the frame around body, which is HTML. heading is the title's first part,
 * "" none; kind becomes a class of <main>. */
void page_reply(struct call *call, int status, const char *heading, const char *kind,
                const struct buf *body);

/* Ends a call with a page that says one thing, with a way on (a path and what it is called); to
 * whoever does not ask for HTML, with heading and text as an answer or an error. */
void page_note(struct call *call, int status, const char *heading, const char *text,
               const char *way, const char *way_text);

/* Ends a call with the page for the small browsers in which phones open what answers their probes:
 * it stands alone, since nothing else can be loaded under a foreign name. way: the box's address.
 */
void portal_answer(struct call *call, const char *way);

/* Whether the client would rather read HTML: Accept names text/html. */
bool page_wants_html(const struct call *call);

#endif
