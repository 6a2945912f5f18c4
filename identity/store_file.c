#include "identity/clock.h"
#include "identity/store.h"
#include "identity/store_private.h"

#include "base/embed.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_MODE     0660
#define APPLICATION_ID 0x72696164 /* "riad": PRAGMA application_id */

EMBED(store_schema_sql, "identity/schema.sql");

/* No release yet: the first step, from version 1 to 2, will be the first entry here. */
static const struct store_schema builtin = {
    .version = 1,
    .whole = store_schema_sql,
    .steps = NULL,
};

static int64_t pragma(struct store *store, const char *sql)
{
    int64_t value = 0;
    return store_int(store, &value, sql, "") == -1 ? -1 : value;
}

static int version_of(struct store *store)
{
    return (int)pragma(store, "PRAGMA user_version");
}

struct store *store_open(const char *path)
{
    if (access(path, F_OK) && errno == ENOENT) {
        log_error("there is no store at %s: `riad run` creates it", path);
        return NULL;
    }
    struct store *store = store_connect(path, NULL);
    if (!store)
        return NULL;
    int version = version_of(store);
    if (version == builtin.version) {
        store_set_aside(store);
        clock_take(store);
        return store;
    }
    if (version == 0)
        log_error("the store %s is empty: `riad run` fills it", path);
    else if (version > 0)
        log_error("the store %s has version %d, this riad speaks version %d: %s", path, version,
                  builtin.version,
                  version > builtin.version ? "install the newer riad"
                                            : "start the box once, it migrates the store");
    store_close(store);
    return NULL;
}

struct store *store_open_memory(void)
{
    struct store *store = store_connect(":memory:", NULL);
    if (store && store_script(store, builtin.whole)) {
        store_close(store);
        store = NULL;
    }
    return store;
}

/* ---- creating and migrating ---- */

/* An empty file of the right mode, unless there is one. 0, or -1, logged. */
static int create_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, STORE_MODE);
    if (fd < 0 && errno == EEXIST)
        return 0;
    if (fd < 0) {
        log_errno("cannot create the store %s", path);
        return -1;
    }
    int result = fchmod(fd, STORE_MODE); /* whatever the umask says */
    if (result)
        log_errno("cannot set the mode of the store %s", path);
    fs_close(fd);
    return result;
}

/* Whether this is a file that riad may fill: without any table, or one of its own. */
static int refuse_foreign(struct store *store, const char *path)
{
    int64_t tables = 0;
    if (store_int(store, &tables, "SELECT count(*) FROM sqlite_schema", "") == -1) {
        return -1;
    }
    if (tables == 0 || pragma(store, "PRAGMA application_id") == APPLICATION_ID)
        return 0;
    log_error("%s is a database, but not a store of riad: move it away", path);
    return -1;
}

/* The steps from version to that of the schema, or the whole schema for an empty file. */
static int apply(struct store *store, const struct store_schema *schema, int version)
{
    if (version == 0)
        return store_script(store, schema->whole);
    assert(schema->version == 1 || schema->steps);
    for (int at = version; schema->steps && at < schema->version; at++) {
        if (store_script(store, schema->steps[at - 1]))
            return -1;
    }
    int64_t broken = 0;
    if (store_int(store, &broken, "SELECT count(*) FROM pragma_foreign_key_check", "") == -1)
        return -1;
    if (broken)
        log_error("the migration to version %d would leave %lld rows astray", schema->version,
                  (long long)broken);
    return broken ? -1 : 0;
}

