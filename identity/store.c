#include "identity/store.h"
#include "identity/store_private.h"
#include "identity/store_statement.h"

#include "base/doorbell.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUSY_LIMIT_MS 10000
#define EMPTY_MS      500 /* nobody may write meanwhile */
#define BUSY_FIRST_US 100
#define BUSY_LAST_US  5000
#define MAX_BELLS     8
#define LOG_BYTES     4194304 /* SQLite uses its log again after a thousand pages of 4 KiB */
#define FILE_STEP     1048576 /* by which the file grows */

struct store {
    sqlite3 *db;
    char *path;
    struct statements statements;
    bool in_transaction;
    int64_t changes; /* rows that the last statement of store_run changed */
    bool in_memory;
    bool quiet;                 /* failures are expected and not logged */
    enum store_promise promise; /* as PRAGMA synchronous stands now */
    bool has_events;            /* the transaction appended some: ring at its commit */
    int bells[MAX_BELLS];
    size_t bell_count;
    int64_t version_seen; /* PRAGMA data_version at the last store_changed */
    int64_t busy_since_ms, busy_limit_ms;
};

/* ---- failures ---- */

const char *store_error_text(const struct store *store)
{
    return sqlite3_errmsg(store->db);
}

bool store_is_damaged(const struct store *store)
{
    int code = sqlite3_errcode(store->db) & 0xff;
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

/* Logs what SQLite said about sql. The statement's text holds no values, so no words of people. */
static int failed(const struct store *store, const char *sql)
{
    const char *cure = "";
    switch (sqlite3_errcode(store->db) & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        cure = "; the file is damaged: stop the box and run `riad check --repair`";
        break;
    case SQLITE_FULL:
        cure = "; the disk is full: make room";
        break;
    case SQLITE_BUSY:
        cure = "; another process held the store for too long";
        break;
    case SQLITE_READONLY:
        cure = "; the file or its folder may not be written";
        break;
    default:
        break;
    }
    if (!store->quiet)
        log_error("store %s: %s%s (%s)", store->path, sqlite3_errmsg(store->db), cure, sql);
    return -1;
}

/* ---- the connection ---- */

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

/* SQLite counts its memory under one lock for the whole process; nobody asks for the count. */
static void library_start(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
}

/*
 * Waits a little for another connection's transaction, and fails after busy_limit_ms. SQLite's own
 * handler sleeps up to 100 ms, which is many times longer than any of our transactions.
 */
static int busy_wait(void *context, int tries)
{
    struct store *store = context;
    int64_t now = when_monotonic_ms();
    if (tries == 0)
        store->busy_since_ms = now;
    else if (now - store->busy_since_ms > store->busy_limit_ms)
        return 0;
    long pause_us = tries < 6 ? BUSY_FIRST_US << tries : BUSY_LAST_US;
    struct timespec pause = {.tv_nsec = (pause_us < BUSY_LAST_US ? pause_us : BUSY_LAST_US) * 1000};
    nanosleep(&pause, NULL);
    return 1;
}

static struct store *connect_to(const char *path, bool *damaged, bool ruin)
{
    static const char settings[] = "PRAGMA foreign_keys = ON;"
                                   "PRAGMA temp_store = MEMORY;"
                                   "PRAGMA secure_delete = ON;"
                                   "PRAGMA cache_size = -1024;"
                                   "PRAGMA journal_size_limit = 4194304;"
                                   "PRAGMA synchronous = FULL;";
    int step = FILE_STEP;
    pthread_once(&library_once, library_start);
    struct store *store = mem_alloc(sizeof *store);
    store->path = mem_dup(path);
    store->in_memory = strcmp(path, ":memory:") == 0;
    store->promise = STORE_SYNCED;
    store->busy_limit_ms = BUSY_LIMIT_MS;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int code = sqlite3_open_v2(path, &store->db,
                               flags | (store->in_memory ? SQLITE_OPEN_CREATE : 0), NULL);
    if (code == SQLITE_OK) {
        sqlite3_busy_handler(store->db, busy_wait, store);
        sqlite3_extended_result_codes(store->db, 1);
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, !ruin, NULL);
        /* Else SQLite refuses a file that ends before its header says. */
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, ruin, NULL);
        sqlite3_file_control(store->db, "main", SQLITE_FCNTL_CHUNK_SIZE, &step);
        code = sqlite3_exec(store->db, settings, NULL, NULL, NULL);
    }
    if (code == SQLITE_OK)
        return store;
    if (damaged)
        *damaged = store_is_damaged(store);
    else if (store_is_damaged(store))
        failed(store, "opening it");
    else
        log_error("cannot open the store %s: %s", path, sqlite3_errmsg(store->db));
    store_close(store);
    return NULL;
}

