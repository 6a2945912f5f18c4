/*
 * visitor: who asks.
 *
 * A person, by the cookie of a browser that signed in, or by a bearer token; otherwise a guest.
 * A guest may carry a secret, so that they can go on with their own uploads and delete them: in the
 * cookie VISITOR_GUEST_COOKIE (browsers), or as a bearer token that an upload's answer gave
 * (`Drop-Token`), whose beginning tells it from a person's. Only its digest is kept with the files.
 *
 * Writes (all but GET, HEAD, OPTIONS) with a foreign or null Origin, or that the browser itself
 * calls cross-site, are refused before a visitor is made of anybody: a cookie never acts for
 * somebody else's page. A write that says nothing of its origin is no browser's: it is a guest's,
 * unless it has a token.
 */
#ifndef WEB_VISITOR_H
#define WEB_VISITOR_H

#include "drop/drop.h"
#include "identity/person.h"
#include "web/reply.h"

#define VISITOR_COOKIE       "riad"       /* a signed-in browser's secret */
#define VISITOR_GUEST_COOKIE "riad_guest" /* a guest's */
#define VISITOR_DROP_TOKEN   "guest-"     /* what a Drop-Token begins with, before the secret */

struct visitor {
    bool known; /* a person: person and credential_id are filled in */
    struct person person;
    int64_t credential_id;
    bool by_token;            /* known by a bearer token, not by a cookie */
    bool guessed;             /* sent a token that is no person's: ended, mistyped or a guess */
    bool has_guest;           /* carries a guest's secret (a person may, too: from before) */
    char secret[SECRET_TEXT]; /* that secret */
    struct drop_actor actor;  /* the same for the drop's calls */
    const char *address;      /* the client's */
};

/* Who it is. 0, or -1 (the store failed): answer 500. */
int visitor_of(struct http_request *request, struct store *store, struct visitor *visitor);

/* Whether somebody who is no visitor that is known is one who is banned. 1 (the reason, yours to
 * free, in *reason), 0, -1. */
int visitor_banned(struct http_request *request, struct store *store, char **reason);

/* Whether a write may come from where it says: Origin and Sec-Fetch-Site. A sign-in that is carried
 * over (POST /join/CODE) may come from the page under another of the box's names, by the same port:
 * a one-time code, which no other page can know, stands for it. */
bool visitor_origin_ok(const struct http_request *request, const struct config *config);

/* Gives a guest without a secret one, and sets the cookie with it in the answer that follows (for
 * pages and for uploads). Nothing for a person, or who has one. */
void visitor_greet(struct http_request *request, struct visitor *visitor);

/* Whether this visitor may read people and words while newcomers are not welcome to everything
 * (interface.md: while `newcomers` is not `open`, people and words are for those signed in). */
bool visitor_may_listen(const struct visitor *visitor, const struct config *config);

#endif
