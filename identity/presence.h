/*
 * presence: who is here, by whichever door.
 *
 * Each open door is a row that its service adds, touches and removes; a service clears its own
 * doors when it starts, so that a crash leaves no ghosts. A browser is here while its page follows
 * the chat, and only then. seen_at is when something was last typed or said there.
 */
#ifndef IDENTITY_PRESENCE_H
#define IDENTITY_PRESENCE_H

#include "identity/person.h"

struct presence {
    int64_t session_id, person_id; /* person_id 0: a guest */
    char door[8];                  /* "ssh", "sftp", "web" */
    char name[NAME_MAX_BYTES];
    enum person_role role;
    char address[64]; /* never shown to other participants */
    char room[NAME_MAX_BYTES];
    char away[256];
    int64_t since, seen_at;
};

/* Enters; the session's id in *session_id. 0 or -1. */
int presence_enter(struct store *store, const char *door, int64_t person_id, const char *address,
                   int64_t *session_id);
/* Something came by that session; or by a door of that person, whichever session it was. */
int presence_touch(struct store *store, int64_t session_id, int64_t now_ms);
int presence_active(struct store *store, const char *door, int64_t person_id, int64_t now_ms);
int presence_move(struct store *store, int64_t session_id, int64_t room_id);
int presence_away(struct store *store, int64_t session_id, const char *away);
int presence_leave(struct store *store, int64_t session_id);
/* All sessions through that door end: for a service that starts. */
int presence_clear(struct store *store, const char *door);

typedef void presence_each(void *context, const struct presence *presence);
/* Everybody's sessions, a person's together: who was seen last comes first, guests come at the end.
 * 0 or -1. */
int presence_list(struct store *store, presence_each *each, void *context);
/* How many people (not sessions) are here. -1 failed. */
int64_t presence_count(struct store *store);

#endif
