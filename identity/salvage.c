#include "identity/salvage.h"
#include "identity/store_private.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define TRIES_MAX 20000 /* failing attempts a table, so that a ruin ends */
#define STEP_MAX  64    /* ids skipped at most for one failing attempt */

/* Those with ids are copied past damage by id, the others as far as they can be read. */
static const struct {
    const char *name;
    bool has_id;
} tables[] = {
    {"person",     true },
    {"credential", true },
    {"code",       false},
    {"ban",        true },
    {"setting",    false},
    {"ignored",    false},
    {"room",       true },
    {"member",     false},
    {"message",    true },
    {"report",     true },
    {"folder",     false},
    {"file",       true },
    {"lease",      false},
    {"counter",    false},
    {"fact",       false},
};

/* What a reference to something lost becomes. */
static const char *const mends[] = {
    "DELETE FROM credential WHERE person_id NOT IN (SELECT id FROM person)",
    "DELETE FROM code WHERE person_id NOT IN (SELECT id FROM person)",
    "DELETE FROM setting WHERE person_id NOT IN (SELECT id FROM person)",
    "DELETE FROM ignored WHERE person_id NOT IN (SELECT id FROM person)"
    " OR ignored_id NOT IN (SELECT id FROM person)",
    "DELETE FROM member WHERE person_id NOT IN (SELECT id FROM person)"
    " OR room_id NOT IN (SELECT id FROM room)",
    "DELETE FROM message WHERE to_id IS NOT NULL AND to_id NOT IN (SELECT id FROM person)"
    " OR room_id IS NOT NULL AND room_id NOT IN (SELECT id FROM room)"
    " OR room_id IS NULL AND to_id IS NULL",
    "UPDATE message SET person_id = NULL WHERE person_id NOT IN (SELECT id FROM person)",
    "UPDATE ban SET by_id = NULL WHERE by_id NOT IN (SELECT id FROM person)",
    "UPDATE report SET by_id = NULL WHERE by_id NOT IN (SELECT id FROM person)",
    "UPDATE report SET about_id = NULL WHERE about_id NOT IN (SELECT id FROM person)",
    "UPDATE file SET person_id = NULL WHERE person_id NOT IN (SELECT id FROM person)",
    "UPDATE folder SET person_id = NULL WHERE person_id NOT IN (SELECT id FROM person)",
};

/* Two connections: what goes wrong while reading must not undo what has been written. */
struct work {
    struct store *from, *to;
    bool gaps;
};

/* The columns that a table has in both files, each within form, with separator between; yours to
 * free. NULL: none. */
static char *columns_of(struct work *work, const char *table, const char *before, const char *after,
                        const char *separator)
{
    struct rows rows;
    struct buf columns;
    buf_init(&columns, 4096);
    rows_open(&rows, work->from, "SELECT name FROM pragma_table_info(?)", "s", table);
    while (rows_next(&rows) == 1) {
        int64_t one;
        if (store_int(work->to, &one, "SELECT 1 FROM pragma_table_info(?) WHERE name = ?", "ss",
                      table, rows_text(&rows, 0)) == 1)
            buf_printf(&columns, "%s%s\"%s\"%s", columns.len ? separator : "", before,
                       rows_text(&rows, 0), after);
    }
    rows_close(&rows);
    char *text = columns.len ? buf_take(&columns) : NULL;
    buf_done(&columns);
    return text;
}

/* Copies rows, which select gives as an id and the row in SQL's own notation, from behind id *at,
 * which moves on, never back: ids that descend are what a damaged page holds. 0 all, -1 something
 * there cannot be read. */
static int copy_rows(struct work *work, const char *insert, const char *select, int64_t *at)
{
    struct rows rows;
    int found;
    rows_open(&rows, work->from, select, "i", *at);
    while ((found = rows_next(&rows)) == 1 && rows_int(&rows, 0) >= *at) {
        char *sql = mem_printf("%s (%s)", insert, rows_text(&rows, 1));
        if (store_script(work->to, sql))
            work->gaps = true; /* against the rules of its table: damaged, too */
        free(sql);
        *at = rows_int(&rows, 0);
    }
    rows_close(&rows);
    return found ? -1 : 0;
}

