/*
 * route: which function answers which request.
 *
 * Two tables: web_routes (route.c, the server's) and page_routes (page.c, the pages'). The first
 * row whose pattern fits the path and whose methods contain the request's wins. A pattern is a
 * whole path; a `*` at its end stands for the rest, which may be empty and is handed over in
 * call->rest; a
 * `:` at its end stands for one segment that is not empty. A path that fits rows of other methods
 * only is 405 with Allow; none is 404. HEAD goes to the row for GET.
 *
 * Before a handler is called: the request was well formed, Host is one of ours, a write's Origin is
 * ours, and the visitor is known.
 */
#ifndef WEB_ROUTE_H
#define WEB_ROUTE_H

#include "web/visitor.h"

struct web;
struct desk;

/* One request and what its handler needs. */
struct call {
    struct http_request *http;
    struct web *web;
    const struct config *config; /* of this moment; valid during the call */
    struct store *store;         /* lent for the call, see call_release */
    struct drop *drop;
    struct visitor visitor;
    struct desk *desk; /* web.c's */
    bool turn;         /* has one, see turn.h; to the first call_release */
    const char *rest;  /* what the pattern's end stood for */
};

typedef void route_handler(struct call *call);

#define ROUTE(method) (1u << (method))
#define ROUTE_READ    (ROUTE(HTTP_GET) | ROUTE(HTTP_HEAD))

enum route_who {
    ROUTE_ANYBODY,
    ROUTE_ADMITTED, /* guests, too, but nobody who waits for a host to let them in: 403 */
    ROUTE_LISTENER, /* people and words: signed in, or newcomers are open; else 401 */
    ROUTE_PERSON,   /* signed in, else 401 */
    ROUTE_HOST,     /* a host, else 401 or 403 */
};

struct route {
    unsigned methods;
    const char *pattern;
    route_handler *handler;
    enum route_who who;
};

/* Both end with a row whose pattern is NULL. */
extern const struct route web_routes[];
extern const struct route page_routes[];

/*
 * Gives store and drop back early (both are NULL then). Few connections to the store serve all
 * threads: whoever is about to send much or for a long time, or to wait, gives them back first, and
 * with them the turn, and takes them again for each look with call_acquire (0, or -1: failed).
 */
void call_release(struct call *call);
int call_acquire(struct call *call);
/* Lets the lists of the drop name people only to a visitor who may read who is there; call_acquire
 * does, and whoever finds out later who the visitor is. */
void call_name_owners(struct call *call);

/* Answers that whoever asks is banned, and why ("" not said). */
void route_say_banned(struct call *call, const char *reason);

/* Answers: finds the row, or says why not. The http_handler's work. */
void route_answer(struct call *call);

/* Pure: the row for a method and path, NULL for none; *rest is set. *allow gathers the methods of
 * the rows that fit the path. */
const struct route *route_find(const struct route *table, enum http_method method, const char *path,
                               const char **rest, unsigned *allow);

#endif
