/*
 * event: what happened, in order, for whoever was rung.
 *
 * A row in the same transaction as the change. subject is the id of the row that changed. Readers
 * remember the last id they have seen; whoever finds that the events after it have been trimmed
 * looks at everything anew.
 */
#ifndef IDENTITY_EVENT_H
#define IDENTITY_EVENT_H

#include "identity/store.h"

/* Kinds, as they stand in the table. */
#define EVENT_MESSAGE  "message"  /* message.id: said, or its words removed */
#define EVENT_ROOM     "room"     /* room.id: opened, or its topic changed */
#define EVENT_PERSON   "person"   /* person.id: claimed, renamed, role, mute, forgotten */
#define EVENT_BAN      "ban"      /* ban.id: made or lifted */
#define EVENT_PRESENCE "presence" /* session.id: came, went, moved, away */
#define EVENT_REVOKED  "revoked"  /* credential.id: no longer opens a door */
#define EVENT_FILE     "file"     /* file.id: published, replaced, removed, renamed */
#define EVENT_ARRIVAL  "arrival"  /* arrival.id: began or ended */
#define EVENT_FLIGHT   "flight"   /* flight.id: wanted, length known, landed, failed */
#define EVENT_LEASE    "lease"    /* 0: leases changed */
#define EVENT_KICK     "kick"     /* person.id: close their chat sessions */
#define EVENT_REPORT   "report"   /* report.id: somebody told the hosts something */
#define EVENT_REFRESH  "refresh"  /* 0: the mirror's index is to be renewed now */

/* Appends one, within the caller's transaction. 0 or -1. */
int event_append(struct store *store, const char *kind, int64_t subject);

/* The id of the newest event, 0 if there was none ever; -1 failed. */
int64_t event_last(struct store *store);

/* Called for each event; kind is one of the words above. */
typedef void event_handler(void *context, const char *kind, int64_t subject);

/*
 * Hands every event after *seen to handler, in order, and moves *seen on. 1 if all were there,
 * 0 if some had been trimmed (handler is then not called; *seen is the newest: look at everything
 * anew), -1 failed. The events are read first; handler may use the store.
 */
int event_read(struct store *store, int64_t *seen, event_handler *handler, void *context);

/* Forgets all but the newest keep events. 0 or -1. */
int event_trim(struct store *store, int64_t keep);

#endif
