/*
 * feed: what happens, as it happens, for everybody who follows.
 *
 * The main thread reads the events of the store once and renders each piece of news once, as a
 * block of the event stream format (HTML, "Server-sent events"), into a bounded list. Followers
 * copy from it what is theirs to see; a slow one loses nothing but its place (FEED_LOST) and reads
 * the store instead. A follower costs a thread that sleeps and no connection to the store.
 *
 * News: messages (`id:` is the message's, so that Last-Event-ID resumes), and without an id
 * `removed`, `file`, `gone`, `coming`, `here`, `again`: see riad-http(7).
 */
#ifndef WEB_FEED_H
#define WEB_FEED_H

#include "base/buf.h"
#include "identity/conversation.h"

/* Takes up the events from now on, unless that was done before. Thread-safe. 0 or -1. */
int feed_start(struct store *store);
void feed_end(void);

/* Main thread: reads what happened, renders it and wakes all. */
void feed_look(struct store *store);

/* All followers look again whether they are still welcome (FEED_RIGHTS). */
void feed_ask_again(void);

/* Sends all followers away. */
void feed_stop(void);

/* Appends a message as a block: `id: ID`, `data: JSON`. */
void feed_message(struct buf *out, const struct message *message);

/* Whom a reader does not want to read. */
#define FEED_IGNORED_MAX 64
struct feed_ignored {
    int64_t person_id[FEED_IGNORED_MAX];
    size_t count;
};
void feed_ignored_of(struct store *store, int64_t reader_id, struct feed_ignored *ignored);
bool feed_ignores(const struct feed_ignored *ignored, int64_t person_id);

struct feed_reader {
    struct feed_ignored ignored;
    int64_t place;     /* the next piece of news */
    int64_t rights;    /* see feed_wait */
    int64_t kick;      /* the next kick to look at */
    int64_t person_id; /* whose private messages; 0 nobody's */
    int64_t room_id;   /* of this room only; 0 all */
    int64_t last;      /* the last message that was sent: none up to it is handed out again */
};

/* Sets place and rights to now. Read the store for what came before only afterwards. */
void feed_begin(struct feed_reader *reader);

enum feed_got {
    FEED_NEWS,   /* appended to out */
    FEED_QUIET,  /* nothing within timeout_ms */
    FEED_RIGHTS, /* somebody was banned, renamed, signed out: look again who this is */
    FEED_KICKED, /* a host has ended the sessions of whoever reads */
    FEED_LOST,   /* the place is gone: send an `again` and what the store has after last */
    FEED_STOP    /* go */
};
#define FEED_OUT_MAX (256 * 1024) /* bytes that out must have room for */
enum feed_got feed_wait(struct feed_reader *reader, struct buf *out, int timeout_ms);

/* How many follow now, for the page and the metrics. */
int feed_followers(void);
void feed_follow(int more);

#endif
