#include "identity/conversation.h"
#include "identity/person_private.h"

#include "base/text.h"
#include "base/when.h"
#include "identity/event.h"

#include <string.h>

#define COLUMNS                                                                                    \
    "room.id, room.name, room.topic, "                                                             \
    "(SELECT count(DISTINCT session.person_id) FROM session WHERE session.room_id = room.id)"

static void room_from_rows(struct rows *rows, struct room *room)
{
    room->id = rows_int(rows, 0);
    FIELD(room->name, rows_text(rows, 1));
    FIELD(room->topic, rows_text(rows, 2));
    room->members = rows_int(rows, 3);
}

static int one_room(struct rows *rows, struct room *room)
{
    memset(room, 0, sizeof *room);
    int found = rows_next(rows);
    if (found == 1)
        room_from_rows(rows, room);
    rows_close(rows);
    return found;
}

static int all_rooms(struct rows *rows, room_each *each, void *context)
{
    struct room room;
    int found;
    while ((found = rows_next(rows)) == 1) {
        room_from_rows(rows, &room);
        each(context, &room);
    }
    rows_close(rows);
    return found;
}

/* Folds what was typed, with or without a leading #. Rooms may have the names that people may not.
 */
static bool room_name(const char *typed, char *name)
{
    enum name_verdict verdict = name_check(*typed == '#' ? typed + 1 : typed, name);
    return verdict == NAME_GOOD || verdict == NAME_RESERVED;
}

int room_by_name(struct store *store, const char *typed, struct room *room)
{
    char name[NAME_MAX_BYTES];
    struct rows rows;
    memset(room, 0, sizeof *room);
    if (!room_name(typed, name))
        return 0;
    rows_open(&rows, store, "SELECT " COLUMNS " FROM room WHERE name = ?", "s", name);
    return one_room(&rows, room);
}

int room_by_id(struct store *store, int64_t id, struct room *room)
{
    struct rows rows;
    rows_open(&rows, store, "SELECT " COLUMNS " FROM room WHERE id = ?", "i", id);
    return one_room(&rows, room);
}

int room_open(struct store *store, const char *typed, struct room *room)
{
    char name[NAME_MAX_BYTES];
    int found = room_by_name(store, typed, room);
    if (found || !room_name(typed, name))
        return found;
    if (store_begin(store, STORE_SYNCED))
        return -1;
    int result = store_run(store, "INSERT OR IGNORE INTO room (name, created_at) VALUES (?, ?)",
                           "si", name, when_wall_ms());
    if (result == 0 && store_changes(store) == 1)
        result = event_append(store, EVENT_ROOM, store_last_id(store));
    return store_end(store, result) ? -1 : room_by_name(store, name, room);
}

int room_set_topic(struct store *store, int64_t id, int64_t by_id, const char *topic)
{
    struct buf clean;
    buf_init(&clean, TOPIC_MAX);
    text_clean(&clean, topic, strlen(topic), TEXT_ONE_LINE);
    int result = store_begin(store, STORE_SYNCED);
    if (result == 0) {
        struct message_new said = {
            .room_id = id, .person_id = by_id, .kind = MESSAGE_TOPIC, .text = buf_text(&clean)};
        result =
            store_run(store, "UPDATE room SET topic = ? WHERE id = ?", "si", buf_text(&clean), id);
        if (result == 0)
            result = message_put(store, &said);
        if (result == 0)
            result = event_append(store, EVENT_ROOM, id);
        result = store_end(store, result);
    }
    buf_done(&clean);
    return result;
}

int room_list(struct store *store, room_each *each, void *context)
{
    struct rows rows;
    rows_open(&rows, store, "SELECT " COLUMNS " FROM room ORDER BY room.id <> 1, room.name", "");
    return all_rooms(&rows, each, context);
}

/* ---- who keeps which rooms joined ---- */

int member_join(struct store *store, int64_t room_id, int64_t person_id)
{
    return store_run(store,
                     "INSERT OR IGNORE INTO member (room_id, person_id, joined_at) "
                     "VALUES (?, ?, ?)",
                     "iii", room_id, person_id, when_wall_ms())
               ? -1
               : 0;
}

int member_leave(struct store *store, int64_t room_id, int64_t person_id)
{
    return store_run(store, "DELETE FROM member WHERE room_id = ? AND person_id = ?", "ii", room_id,
                     person_id)
               ? -1
               : 0;
}

int member_rooms(struct store *store, int64_t person_id, room_each *each, void *context)
{
    struct rows rows;
    rows_open(&rows, store,
              "SELECT " COLUMNS " FROM room WHERE room.id = 1 OR room.id IN "
              "(SELECT room_id FROM member WHERE person_id = ?) ORDER BY room.id <> 1, room.name",
              "i", person_id);
    return all_rooms(&rows, each, context);
}

int member_seen(struct store *store, int64_t room_id, int64_t person_id, int64_t message_id)
{
    return store_run_soon(store,
                          "INSERT INTO member (room_id, person_id, joined_at, seen_id) "
                          "VALUES (?1, ?2, ?3, ?4) ON CONFLICT (person_id, room_id) "
                          "DO UPDATE SET seen_id = max(seen_id, ?4)",
                          "iiii", room_id, person_id, when_wall_ms(), message_id)
               ? -1
               : 0;
}

int64_t member_last_seen(struct store *store, int64_t room_id, int64_t person_id)
{
    int64_t id = 0;
    store_int(store, &id, "SELECT seen_id FROM member WHERE room_id = ? AND person_id = ?", "ii",
              room_id, person_id);
    return id;
}