static int migrate_open(struct store *store, const struct store_schema *schema, const char *path)
{
    /* Rebuilding a table needs this off, and it cannot change within a transaction; apply checks
     * at the end instead. */
    if (refuse_foreign(store, path) || store_script(store, "PRAGMA journal_mode = WAL") ||
        store_script(store, "PRAGMA foreign_keys = OFF") || store_begin(store, STORE_SYNCED))
        return -1;
    int version = version_of(store);
    int result = version == -1 ? -1 : 0;
    if (version > schema->version) {
        log_error("the store %s was made by a newer riad (version %d, this one speaks %d): "
                  "install that one again",
                  path, version, schema->version);
        result = -1;
    }
    if (result == 0 && version < schema->version) {
        char *mark = mem_printf("PRAGMA application_id = %d; PRAGMA user_version = %d",
                                APPLICATION_ID, schema->version);
        result = apply(store, schema, version) || store_script(store, mark) ? -1 : 0;
        free(mark);
        if (result == 0 && version > 0)
            log_info("migrated the store from version %d to %d", version, schema->version);
    }
    return store_end(store, result);
}

int store_migrate_by(const char *path, const struct store_schema *schema)
{
    if (create_file(path))
        return -1;
    struct store *store = store_connect(path, NULL);
    if (!store)
        return -1;
    int result = migrate_open(store, schema, path);
    store_close(store);
    return result;
}

int store_migrate(const char *path)
{
    return store_migrate_by(path, &builtin);
}

/* ---- checking and copying ---- */

int store_check(const char *path, char **finding)
{
    bool damaged = false;
    struct store *store = access(path, F_OK) ? NULL : store_connect(path, &damaged);
    if (!store && damaged && finding)
        *finding = mem_dup("it is no database, was cut short, or its first page is damaged");
    if (!store)
        return damaged ? 0 : -1;
    char *said = NULL;
    int found = store_text(store, &said, "PRAGMA quick_check(1)", "");
    int result = found == 1 && strcmp(said, "ok") == 0 ? 1 : 0;
    if (found == -1 && !store_is_damaged(store))
        result = -1;
    if (result == 0 && !said)
        said = mem_dup(store_error_text(store));
    if (result == 0 && finding)
        *finding = said;
    else
        free(said);
    store_close(store);
    return result;
}

int store_newer_by(const char *path)
{
    bool damaged = false;
    struct store *store = access(path, F_OK) ? NULL : store_connect(path, &damaged);
    int version = store ? version_of(store) : 0;

    store_close(store);
    return version - builtin.version;
}

int store_copy(struct store *store, const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, STORE_MODE);
    if (fd < 0) {
        log_errno("cannot create %s", path);
        return -1;
    }
    /* One snapshot; what was forgotten leaves no trace in free pages. */
    int result = store_run(store, "VACUUM INTO ?", "s", path) ? -1 : 0;
    if (result == 0 && fsync(fd)) {
        log_errno("cannot sync %s", path);
        result = -1;
    }
    fs_close(fd);
    if (result)
        unlink(path);
    return result;
}

/* ---- counters and facts ---- */

int store_count(struct store *store, const char *counter, int64_t more)
{
    return store_run(store,
                     "INSERT INTO counter (name, value) VALUES (?1, ?2) "
                     "ON CONFLICT (name) DO UPDATE SET value = value + ?2",
                     "si", counter, more)
               ? -1
               : 0;
}

int64_t store_counter(struct store *store, const char *counter)
{
    int64_t value = 0;
    store_int(store, &value, "SELECT value FROM counter WHERE name = ?", "s", counter);
    return value;
}

int store_set_fact(struct store *store, const char *name, const char *value)
{
    return store_run(store,
                     "INSERT INTO fact (name, value, at) VALUES (?1, ?2, ?3) "
                     "ON CONFLICT (name) DO UPDATE SET value = ?2, at = ?3",
                     "ssi", name, value, when_wall_ms())
               ? -1
               : 0;
}

char *store_fact(struct store *store, const char *name, int64_t *at_ms)
{
    struct rows rows;
    char *value = NULL;
    rows_open(&rows, store, "SELECT value, at FROM fact WHERE name = ?", "s", name);
    if (rows_next(&rows) == 1) {
        value = mem_dup(rows_text(&rows, 0));
        if (at_ms)
            *at_ms = rows_int(&rows, 1);
    }
    rows_close(&rows);
    return value;
}