struct store *store_connect(const char *path, bool *damaged)
{
    return connect_to(path, damaged, false);
}

struct store *store_connect_ruin(const char *path, bool *damaged)
{
    return connect_to(path, damaged, true);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store_rollback(store);
    statements_drop(&store->statements);
    sqlite3_close_v2(store->db);
    free(store->path);
    free(store);
}

/* The log's bytes are no part of it until they are written: its size stays. No lock lies on it,
 * unlike on the file itself, which SQLite alone may open. */
void store_set_aside(const struct store *store)
{
    if (store->in_memory)
        return;
    char *path = mem_printf("%s-wal", store->path);
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LOG_BYTES))
        log_debug("no room can be set aside for %s", path);
    fs_close(fd);
    free(path);
}

void store_quiet(struct store *store, bool quiet)
{
    store->quiet = quiet;
}

void store_bells(struct store *store, const int *fds, size_t count)
{
    store->bell_count = 0;
    for (size_t i = 0; i < count && store->bell_count < MAX_BELLS; i++) {
        if (fds[i] >= 0)
            store->bells[store->bell_count++] = fds[i];
    }
}

/* ---- statements ---- */

/* The statement for sql, as statement_acquire; NULL, logged. */
static struct statement *statement_for(struct store *store, const char *sql)
{
    struct statement *statement = statement_acquire(&store->statements, store->db, sql);
    if (!statement)
        failed(store, sql);
    return statement;
}

static bool is_unique(int code)
{
    return code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
           code == SQLITE_CONSTRAINT_ROWID;
}

/* Has the file keep what is committed from now on. Not within a transaction. */
static int promise_set(struct store *store, enum store_promise promise)
{
    if (store->promise == promise || store->in_memory)
        return 0;
    const char *sql =
        promise == STORE_SYNCED ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL";
    if (store_script(store, sql))
        return -1;
    store->promise = promise;
    return 0;
}

int store_script(struct store *store, const char *sql)
{
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return failed(store, strlen(sql) < 200 ? sql : "script");
}

static int run(struct store *store, const char *sql, const char *types, va_list values)
{
    struct statement *statement = statement_for(store, sql);
    if (!statement)
        return -1;
    int result = 0;
    bool writes = !sqlite3_stmt_readonly(statement->compiled);
    if (writes && !store->in_transaction && promise_set(store, STORE_SYNCED))
        result = -1;
    if (result == 0) {
        statement_bind(statement, false, types, values);
        int code;
        do
            code = sqlite3_step(statement->compiled);
        while (code == SQLITE_ROW);
        if (is_unique(code))
            result = STORE_EXISTS;
        else if (code != SQLITE_DONE)
            result = failed(store, sql);
        /* A COMMIT is none of these: SQLite 3.46 counts there what the index of words writes. */
        if (writes)
            store->changes = sqlite3_changes64(store->db);
    }
    statement_release(statement);
    return result;
}

int store_run(struct store *store, const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    int result = run(store, sql, types, values);
    va_end(values);
    return result;
}

int store_run_soon(struct store *store, const char *sql, const char *types, ...)
{
    bool alone = !store->in_transaction;
    if (alone && store_begin(store, STORE_SOON))
        return -1;
    va_list values;
    va_start(values, types);
    int result = run(store, sql, types, values);
    va_end(values);
    return alone && store_end(store, result) ? -1 : result;
}

int64_t store_last_id(struct store *store)
{
    return sqlite3_last_insert_rowid(store->db);
}

int64_t store_changes(struct store *store)
{
    return store->changes;
}

/* ---- transactions ---- */

int store_begin(struct store *store, enum store_promise promise)
{
    assert(!store->in_transaction);
    if (promise_set(store, promise))
        return -1;
    /* Before the statement: outside a transaction, run() promises more for whatever writes, and
     * to SQLite BEGIN IMMEDIATE does. */
    store->in_transaction = true;
    store->has_events = false;
    if (store_run(store, "BEGIN IMMEDIATE", "") == 0)
        return 0;
    store->in_transaction = false;
    return -1;
}

void store_rings(struct store *store)
{
    store->has_events = true;
}

static void ring(struct store *store)
{
    for (size_t i = 0; i < store->bell_count; i++)
        doorbell_ring(store->bells[i]);
}

int store_commit(struct store *store)
{
    assert(store->in_transaction);
    if (store_run(store, "COMMIT", "")) {
        store_rollback(store);
        return -1;
    }
    store->in_transaction = false;
    if (store->has_events)
        ring(store);
    store->has_events = false;
    return 0;
}

