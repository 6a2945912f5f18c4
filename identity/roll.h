/*
 * roll: everybody, as hosts and who holds the box are told of them.
 *
 * The list, one person with what proves them and where they are just now, and the bans: one text
 * and one JSON for `riad people`, the chat and (the facts) the browser. Which device a session
 * comes from, by its lease, is told here and to no other participant. JSON is one array (list,
 * bans) or one object (show); its members are the store's columns. Nothing here shows a private
 * message.
 */
#ifndef IDENTITY_ROLL_H
#define IDENTITY_ROLL_H

#include "base/buf.h"
#include "identity/person.h"
#include "identity/presence.h"

/* Who is here, read once. */
struct roll {
    struct store *store;
    struct presence *list;
    size_t count, room;
};

/* live: false for a box that does not run, whose open doors are nobody's. 0 or -1. */
int roll_open(struct roll *roll, struct store *store, bool live);
void roll_close(struct roll *roll);

/* The doors through which somebody is here, each once: `ssh web`; "" none. */
#define ROLL_DOORS_MAX 40
void roll_doors(const struct roll *roll, int64_t person_id, char out[ROLL_DOORS_MAX]);

/* The device that has an address now, by its lease: its name, else its hardware address; "" if it
 * has none. */
#define ROLL_DEVICE_MAX 256
void roll_device(struct store *store, const char *address, char out[ROLL_DEVICE_MAX]);

/* Everybody, those who wait first, then by name. */
struct roll_row {
    const struct person *person;
    bool banned, muted;
    const char *doors; /* as roll_doors */
};
typedef void roll_each(void *context, const struct roll_row *row);
int roll_list(const struct roll *roll, roll_each *each, void *context); /* 0 or -1 */
int roll_list_json(const struct roll *roll, struct buf *out);           /* 0 or -1 */

/* How a text begins and ends what stands out; each may be "". */
struct roll_style {
    const char *bold, *bad, *plain;
};
/* One person. 0 or -1. */
int roll_show(const struct roll *roll, const struct person *person, const struct roll_style *style,
              struct buf *out);
int roll_show_json(const struct roll *roll, const struct person *person, struct buf *out);

/* What a ban is about, as people know it: a name, an address, a key's fingerprint. Lent by ban or
 * by out. */
#define ROLL_SUBJECT_MAX 80
const char *roll_subject(const struct ban *ban, char out[ROLL_SUBJECT_MAX]);
/* The bans that hold. 0 or -1. */
int roll_bans_json(struct store *store, struct buf *out);

#endif
