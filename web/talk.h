/*
 * talk: the conversation in a browser: the panel of the home page, /chat, what was said as JSON.
 */
#ifndef WEB_TALK_H
#define WEB_TALK_H

#include "identity/conversation.h"
#include "web/route.h"

/* What of the conversation is asked for, from the query of a request: room, with, after, before,
 * limit, day, q, person. */
struct talk_wish {
    struct message_query query;
    struct room room;   /* id 0: all rooms */
    struct person with; /* id 0: nobody in particular */
    char words[512];    /* what query.words points to */
    char person[NAME_MAX_BYTES], day[16];
    bool looks_back;     /* not the newest of a room: nothing is appended live */
    bool edits;          /* words that may be taken back have a button */
    bool alone;          /* the panel is the page, not a part of one */
    const char *trouble; /* what was wrong with it; NULL */
    int status;          /* of the answer then: 404 not there, 400 not well formed */
};

/* Fills it in; without room, with and search: the room `fallback`, 0 for all rooms. */
void talk_wish(struct call *call, int64_t fallback, struct talk_wish *wish);

/* Appends the panel as HTML, with what the wish finds. */
void talk_panel(struct call *call, const struct talk_wish *wish, struct buf *out);

/* GET /chat, GET /api/messages, POST /chat/messages, POST /chat/remove, GET /chat/events */
void talk_answer(struct call *call);
void talk_messages(struct call *call);
void talk_say(struct call *call);
void talk_remove(struct call *call);
void talk_follow(struct call *call);

#endif