/* Goes on past what cannot be read, by ever longer steps. */
static void copy_past_gaps(struct work *work, const char *table, const char *insert,
                           const char *select)
{
    int64_t at = -1, step = 1, newest = 0;
    store_int(work->from, &newest, "SELECT seq FROM sqlite_sequence WHERE name = ?", "s", table);
    for (int tries = 0; tries < TRIES_MAX && at <= newest; tries++) {
        int64_t before = at;
        if (copy_rows(work, insert, select, &at) == 0)
            return;
        work->gaps = true;
        step = at > before ? 1 : step < STEP_MAX ? step * 2 : STEP_MAX;
        at += step;
    }
}

static void copy_table(struct work *work, const char *table, bool has_id)
{
    char *names = columns_of(work, table, "", "", ", ");
    char *values = columns_of(work, table, "quote(", ")", " || ', ' || ");
    char *insert = mem_printf("INSERT OR REPLACE INTO %s (%s) VALUES", table, names);
    char *select = mem_printf(has_id ? "SELECT id, %s FROM %s WHERE id > ? ORDER BY id"
                                     : "SELECT 0, %s FROM %s WHERE ? IS NOT NULL",
                              values, table);
    int64_t at = 0;
    if (!names || !values)
        work->gaps = true;
    else if (has_id)
        copy_past_gaps(work, table, insert, select);
    else if (copy_rows(work, insert, select, &at))
        work->gaps = true;
    free(select);
    free(insert);
    free(values);
    free(names);
}

/* Clients resume by ids: they go on behind those that were given out before the damage. */
static int go_on_behind(struct work *work)
{
    struct rows rows;
    int result = 0;
    rows_open(&rows, work->from, "SELECT name, seq FROM sqlite_sequence", "");
    while (result == 0 && rows_next(&rows) == 1)
        result = store_run(work->to,
                           "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, 0 WHERE ?1 NOT IN "
                           "(SELECT name FROM sqlite_sequence)",
                           "s", rows_text(&rows, 0)) ||
                 store_run(work->to, "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?",
                           "is", rows_int(&rows, 1), rows_text(&rows, 0));
    rows_close(&rows);
    return result;
}

static int copy_all(struct work *work, struct salvage *salvage)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        copy_table(work, tables[i].name, tables[i].has_id);
    for (size_t i = 0; i < sizeof mends / sizeof *mends; i++) {
        if (store_run(work->to, mends[i], ""))
            return -1;
    }
    if (go_on_behind(work) || store_run(work->to,
                                        "INSERT OR IGNORE INTO room (id, name, created_at) "
                                        "VALUES (1, 'lobby', 0)",
                                        ""))
        return -1;
    store_int(work->to, &salvage->people, "SELECT count(*) FROM person", "");
    store_int(work->to, &salvage->messages, "SELECT count(*) FROM message", "");
    salvage->gaps = work->gaps;
    return 0;
}

int store_salvage(const char *damaged, const char *path, struct salvage *salvage)
{
    bool unreadable = false;
    struct work work = {.from = store_connect_ruin(damaged, &unreadable), .to = store_open(path)};
    int result = -1;
    *salvage = (struct salvage){0};
    if (work.from && work.to) {
        store_quiet(work.from, true);
        store_quiet(work.to, true);
        result = store_run(work.to, "PRAGMA foreign_keys = OFF", "");
        if (result == 0)
            result = store_begin(work.to, STORE_SYNCED);
        if (result == 0)
            result = store_end(work.to, copy_all(&work, salvage));
    }
    if (result)
        log_error("nothing could be saved from %s", damaged);
    store_close(work.from);
    store_close(work.to);
    return result ? -1 : 0;
}
