/*
 * conversation: rooms, what was said in them, and what was said in private.
 *
 * Whoever says something is told its id: what has an id is in the history, exactly once, and comes
 * to every reader in the order of ids. Texts are cleaned by text_clean before they get here and are
 * checked once more. Private messages are only ever read for the two whose they are.
 */
#ifndef IDENTITY_CONVERSATION_H
#define IDENTITY_CONVERSATION_H

#include "base/buf.h"
#include "identity/person.h"

#define ROOM_LOBBY       1
#define ROOM_PUBLIC      (-2)
#define MESSAGE_MAX_TEXT 16384 /* bytes, whatever the configuration says */
#define TOPIC_MAX        512

/* What a message of so many bytes counts where people are slowed down: a long one fills as much of
 * everybody's connection as many short ones. The same for a row of the table. */
static inline int64_t message_weight(size_t bytes)
{
    return 1 + (int64_t)bytes / 1024;
}
#define MESSAGE_WEIGHT_SQL "1 + length(CAST(text AS BLOB)) / 1024"

/* A `file` or `notice` is a whole sentence already (`ada dropped slides.pdf (1.2 MB)`): it is shown
 * without the name before it, though it has the person's id. */
enum message_kind { MESSAGE_SAY, MESSAGE_ME, MESSAGE_TOPIC, MESSAGE_FILE, MESSAGE_NOTICE };
const char *message_kind_name(enum message_kind kind);

struct message {
    int64_t id, at;
    int64_t room_id;   /* 0: private */
    int64_t person_id; /* 0: the box, or somebody forgotten */
    int64_t to_id;
    enum message_kind kind;
    bool removed;              /* the words are gone; text is "" */
    char room[NAME_MAX_BYTES]; /* "" for private */
    char name[NAME_MAX_BYTES]; /* "" for person_id 0 */
    char to[NAME_MAX_BYTES];
    const char *text; /* valid during the call that hands the message over */
};

/* Appends it as one JSON object, the same over SSH and HTTP and in an export: the columns of the
 * table `message`, the names of room and people (null for none) beside their ids, `time` (RFC 3339,
 * with the box's offset) beside `at`, and `removed`. */
void message_json(struct buf *out, const struct message *message);

struct message_new {
    int64_t room_id, person_id, to_id; /* as above */
    enum message_kind kind;
    const char *text;
};

/*
 * Says count things in one transaction, rings, and fills in ids (unless NULL). STORE_SOON: call
 * store_sync within a second. 0 or -1: nothing was said then.
 */
int conversation_say(struct store *store, const struct message_new *messages, size_t count,
                     int64_t *ids);

/* Within the caller's transaction: says one thing. 0 or -1. */
int message_put(struct store *store, const struct message_new *message);

/* Within the caller's transaction: the box says something in the lobby (a file arrived). 0 or -1.
 */
int conversation_notice(struct store *store, enum message_kind kind, int64_t person_id,
                        const char *text);

typedef void message_each(void *context, const struct message *message);

/* Which messages to read. */
struct message_query {
    int64_t reader_id;     /* private ones only of this person; 0: none */
    int64_t room_id;       /* 0: all rooms and the reader's private ones; -1: only the private ones;
                              ROOM_PUBLIC: all rooms, nothing private */
    int64_t with_id;       /* private ones with this person only; 0: anybody */
    int64_t person_id;     /* said by this person only; 0: anybody */
    int64_t after, before; /* ids, exclusive; 0: open */
    int64_t from_ms, until_ms; /* times; 0: open */
    const char *words;         /* full-text search, as typed (nothing in it is syntax; the last word
                                  may be the beginning of one); NULL: all */
    int64_t limit;             /* at most this many; <= 1000 */
    bool newest; /* the newest of them rather than the oldest; always handed over oldest first */
};
int conversation_read(struct store *store, const struct message_query *query, message_each *each,
                      void *context);

/* One message. 1, 0, -1; each is called for 1. Does not ask who reads. */
int conversation_get(struct store *store, int64_t id, message_each *each, void *context);

/* Takes the words of a message back; by is its author or a host (the caller's check). */
enum person_act conversation_remove(struct store *store, int64_t id, int64_t by);
/* The id of the last thing that a person said in a room (0: anywhere). 1, 0, -1. */
int conversation_last_of(struct store *store, int64_t person_id, int64_t room_id, int64_t *id);

/* The newest id, 0 if nothing was ever said; -1 failed. */
int64_t conversation_newest(struct store *store);

/* Messages older than before_ms go, by short transactions, at most so many of them; how many went,
 * or -1. */
int64_t conversation_forget(struct store *store, int64_t before_ms, int64_t at_most);

struct room {
    int64_t id;
    char name[NAME_MAX_BYTES];
    char topic[TOPIC_MAX + 1];
    int64_t members; /* who have it open now, over all doors */
};
int room_by_name(struct store *store, const char *name, struct room *room); /* 1, 0, -1 */
int room_by_id(struct store *store, int64_t id, struct room *room);         /* 1, 0, -1 */
/* Opens a room of that name unless it is there. 1 there is one now, 0 the name will not do, -1. */
int room_open(struct store *store, const char *name, struct room *room);
int room_set_topic(struct store *store, int64_t id, int64_t by_id, const char *topic);
typedef void room_each(void *context, const struct room *room);
int room_list(struct store *store, room_each *each, void *context);

/* Which rooms a person keeps joined, and the last message that they saw in each. The lobby always.
 */
int member_join(struct store *store, int64_t room_id, int64_t person_id);
int member_leave(struct store *store, int64_t room_id, int64_t person_id);
int member_rooms(struct store *store, int64_t person_id, room_each *each, void *context);
int member_seen(struct store *store, int64_t room_id, int64_t person_id, int64_t message_id);
int64_t member_last_seen(struct store *store, int64_t room_id, int64_t person_id); /* 0 never */

/* Tells the hosts. text quotes what was said before. 0 or -1. */
int report_make(struct store *store, int64_t by_id, int64_t about_id, const char *text);
struct report {
    int64_t id, at;
    char by[NAME_MAX_BYTES], about[NAME_MAX_BYTES]; /* "" forgotten */
    const char *text;
};
typedef void report_each(void *context, const struct report *report);
/* Those behind id after, for hosts only. 0 or -1. */
int report_list(struct store *store, int64_t after, report_each *each, void *context);

#endif
