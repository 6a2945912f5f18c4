/*
 * store: the SQLite file, its transactions, and the one way to every table.
 *
 * A connection belongs to the thread that opened it. Transactions are very short and begin
 * IMMEDIATE; readers outside a transaction see one statement's snapshot. Within a transaction
 * whoever changes what another service should know appends an event (identity/event.h); committing
 * such a transaction rings the doorbells given to store_bells.
 *
 * store.c alone includes sqlite3.h. Other modules, in whatever room, speak SQL through store_run
 * and rows_*, with values given by a string of types:
 *
 *     i   int64_t (cast what is narrower)    s   const char * (a NULL pointer is NULL)
 *     n   NULL, takes no argument            b   const void *, size_t (likewise)
 *
 *     store_run(store, "UPDATE room SET topic = ? WHERE id = ?", "si", topic, id);
 *
 *     struct rows rows;
 *     rows_open(&rows, store, "SELECT id, name FROM person WHERE role = ?", "s", "host");
 *     while ((found = rows_next(&rows)) == 1)
 *         list_put(rows_int(&rows, 0), rows_text(&rows, 1));
 *     rows_close(&rows);
 *
 * Statements are prepared once a connection and found again by their text. A wrong statement is a
 * defect: it is logged and fails. Errors of the file (full, damaged, read-only) are logged here.
 *
 * While rows are open outside a transaction, the connection reads an older snapshot: no
 * transaction may begin then (SQLite would answer "busy" at once). Read first, then write; the
 * callbacks of the list functions in identity/ may read the store, but not write to it, unless
 * their header says so.
 */
#ifndef IDENTITY_STORE_H
#define IDENTITY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* What a commit promises: that it survives a power cut, or that it does within a second. */
enum store_promise { STORE_SYNCED, STORE_SOON };

/* Opens the store at path for this thread. It must exist and have this program's version (see
 * store_migrate). NULL, logged with what to do. */
struct store *store_open(const char *path);

/* Opens a throw-away store in memory with the whole schema, for tests. */
struct store *store_open_memory(void);

/* Closes it; NULL is nothing. */
void store_close(struct store *store);

/*
 * Creates the store at path if there is none (mode 0660, in a folder that must exist) and brings
 * it to this program's version, in one transaction. 0; -1, logged: damaged (it says how to set it
 * aside), made by a newer riad, read-only.
 */
int store_migrate(const char *path);

/* The mechanism behind it, for tests: whole creates the schema of that version in an empty file,
 * steps[n - 1] brings version n to n + 1 (a step may rebuild tables: foreign keys are checked at
 * the end of the transaction). */
struct store_schema {
    int version;
    const char *whole;
    const char *const *steps;
};
int store_migrate_by(const char *path, const struct store_schema *schema);

/* Whether the file passes SQLite's quick check. 1 sound, 0 damaged (the first finding in *finding,
 * yours to free, if not NULL), -1 cannot be opened. */
int store_check(const char *path, char **finding);

/* By how many versions the store at path is newer than this program: such a store is left alone,
 * and no box runs on it. 0 or less it can be used, also if it is not there. */
int store_newer_by(const char *path);

/* A consistent copy into a new file at path, while others write. 0, or -1, logged. */
int store_copy(struct store *store, const char *path);

/* The doorbells to ring when a commit held events. fds is copied; -1 are left out. */
void store_bells(struct store *store, const int *fds, size_t count);

/* This transaction holds something that others should look at: its commit rings. event_append calls
 * it. */
void store_rings(struct store *store);

/* Begins; 0, or -1, logged (busy for too long, disk). Not nested. */
int store_begin(struct store *store, enum store_promise promise);
/* Commits, then rings if there were events. 0, or -1, logged: then it is rolled back. */
int store_commit(struct store *store);
/* Undoes everything since store_begin; allowed outside a transaction. */
void store_rollback(struct store *store);
/* Ends a transaction by what its steps returned: commits for 0, else rolls back. 0 or -1. */
int store_end(struct store *store, int result);

/* Syncs the log to disk, for what was committed with STORE_SOON. 0 or -1. */
int store_sync(struct store *store);

/* Copies the log into the main file as far as no reader hinders. 0 or -1. */
int store_checkpoint(struct store *store);
/* Copies all of it and cuts it off, so that nothing that was deleted is left there. Waits a little
 * for readers; that one took longer is logged. 0 or -1. */
int store_empty_log(struct store *store);

/* Whether another connection changed the file since the last call. */
bool store_changed(struct store *store);

/* Runs one statement for its effect; outside a transaction it is one of its own, STORE_SYNCED. 0,
 * -1 failed; STORE_EXISTS when a UNIQUE rule forbids it. */
#define STORE_EXISTS (-2)
int store_run(struct store *store, const char *sql, const char *types, ...);

/* The same for what may be lost by a power cut within the next second (a time of last use): within
 * the caller's transaction, or in one of its own that is STORE_SOON. */
int store_run_soon(struct store *store, const char *sql, const char *types, ...);

/* Of the last store_run: the id of the row it inserted, and how many rows it changed. */
int64_t store_last_id(struct store *store);
int64_t store_changes(struct store *store);

/* The first column of the first row: 1 found, 0 no row (or NULL), -1 failed. */
int store_int(struct store *store, int64_t *value, const char *sql, const char *types, ...);
/* The same as text, yours to free. */
int store_text(struct store *store, char **value, const char *sql, const char *types, ...);

/* A running SELECT. rows_close is always due, and harmless twice. */
struct rows {
    struct store *store;
    void *statement; /* NULL when it could not be prepared */
    bool failed;
};

/* Starts it; a failure shows at rows_next. */
void rows_open(struct rows *rows, struct store *store, const char *sql, const char *types, ...);
/* 1 there is a row, 0 no more, -1 failed. */
int rows_next(struct rows *rows);
/* Column number column of the row; NULL reads as 0, NULL or no bytes. Valid until rows_next. */
int64_t rows_int(struct rows *rows, int column);
const char *rows_text(struct rows *rows, int column);
const void *rows_bytes(struct rows *rows, int column, size_t *length);
bool rows_null(struct rows *rows, int column);
void rows_close(struct rows *rows);

/* Counters and facts, small enough to live here. 0 or -1; within the caller's transaction or in one
 * of their own (STORE_SYNCED: whoever counts often adds up first). */
int store_count(struct store *store, const char *counter, int64_t more);
int64_t store_counter(struct store *store, const char *counter);
int store_set_fact(struct store *store, const char *name, const char *value);
/* Yours to free; NULL if there is none. at_ms may be NULL. */
char *store_fact(struct store *store, const char *name, int64_t *at_ms);

#endif
