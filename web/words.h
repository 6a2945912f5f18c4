/*
 * words: one message, as JSON and as a line of a page. Pure.
 */
#ifndef WEB_WORDS_H
#define WEB_WORDS_H

#include "base/buf.h"
#include "base/when.h"
#include "identity/conversation.h"

/* Goes through a list of messages, oldest first. */
struct words_list {
    struct buf *out;
    const char *reader; /* for whom; "" a guest */
    int64_t remover;    /* whose words get a button to take them back; -1 everybody's, 0 nobody's */
    bool rooms;         /* name the room of each (search over all of them) */
    char day[WHEN_MAX]; /* of the last one; starts empty */
    int64_t first, last; /* ids; 0 when there was none */
    int64_t count;
};

/* Appends it as `<li>`, behind one with the day if that is another than the last one's. A
 * message_each. */
void words_list_put(void *list, const struct message *message);

/* The colour of a name, 0 to 5; the script knows the same rule. */
unsigned words_colour(const char *name);

#endif
