#include "drop/drop_private.h"

#include "base/when.h"
#include "identity/event.h"

#include <stdio.h>
#include <string.h>

int drop_arrival_record(struct drop_arrival *arrival)
{
    struct store *store = arrival->drop->store;
    const void *guest = drop_guest_blob(&arrival->actor);
    int64_t now = when_wall_ms(), synced = digester_synced(&arrival->digester);
    int64_t touched = arrival->still ? now - DROP_ACTIVE_MS : now;
    int result;

    arrival->recorded_ms = when_monotonic_ms();
    if (store_begin(store, STORE_SOON))
        return -1;
    if (arrival->id) {
        result =
            store_run(store,
                      "UPDATE arrival SET received = ?, synced = ?, size = nullif(?, -1), "
                      "scattered = ?, touched_at = ?, expires_at = ? WHERE id = ?",
                      "iiiiiii", arrival->solid, synced, arrival->size, (int64_t)arrival->scattered,
                      touched, now + 1000 * DROP_PART_LIFE_S, arrival->id);
        return store_end(store, result);
    }
    result = store_run(
        store,
        "INSERT INTO arrival (key, path, person_id, guest, door, size, received, synced, replaces, "
        "exact, scattered, started_at, touched_at, expires_at) VALUES (?, ?, (SELECT id FROM "
        "person WHERE id = ?), ?, ?, "
        "nullif(?, -1), ?, ?, ?, ?, ?, ?, ?, ?)",
        "ssibsiiiiiiiii", arrival->key, arrival->path, arrival->actor.person_id, guest,
        (size_t)DIGEST_SHA256_SIZE, arrival->door, arrival->size, arrival->solid, synced,
        (int64_t)arrival->replace, (int64_t)arrival->exact, (int64_t)arrival->scattered,
        arrival->started_at, touched, now + 1000 * DROP_PART_LIFE_S);
    if (result == 0) {
        arrival->id = store_last_id(store);
        result = event_append(store, EVENT_ARRIVAL, arrival->id);
    }
    result = store_end(store, result);
    if (result)
        arrival->id = 0;
    return result;
}

static void take_row(struct rows *rows, struct drop_row *row)
{
    size_t length;
    const void *blob;

    *row = (struct drop_row){
        .id = rows_int(rows, 0),
        .owner.person_id = rows_int(rows, 3),
        .size = rows_null(rows, 6) ? -1 : rows_int(rows, 6),
        .received = rows_int(rows, 7),
        .synced = rows_int(rows, 8),
        .replaces = rows_int(rows, 9),
        .exact = rows_int(rows, 10),
        .scattered = rows_int(rows, 11),
        .announced = rows_int(rows, 13),
        .started_at = rows_int(rows, 14),
    };
    snprintf(row->key, sizeof row->key, "%s", rows_text(rows, 1));
    snprintf(row->path, sizeof row->path, "%s", rows_text(rows, 2));
    snprintf(row->door, sizeof row->door, "%s", rows_text(rows, 5));
    blob = rows_bytes(rows, 4, &length);
    row->owner.has_guest = blob && length == DIGEST_SHA256_SIZE;
    if (row->owner.has_guest)
        memcpy(row->owner.guest, blob, DIGEST_SHA256_SIZE);
    blob = rows_bytes(rows, 12, &length);
    row->has_sha256 = blob && length == DIGEST_SHA256_SIZE;
    if (row->has_sha256)
        memcpy(row->sha256, blob, DIGEST_SHA256_SIZE);
}

#define ROW_COLUMNS                                                                                \
    "SELECT id, key, path, person_id, guest, door, size, received, synced, replaces, exact, "      \
    "scattered, sha256, announced, started_at FROM arrival "

int drop_row_get(struct drop *drop, const char *key, const char *path,
                 const struct drop_actor *actor, struct drop_row *row)
{
    struct rows rows;
    int found;

    if (key)
        rows_open(&rows, drop->store, ROW_COLUMNS "WHERE key = ?", "s", key);
    else
        rows_open(&rows, drop->store, ROW_COLUMNS "WHERE path = ? ORDER BY id DESC", "s", path);
    while ((found = rows_next(&rows)) == 1) {
        take_row(&rows, row);
        if (!actor || drop_owns(actor, row->owner.person_id,
                                row->owner.has_guest ? row->owner.guest : NULL, DIGEST_SHA256_SIZE))
            break;
    }
    rows_close(&rows);
    return found;
}
