#include "identity/presence.h"
#include "identity/person_private.h"

#include "base/text.h"
#include "base/when.h"
#include "identity/event.h"

#include <string.h>

/* Ends the change of a session, and tells of it unless it changed nothing. 0 or -1. */
static int ended(struct store *store, int result, int64_t session_id)
{
    if (result == 0 && store_changes(store) > 0)
        result = event_append(store, EVENT_PRESENCE, session_id);
    return store_end(store, result);
}

int presence_enter(struct store *store, const char *door, int64_t person_id, const char *address,
                   int64_t *session_id)
{
    int64_t now = when_wall_ms();
    if (store_begin(store, STORE_SOON))
        return -1;
    int result = store_run(store,
                           "INSERT INTO session (door, person_id, address, since, seen_at) "
                           "VALUES (?1, nullif(?2, 0), ?3, ?4, ?4)",
                           "sisi", door, person_id, address ? address : "", now);
    if (result == 0)
        *session_id = store_last_id(store);
    if (result == 0 && person_id)
        result = store_run(store, "UPDATE person SET seen_at = max(seen_at, ?) WHERE id = ?", "ii",
                           now, person_id);
    if (result == 0)
        result = event_append(store, EVENT_PRESENCE, *session_id);
    return store_end(store, result);
}

int presence_touch(struct store *store, int64_t session_id, int64_t now_ms)
{
    return store_run_soon(store, "UPDATE session SET seen_at = max(seen_at, ?) WHERE id = ?", "ii",
                          now_ms, session_id)
               ? -1
               : 0;
}

int presence_active(struct store *store, const char *door, int64_t person_id, int64_t now_ms)
{
    return store_run_soon(store,
                          "UPDATE session SET seen_at = max(seen_at, ?) "
                          "WHERE person_id = ? AND door = ?",
                          "iis", now_ms, person_id, door)
               ? -1
               : 0;
}

int presence_move(struct store *store, int64_t session_id, int64_t room_id)
{
    if (store_begin(store, STORE_SOON))
        return -1;
    int result = store_run(store, "UPDATE session SET room_id = nullif(?, 0) WHERE id = ?", "ii",
                           room_id, session_id);
    return ended(store, result, session_id);
}

int presence_away(struct store *store, int64_t session_id, const char *away)
{
    struct buf clean;
    buf_init(&clean, sizeof((struct presence *)0)->away - 1);
    text_clean(&clean, away, strlen(away), TEXT_ONE_LINE);
    int result = store_begin(store, STORE_SOON);
    if (result == 0) {
        result = store_run(store, "UPDATE session SET away = ? WHERE id = ?", "si",
                           buf_text(&clean), session_id);
        result = ended(store, result, session_id);
    }
    buf_done(&clean);
    return result;
}

int presence_leave(struct store *store, int64_t session_id)
{
    if (store_begin(store, STORE_SOON))
        return -1;
    int result = store_run(store,
                           "UPDATE person SET seen_at = max(seen_at, ?) WHERE id = "
                           "(SELECT person_id FROM session WHERE id = ?)",
                           "ii", when_wall_ms(), session_id);
    if (result == 0)
        result = store_run(store, "DELETE FROM session WHERE id = ?", "i", session_id);
    return ended(store, result, session_id);
}

int presence_clear(struct store *store, const char *door)
{
    if (store_begin(store, STORE_SOON))
        return -1;
    return ended(store, store_run(store, "DELETE FROM session WHERE door = ?", "s", door), 0);
}

int presence_list(struct store *store, presence_each *each, void *context)
{
    struct rows rows;
    int found;
    rows_open(&rows, store,
              "SELECT session.id, session.person_id, door, person.name, person.role, address, "
              "room.name, away, since, session.seen_at, "
              "max(session.seen_at) OVER (PARTITION BY session.person_id) AS last FROM session "
              "LEFT JOIN person ON person.id = session.person_id "
              "LEFT JOIN room ON room.id = session.room_id "
              "ORDER BY person.name IS NULL, last DESC, person.name, door, session.id",
              "");
    while ((found = rows_next(&rows)) == 1) {
        struct presence presence = {
            .session_id = rows_int(&rows, 0),
            .person_id = rows_int(&rows, 1),
            .role = person_role_parse(rows_text(&rows, 4)),
            .since = rows_int(&rows, 8),
            .seen_at = rows_int(&rows, 9),
        };
        FIELD(presence.door, rows_text(&rows, 2));
        FIELD(presence.name, rows_text(&rows, 3));
        FIELD(presence.address, rows_text(&rows, 5));
        FIELD(presence.room, rows_text(&rows, 6));
        FIELD(presence.away, rows_text(&rows, 7));
        each(context, &presence);
    }
    rows_close(&rows);
    return found;
}

int64_t presence_count(struct store *store)
{
    int64_t count = 0;
    return store_int(store, &count, "SELECT count(DISTINCT person_id) FROM session", "") == -1
               ? -1
               : count;
}
