#include "drop/drop_private.h"

#include "base/when.h"
#include "identity/conversation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_MS   1000        /* nothing more came for so long: the batch is over */
#define LONGEST_MS 60000       /* a batch that does not end is told in pieces */
#define LARGE      (256 << 20) /* announced when it begins, too */
#define NAMED      3           /* files of a batch that are named */
#define GROUPS     32          /* told at a time; the others come next */

/* What one person (or the guests) dropped and the lobby has not been told. */
struct batch {
    int64_t person_id; /* 0: guests */
    char owner[NAME_MAX_BYTES];
    int64_t count, bytes, first_at, last_at, last_id;
};

static const char *who(const char *owner)
{
    return *owner ? owner : "A guest";
}

/* Whether more of theirs is on its way just now: 1, 0, -1. Nobody waits for what another guest is
 * sending. */
static int is_coming(struct drop *drop, const struct batch *batch, int64_t now)
{
    int64_t one;

    return store_int(
        drop->store, &one,
        "SELECT 1 FROM arrival a WHERE ifnull(person_id, 0) = ? AND touched_at > ? "
        "AND sha256 IS NULL AND (person_id IS NOT NULL OR EXISTS (SELECT 1 FROM file f "
        "WHERE f.announced = 0 AND f.guest = a.guest)) LIMIT 1",
        "ii", batch->person_id, now - DROP_ACTIVE_MS);
}

/* Milliseconds until the batch is to be told, 0 now, -1 failed. */
static int64_t due_in(struct drop *drop, const struct batch *batch, int64_t now)
{
    int64_t quiet = now - batch->last_at, age = now - batch->first_at;
    int coming;

    if (quiet < 0 || age >= LONGEST_MS)
        return 0;
    if (quiet < QUIET_MS)
        return QUIET_MS - quiet;
    coming = is_coming(drop, batch, now);
    return coming < 0 ? -1 : coming ? QUIET_MS : 0;
}

/* `a.jpg, b.jpg, c.jpg and 9 more`. 0 or -1. */
static int name_files(struct drop *drop, const struct batch *batch, struct buf *text)
{
    struct rows rows;
    int64_t named = 0;
    int found;

    rows_open(&rows, drop->store,
              "SELECT path FROM file WHERE announced = 0 AND ifnull(person_id, 0) = ? AND id <= ? "
              "ORDER BY id LIMIT ?",
              "iii", batch->person_id, batch->last_id, (int64_t)NAMED);
    while ((found = rows_next(&rows)) == 1)
        buf_printf(text, "%s%s", named++ > 0 ? ", " : "", rows_text(&rows, 0));
    rows_close(&rows);
    if (batch->count > named)
        buf_printf(text, " and %lld more", (long long)(batch->count - named));
    return found;
}

/* One line for the batch; with its mark in one transaction it is said once. */
static int tell(struct drop *drop, const struct batch *batch)
{
    struct buf text;
    char size[WHEN_MAX];
    int result;

    buf_init(&text, 8 * DROP_PATH_MAX);
    when_size_text(batch->bytes, size);
    if (batch->count == 1)
        buf_printf(&text, "%s dropped ", who(batch->owner));
    else
        buf_printf(&text, "%s dropped %lld files: ", who(batch->owner), (long long)batch->count);
    result = name_files(drop, batch, &text);
    buf_printf(&text, " (%s)", size);
    if (result == 0)
        result = conversation_notice(drop->store, MESSAGE_FILE, batch->person_id, buf_text(&text));
    if (result == 0)
        result = store_run(drop->store,
                           "UPDATE file SET announced = 1 WHERE announced = 0 AND "
                           "ifnull(person_id, 0) = ? AND id <= ?",
                           "ii", batch->person_id, batch->last_id);
    buf_done(&text);
    return result;
}

static int64_t tell_batches(struct drop *drop, int64_t now)
{
    struct batch batches[GROUPS];
    size_t count = 0;
    struct rows rows;
    int64_t next = -1;
    int found = 0;

    rows_open(&rows, drop->store,
              "SELECT f.person_id, p.name, count(*), sum(f.size), min(f.created_at), "
              "max(f.created_at), max(f.id) FROM file f LEFT JOIN person p ON p.id = f.person_id "
              "WHERE f.announced = 0 GROUP BY f.person_id",
              "");
    for (; count < GROUPS && (found = rows_next(&rows)) == 1; count++) {
        const char *owner = rows_text(&rows, 1);
        batches[count] = (struct batch){rows_int(&rows, 0), "",
                                        rows_int(&rows, 2), rows_int(&rows, 3),
                                        rows_int(&rows, 4), rows_int(&rows, 5),
                                        rows_int(&rows, 6)};
        snprintf(batches[count].owner, sizeof batches[count].owner, "%s", owner ? owner : "");
    }
    rows_close(&rows);
    if (found < 0)
        return -2;
    for (size_t i = 0; i < count; i++) {
        int64_t due = due_in(drop, &batches[i], now);

        if (due < 0 || (due == 0 && tell(drop, &batches[i])))
            return -2;
        if (due > 0 && (next < 0 || due < next))
            next = due;
    }
    return next;
}

/* A very large one is announced when it begins. */
static int tell_large(struct drop *drop)
{
    char text[DROP_PATH_MAX + 128], size[WHEN_MAX];
    int64_t id = 0, person = 0;
    struct rows rows;
    int found;

    rows_open(&rows, drop->store,
              "SELECT a.id, a.person_id, p.name, a.path, a.size FROM arrival a LEFT JOIN person p "
              "ON p.id = a.person_id WHERE a.announced = 0 AND a.size >= ? LIMIT 1",
              "i", (int64_t)LARGE);
    found = rows_next(&rows);
    if (found == 1) {
        const char *owner = rows_text(&rows, 2);
        id = rows_int(&rows, 0);
        person = rows_int(&rows, 1);
        when_size_text(rows_int(&rows, 4), size);
        snprintf(text, sizeof text, "%s is dropping %s (%s)", who(owner ? owner : ""),
                 rows_text(&rows, 3), size);
    }
    rows_close(&rows);
    if (found != 1)
        return found;
    return conversation_notice(drop->store, MESSAGE_FILE, person, text) ||
                   store_run(drop->store, "UPDATE arrival SET announced = 1 WHERE id = ?", "i", id)
               ? -1
               : 1;
}

int drop_announce(struct drop *drop)
{
    int64_t waiting, next;
    int found =
        store_int(drop->store, &waiting,
                  "SELECT 1 WHERE EXISTS (SELECT 1 FROM file WHERE announced = 0) OR EXISTS "
                  "(SELECT 1 FROM arrival WHERE announced = 0 AND size >= ?)",
                  "i", (int64_t)LARGE);
    if (found != 1 || store_begin(drop->store, STORE_SOON))
        return -1;
    while ((found = tell_large(drop)) == 1)
        ;
    next = found < 0 ? -2 : tell_batches(drop, when_wall_ms());
    return store_end(drop->store, next < -1 ? -1 : 0) ? -1 : (int)next;
}
