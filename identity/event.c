#include "identity/event.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define READ_MAX 512 /* events taken at a time */

int event_append(struct store *store, const char *kind, int64_t subject)
{
    store_rings(store);
    return store_run(store, "INSERT INTO event (kind, subject) VALUES (?, ?)", "si", kind, subject)
               ? -1
               : 0;
}

int64_t event_last(struct store *store)
{
    int64_t last = 0;
    /* AUTOINCREMENT remembers the newest id, even when all rows have been trimmed. */
    int found = store_int(store, &last, "SELECT seq FROM sqlite_sequence WHERE name = 'event'", "");
    return found == -1 ? -1 : last;
}

/* The oldest event that is still there, or the newest id plus one. -1 failed. */
static int64_t oldest(struct store *store)
{
    int64_t id = 0;
    int found = store_int(store, &id, "SELECT min(id) FROM event", "");
    if (found == 1)
        return id;
    int64_t last = found == -1 ? -1 : event_last(store);
    return last == -1 ? -1 : last + 1;
}

struct event {
    int64_t id, subject;
    char kind[16];
};

/* Fills at most max events behind after. How many, -1 failed. */
static int events_after(struct store *store, int64_t after, struct event *events, int max)
{
    struct rows rows;
    int count = 0, found = 0;
    rows_open(&rows, store, "SELECT id, kind, subject FROM event WHERE id > ? ORDER BY id LIMIT ?",
              "ii", after, (int64_t)max);
    while (count < max && (found = rows_next(&rows)) == 1) {
        struct event *event = &events[count++];
        event->id = rows_int(&rows, 0);
        event->subject = rows_int(&rows, 2);
        strncpy(event->kind, rows_text(&rows, 1), sizeof event->kind - 1);
        event->kind[sizeof event->kind - 1] = '\0';
    }
    rows_close(&rows);
    return found == -1 ? -1 : count;
}

int event_read(struct store *store, int64_t *seen, event_handler *handler, void *context)
{
    int64_t last = event_last(store);
    int64_t first = last == -1 || last == *seen ? last : oldest(store);
    if (last == -1 || first == -1)
        return -1;
    if (last == *seen)
        return 1;
    if (first > *seen + 1 || last < *seen) { /* trimmed, or another store came in its place */
        *seen = last;
        return 0;
    }
    struct event *events = mem_array(READ_MAX, sizeof *events);
    int count;
    do {
        count = events_after(store, *seen, events, READ_MAX);
        for (int i = 0; i < count; i++) {
            *seen = events[i].id;
            handler(context, events[i].kind, events[i].subject);
        }
    } while (count == READ_MAX);
    free(events);
    return count == -1 ? -1 : 1;
}

int event_trim(struct store *store, int64_t keep)
{
    int64_t last = event_last(store);
    if (last == -1)
        return -1;
    return store_run(store, "DELETE FROM event WHERE id <= ?", "i", last - keep) ? -1 : 0;
}