void store_rollback(struct store *store)
{
    if (!store->in_transaction)
        return;
    /* A full disk or an I/O error may have rolled back by itself already. */
    if (!sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    store->in_transaction = false;
    store->has_events = false;
}

int store_end(struct store *store, int result)
{
    if (result == 0)
        return store_commit(store);
    store_rollback(store);
    return -1;
}

int store_sync(struct store *store)
{
    if (store->in_memory)
        return 0;
    sqlite3_file *log = NULL;
    if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK)
        return failed(store, "the log");
    if (!log || !log->pMethods)
        return 0; /* nothing has been written since the start */
    if (log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY) == SQLITE_OK)
        return 0;
    log_errno("cannot sync the log of the store %s", store->path);
    return -1;
}

int store_checkpoint(struct store *store)
{
    int code = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
        return 0;
    return failed(store, "checkpoint");
}

int store_empty_log(struct store *store)
{
    if (store_checkpoint(store))
        return -1;
    store->busy_limit_ms = EMPTY_MS;
    int code = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    store->busy_limit_ms = BUSY_LIMIT_MS;
    if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED) {
        log_warn("somebody reads the store: until its log is written over, what was forgotten can "
                 "still be found in %s-wal",
                 store->path);
        return 0;
    }
    if (code != SQLITE_OK)
        return failed(store, "checkpoint");
    store_set_aside(store);
    return 0;
}

bool store_changed(struct store *store)
{
    int64_t version = 0;
    if (store_int(store, &version, "PRAGMA data_version", "") != 1)
        return true; /* let them look: they will see what is wrong */
    bool changed = version != store->version_seen;
    store->version_seen = version;
    return changed;
}

/* ---- rows ---- */

static void rows_start(struct rows *rows, struct store *store, const char *sql, bool copy,
                       const char *types, va_list values)
{
    *rows = (struct rows){.store = store, .statement = statement_for(store, sql)};
    rows->failed = !rows->statement;
    if (rows->statement)
        statement_bind(rows->statement, copy, types, values);
}

void rows_open(struct rows *rows, struct store *store, const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    rows_start(rows, store, sql, true, types, values);
    va_end(values);
}

int rows_next(struct rows *rows)
{
    if (rows->failed || !rows->statement)
        return rows->failed ? -1 : 0;
    struct statement *statement = rows->statement;
    int code = sqlite3_step(statement->compiled);
    if (code == SQLITE_ROW)
        return 1;
    if (code != SQLITE_DONE) {
        failed(rows->store, statement->sql);
        rows->failed = true;
    }
    rows_close(rows);
    return rows->failed ? -1 : 0;
}

static sqlite3_stmt *compiled_of(const struct rows *rows)
{
    return ((struct statement *)rows->statement)->compiled;
}

int64_t rows_int(struct rows *rows, int column)
{
    return sqlite3_column_int64(compiled_of(rows), column);
}

const char *rows_text(struct rows *rows, int column)
{
    const unsigned char *text = sqlite3_column_text(compiled_of(rows), column);
    return text ? (const char *)text : "";
}

const void *rows_bytes(struct rows *rows, int column, size_t *length)
{
    const void *bytes = sqlite3_column_blob(compiled_of(rows), column);
    *length = (size_t)sqlite3_column_bytes(compiled_of(rows), column);
    return bytes ? bytes : "";
}

bool rows_null(struct rows *rows, int column)
{
    return sqlite3_column_type(compiled_of(rows), column) == SQLITE_NULL;
}

void rows_close(struct rows *rows)
{
    if (rows->statement)
        statement_release(rows->statement);
    rows->statement = NULL;
}

/* The first row of a statement, for one column; the caller closes. 1, 0 (no row or NULL), -1. */
static int first_row(struct rows *rows, struct store *store, const char *sql, const char *types,
                     va_list values)
{
    rows_start(rows, store, sql, false, types, values);
    int found = rows_next(rows);
    return found == 1 && rows_null(rows, 0) ? 0 : found;
}

int store_int(struct store *store, int64_t *value, const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    struct rows rows;
    int found = first_row(&rows, store, sql, types, values);
    va_end(values);
    if (found == 1)
        *value = rows_int(&rows, 0);
    rows_close(&rows);
    return found;
}

int store_text(struct store *store, char **value, const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    struct rows rows;
    int found = first_row(&rows, store, sql, types, values);
    va_end(values);
    if (found == 1)
        *value = mem_dup(rows_text(&rows, 0));
    rows_close(&rows);
    return found;
}
