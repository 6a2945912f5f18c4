#include "identity/reset.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "identity/conversation.h"
#include "identity/credential.h"
#include "identity/event.h"
#include "identity/lease.h"

#include <stdlib.h>

int reset_count(struct store *store, struct reset_counts *counts)
{
    struct rows rows;
    rows_open(&rows, store,
              "SELECT (SELECT count(*) FROM person), (SELECT count(*) FROM message),"
              " (SELECT count(*) FROM file WHERE path NOT GLOB 'shelf/*'),"
              " (SELECT count(*) FROM lease)",
              "");
    int found = rows_next(&rows);
    if (found == 1)
        *counts = (struct reset_counts){rows_int(&rows, 0), rows_int(&rows, 1), rows_int(&rows, 2),
                                        rows_int(&rows, 3)};
    rows_close(&rows);
    return found == 1 ? 0 : -1;
}

/* In this order, so that nothing is left for a reference to act upon. */
static const char *const statements[] = {
    "DELETE FROM message",
    "INSERT INTO message_text (message_text) VALUES ('delete-all')",
    "DELETE FROM report",
    "DELETE FROM ban",
    "DELETE FROM code",
    "DELETE FROM session WHERE person_id IS NULL",
    "DELETE FROM arrival",
    "DELETE FROM file WHERE path NOT GLOB 'shelf/*'",
    "DELETE FROM folder WHERE path <> 'shelf' AND path NOT GLOB 'shelf/*'",
    "DELETE FROM lease",
    "DELETE FROM person",
    "DELETE FROM credential",
    "DELETE FROM room WHERE id <> 1",
    "UPDATE room SET topic = '', created_at = 0",
    "DELETE FROM counter",
};

/* The ids of everybody, ended by 0; yours to free. NULL failed. */
static int64_t *everybody(struct store *store)
{
    struct rows rows;
    size_t count = 0;
    int found;
    int64_t *ids = mem_array(1, sizeof *ids);
    rows_open(&rows, store, "SELECT id FROM person", "");
    while ((found = rows_next(&rows)) == 1) {
        ids = mem_resize(ids, count + 2, sizeof *ids);
        ids[count++] = rows_int(&rows, 0);
        ids[count] = 0;
    }
    rows_close(&rows);
    if (found == 0)
        return ids;
    free(ids);
    return NULL;
}

static int forget_everything(struct store *store)
{
    int64_t *ids = everybody(store);
    int result = ids ? 0 : -1;
    for (size_t i = 0; result == 0 && i < sizeof statements / sizeof *statements; i++)
        result = store_run(store, statements[i], "");
    for (size_t i = 0; result == 0 && ids[i]; i++)
        result = event_append(store, EVENT_PERSON, ids[i]);
    if (result == 0)
        result = event_append(store, EVENT_FILE, 0);
    if (result == 0)
        result = event_append(store, EVENT_ROOM, ROOM_LOBBY);
    if (result == 0)
        result = event_append(store, EVENT_LEASE, 0);
    free(ids);
    return result;
}

int reset_all(struct store *store)
{
    if (store_begin(store, STORE_SYNCED))
        return -1;
    if (store_end(store, forget_everything(store)))
        return -1;
    /* Old pages leave the file, then its log. */
    return store_run(store, "VACUUM", "") || store_empty_log(store) ? -1 : 0;
}

#define EVENTS_KEPT    20000
#define FORGET_AT_MOST 10000

#define JUMP_MS (10 * 60 * 1000)
#define HOLD_MS (24 * 3600 * 1000)

bool reset_clock_is_steady(struct reset_clock *clock, int64_t wall_ms, int64_t monotonic_ms)
{
    int64_t offset = wall_ms - monotonic_ms, jump = offset - clock->offset;
    if (!clock->known || jump > JUMP_MS || jump < -JUMP_MS) {
        if (clock->known) {
            clock->until_ms = monotonic_ms + HOLD_MS;
            log_warn("the clock was set %s by %lld minutes: nothing is forgotten by its age for a "
                     "day",
                     jump > 0 ? "forward" : "back", llabs(jump) / 60000);
        }
        clock->known = true;
        clock->offset = offset;
    }
    return monotonic_ms >= clock->until_ms;
}

int reset_tidy(struct store *store, struct reset_clock *clock, int64_t keep_s)
{
    int64_t now = when_wall_ms(), before_ms = now - keep_s * 1000;
    if (event_trim(store, EVENTS_KEPT))
        return -1;
    if (!reset_clock_is_steady(clock, now, when_monotonic_ms()))
        return 0;
    if (credential_tidy(store))
        return -1;
    if (keep_s <= 0)
        return 0;
    if (conversation_forget(store, before_ms, FORGET_AT_MOST) == -1 ||
        store_run_soon(store, "DELETE FROM report WHERE at < ?", "i", before_ms))
        return -1;
    return store_run_soon(store, "DELETE FROM lease WHERE expires_at < ?", "i", before_ms) ? -1 : 0;
}
