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

/* What is told of a batch, and of which rows. */
struct telling {
    const char *done;
    int64_t least; /* bytes */
    const char *names, *mark;
};

#define OF_BATCH "WHERE announced = 0 AND ifnull(person_id, 0) = ?1 AND id <= ?2 AND size >= ?3"

static const struct telling landed = {"dropped", 0,
                                      "SELECT path FROM file " OF_BATCH " ORDER BY id",
                                      "UPDATE file SET announced = 1 " OF_BATCH};
static const struct telling begun = {"is dropping", LARGE,
                                     "SELECT path FROM arrival " OF_BATCH " ORDER BY id",
                                     "UPDATE arrival SET announced = 1 " OF_BATCH};

/* `a.jpg, b.jpg, c.jpg and 9 more`. 0 or -1. */
static int name_files(struct drop *drop, const struct batch *batch, const struct telling *telling,
                      struct buf *text)
{
    struct rows rows;
    int64_t named = 0;
    int found = 1;

    rows_open(&rows, drop->store, telling->names, "iii", batch->person_id, batch->last_id,
              telling->least);
    while (named < NAMED && (found = rows_next(&rows)) == 1)
        buf_printf(text, "%s%s", named++ > 0 ? ", " : "", rows_text(&rows, 0));
    rows_close(&rows);
    if (batch->count > named)
        buf_printf(text, " and %lld more", (long long)(batch->count - named));
    return found < 0 ? -1 : 0;
}

/* One line for the batch; with its mark in one transaction it is said once. */
static int tell(struct drop *drop, const struct batch *batch, const struct telling *telling)
{
    struct buf text;
    char size[WHEN_MAX];
    int result;

    buf_init(&text, 8 * DROP_PATH_MAX);
    when_size_text(batch->bytes, size);
    buf_printf(&text, "%s %s ", who(batch->owner), telling->done);
    if (batch->count > 1)
        buf_printf(&text, "%lld files: ", (long long)batch->count);
    result = name_files(drop, batch, telling, &text);
    buf_printf(&text, " (%s)", size);
    if (result == 0)
        result = conversation_notice(drop->store, MESSAGE_FILE, batch->person_id, buf_text(&text));
    if (result == 0)
        result = store_run(drop->store, telling->mark, "iii", batch->person_id, batch->last_id,
                           telling->least);
    buf_done(&text);
    return result;
}

/* A row of the two queries below. */
static void take_batch(struct rows *rows, struct batch *batch)
{
    const char *owner = rows_text(rows, 1);

    *batch = (struct batch){.person_id = rows_int(rows, 0),
                            .count = rows_int(rows, 2),
                            .bytes = rows_int(rows, 3),
                            .first_at = rows_int(rows, 4),
                            .last_at = rows_int(rows, 5),
                            .last_id = rows_int(rows, 6)};
    snprintf(batch->owner, sizeof batch->owner, "%s", owner ? owner : "");
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
    for (; count < GROUPS && (found = rows_next(&rows)) == 1; count++)
        take_batch(&rows, &batches[count]);
    rows_close(&rows);
    if (found < 0)
        return -2;
    for (size_t i = 0; i < count; i++) {
        int64_t due = due_in(drop, &batches[i], now);

        if (due < 0 || (due == 0 && tell(drop, &batches[i], &landed)))
            return -2;
        if (due > 0 && (next < 0 || due < next))
            next = due;
    }
    return next;
}

/* A very large one is announced when it begins; those that one person begins within a second are
 * one line. 1 said, 0 nothing is due, -1 failed. */
static int tell_large(struct drop *drop, int64_t now)
{
    struct batch batch = {0};
    struct rows rows;
    int found;

    rows_open(&rows, drop->store,
              "SELECT a.person_id, p.name, count(*), sum(a.size), min(a.started_at), "
              "max(a.started_at), max(a.id) FROM arrival a LEFT JOIN person p ON p.id = "
              "a.person_id WHERE a.announced = 0 AND a.size >= ?1 GROUP BY a.person_id "
              "HAVING min(a.started_at) NOT BETWEEN ?2 - ?3 + 1 AND ?2 LIMIT 1",
              "iii", (int64_t)LARGE, now, (int64_t)QUIET_MS);
    found = rows_next(&rows);
    if (found == 1)
        take_batch(&rows, &batch);
    rows_close(&rows);
    return found == 1 && tell(drop, &batch, &begun) ? -1 : found;
}

/* Whether there is something that the lobby has not been told: 1, 0, -1. */
static int is_waiting(struct drop *drop, bool only_large)
{
    int64_t one;

    return store_int(drop->store, &one,
                     "SELECT 1 WHERE (NOT ?1 AND EXISTS (SELECT 1 FROM file WHERE announced = 0)) "
                     "OR EXISTS (SELECT 1 FROM arrival WHERE announced = 0 AND size >= ?2)",
                     "ii", (int64_t)only_large, (int64_t)LARGE);
}

int drop_announce(struct drop *drop)
{
    int64_t now = when_wall_ms(), next;
    int found;

    if (is_waiting(drop, false) != 1 || store_begin(drop->store, STORE_SOON))
        return -1;
    while ((found = tell_large(drop, now)) == 1)
        ;
    next = found < 0 ? -2 : tell_batches(drop, now);
    if (next == -1 && is_waiting(drop, true) == 1)
        next = QUIET_MS;
    return store_end(drop->store, next < -1 ? -1 : 0) ? -1 : (int)next;
}
