#include "base/doorbell.h"
#include "identity/event.h"
#include "identity/store.h"
#include "tests/unit/scratch.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static void migrate_creates_and_is_idempotent(void **state)
{
    const char *path = scratch_path(*state, "riad.db");
    mode_t old = umask(077);
    assert_int_equal(store_migrate(path), 0);
    umask(old);
    assert_int_equal(store_migrate(path), 0);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0660);
    struct store *store = store_open(path);
    assert_non_null(store);
    char *mode = NULL;
    assert_int_equal(store_text(store, &mode, "PRAGMA journal_mode", ""), 1);
    assert_string_equal(mode, "wal");
    free(mode);
    store_close(store);
    assert_int_equal(store_check(path, NULL), 1);
}

static void open_refuses_what_is_no_store(void **state)
{
    assert_null(store_open(scratch_path(*state, "absent.db")));
    const char *path = scratch_path(*state, "noise.db");
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 8192; i++)
        fputc(i * 7 + 3, file);
    fclose(file);
    assert_null(store_open(path));
    assert_int_equal(store_migrate(path), -1);
    char *finding = NULL;
    assert_int_equal(store_check(path, &finding), 0);
    assert_non_null(finding);
    free(finding);
    assert_int_equal(store_check(scratch_path(*state, "absent.db"), NULL), -1);
}

static void a_foreign_database_is_left_alone(void **state)
{
    const char *path = scratch_path(*state, "foreign.db");
    static const struct store_schema foreign = {
        .version = 1, .whole = "CREATE TABLE theirs (a); PRAGMA application_id = 1;"};
    assert_int_equal(store_migrate_by(path, &foreign), 0);
    struct store *store = store_open(path);
    assert_non_null(store);
    assert_int_equal(store_run(store, "PRAGMA application_id = 7", ""), 0);
    store_close(store);
    assert_int_equal(store_migrate(path), -1);
}

static void older_versions_are_migrated_newer_ones_refused(void **state)
{
    static const char *const steps[] = {
        "ALTER TABLE thing ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'",
        "CREATE TABLE twice AS SELECT * FROM thing; DROP TABLE thing;"
        "ALTER TABLE twice RENAME TO thing",
    };
    static const struct store_schema one = {1,
                                            "CREATE TABLE thing (id INTEGER PRIMARY KEY);"
                                            "INSERT INTO thing VALUES (7)",
                                            NULL};
    static const struct store_schema three = {3, "CREATE TABLE thing (id, colour)", steps};
    static const char *const broken_steps[] = {"INSERT INTO thing VALUES (8); NONSENSE"};
    static const struct store_schema broken = {2, "", broken_steps};
    const char *path = scratch_path(*state, "old.db");
    assert_int_equal(store_migrate_by(path, &one), 0);
    assert_int_equal(store_migrate_by(path, &broken), -1);
    struct store *store = store_open(path); /* still version 1, untouched */
    int64_t count = 0;
    assert_int_equal(store_int(store, &count, "SELECT count(*) FROM thing", ""), 1);
    assert_int_equal(count, 1);
    store_close(store);
    assert_int_equal(store_migrate_by(path, &three), 0);
    assert_int_equal(store_migrate_by(path, &three), 0);
    assert_null(store_open(path)); /* made by a newer riad */
    assert_int_equal(store_migrate(path), -1);
}

static void statements_take_and_give_every_type(void **state)
{
    struct store *store = store_open_memory();
    assert_non_null(store);
    assert_int_equal(store_run(store, "CREATE TEMP TABLE t (a INTEGER, b TEXT, c BLOB, d)", ""), 0);
    assert_int_equal(store_run(store, "INSERT INTO t VALUES (?, ?, ?, ?)", "isbn", INT64_MIN,
                               "text", "\0bytes", (size_t)6),
                     0);
    assert_int_equal(store_changes(store), 1);
    assert_int_equal(store_last_id(store), 1);
    struct rows rows;
    rows_open(&rows, store, "SELECT a, b, c, d FROM t WHERE b = ?", "s", "text");
    assert_int_equal(rows_next(&rows), 1);
    size_t length;
    assert_true(rows_int(&rows, 0) == INT64_MIN);
    assert_string_equal(rows_text(&rows, 1), "text");
    assert_memory_equal(rows_bytes(&rows, 2, &length), "\0bytes", 6);
    assert_int_equal(length, 6);
    assert_true(rows_null(&rows, 3));
    assert_string_equal(rows_text(&rows, 3), "");
    assert_int_equal(rows_next(&rows), 0);
    assert_int_equal(rows_next(&rows), 0);
    rows_close(&rows);
    rows_close(&rows);
    int64_t none = 5;
    assert_int_equal(store_int(store, &none, "SELECT d FROM t", ""), 0);
    assert_int_equal(none, 5);
    assert_int_equal(store_int(store, &none, "SELECT d FROM absent", ""), -1);
    rows_open(&rows, store, "SELECT nonsense", "");
    assert_int_equal(rows_next(&rows), -1);
    rows_close(&rows);
    store_close(store);
    (void)state;
}

static void the_same_statement_may_nest(void **state)
{
    struct store *store = store_open_memory();
    const char *sql = "SELECT value FROM (SELECT 1 AS value UNION SELECT 2)";
    struct rows outer, inner;
    int seen = 0;
    rows_open(&outer, store, sql, "");
    while (rows_next(&outer) == 1) {
        rows_open(&inner, store, sql, "");
        while (rows_next(&inner) == 1)
            seen++;
        rows_close(&inner);
    }
    rows_close(&outer);
    assert_int_equal(seen, 4);
    store_close(store);
    (void)state;
}

static void many_different_statements_are_forgotten_again(void **state)
{
    struct store *store = store_open_memory();
    char sql[64];
    for (int i = 0; i < 1000; i++) {
        int64_t value = 0;
        snprintf(sql, sizeof sql, "SELECT %d", i);
        assert_int_equal(store_int(store, &value, sql, ""), 1);
        assert_int_equal(value, i);
    }
    store_close(store);
    (void)state;
}

static void a_rollback_leaves_nothing_and_rings_nobody(void **state)
{
    struct store *store = store_open_memory();
    int bell = doorbell_open();
    store_bells(store, (int[]){-1, bell}, 2);
    assert_int_equal(store_begin(store, STORE_SYNCED), 0);
    assert_int_equal(event_append(store, EVENT_FILE, 1), 0);
    assert_int_equal(store_end(store, -1), -1);
    assert_int_equal(event_last(store), 0);
    assert_false(doorbell_heard(bell));
    assert_int_equal(store_begin(store, STORE_SOON), 0);
    assert_int_equal(event_append(store, EVENT_FILE, 1), 0);
    assert_false(doorbell_heard(bell));
    assert_int_equal(store_end(store, 0), 0);
    assert_true(doorbell_heard(bell));
    assert_int_equal(store_begin(store, STORE_SYNCED), 0);
    assert_int_equal(store_count(store, "n", 1), 0);
    assert_int_equal(store_end(store, 0), 0);
    assert_false(doorbell_heard(bell));
    store_rollback(store);
    close(bell);
    store_close(store);
    (void)state;
}

static void a_unique_rule_is_told_apart(void **state)
{
    struct store *store = store_open_memory();
    const char *sql = "INSERT INTO fact (name, value, at) VALUES (?, '', 0)";
    assert_int_equal(store_run(store, sql, "s", "a"), 0);
    assert_int_equal(store_run(store, sql, "s", "a"), STORE_EXISTS);
    assert_int_equal(store_run(store, sql, "n"), -1);
    store_close(store);
    (void)state;
}

static void counters_and_facts(void **state)
{
    struct store *store = store_open_memory();
    assert_int_equal(store_counter(store, "bytes"), 0);
    assert_int_equal(store_count(store, "bytes", 5), 0);
    assert_int_equal(store_count(store, "bytes", 1LL << 40), 0);
    assert_int_equal(store_counter(store, "bytes"), 5 + (1LL << 40));
    assert_null(store_fact(store, "link", NULL));
    assert_int_equal(store_set_fact(store, "link", "up"), 0);
    assert_int_equal(store_set_fact(store, "link", "down"), 0);
    int64_t at = 0;
    char *fact = store_fact(store, "link", &at);
    assert_string_equal(fact, "down");
    assert_true(at > 0);
    free(fact);
    store_close(store);
    (void)state;
}

static void a_copy_is_whole_while_others_write(void **state)
{
    const char *path = scratch_path(*state, "riad.db");
    assert_int_equal(store_migrate(path), 0);
    struct store *store = store_open(path), *other = store_open(path);
    assert_int_equal(store_count(store, "a", 1), 0);
    assert_int_equal(store_begin(other, STORE_SYNCED), 0);
    assert_int_equal(store_count(other, "b", 1), 0);
    const char *copy = scratch_path(*state, "copy.db");
    assert_int_equal(store_copy(store, copy), 0);
    assert_int_equal(store_end(other, 0), 0);
    assert_int_equal(store_copy(store, copy), -1); /* never over something */
    store_close(store);
    store_close(other);
    assert_int_equal(store_migrate(copy), 0);
    store = store_open(copy);
    assert_int_equal(store_counter(store, "a"), 1);
    assert_int_equal(store_counter(store, "b"), 0);
    store_close(store);
}

static void changes_of_others_are_seen(void **state)
{
    const char *path = scratch_path(*state, "riad.db");
    assert_int_equal(store_migrate(path), 0);
    struct store *store = store_open(path), *other = store_open(path);
    store_changed(store);
    assert_false(store_changed(store));
    assert_int_equal(store_count(store, "mine", 1), 0);
    assert_false(store_changed(store));
    assert_int_equal(store_count(other, "theirs", 1), 0);
    assert_true(store_changed(store));
    assert_false(store_changed(store));
    assert_int_equal(store_begin(other, STORE_SOON), 0);
    assert_int_equal(store_count(other, "theirs", 1), 0);
    assert_int_equal(store_end(other, 0), 0);
    assert_int_equal(store_sync(other), 0);
    assert_int_equal(store_checkpoint(other), 0);
    store_close(store);
    store_close(other);
}

static int64_t room_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_blocks * 512 : -1;
}

/* Whether the file system can set room aside at all. */
static bool sets_aside(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0640);
    bool can = fd >= 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096) == 0;
    close(fd);
    return can;
}

static void room_is_set_aside_for_a_full_disk(void **state)
{
    const char *path = scratch_path(*state, "riad.db");
    if (!sets_aside(scratch_path(*state, "trial")))
        skip();
    assert_int_equal(store_migrate(path), 0);
    struct store *store = store_open(path);
    assert_true(room_of(scratch_path(*state, "riad.db-wal")) >= 4194304);
    assert_true(room_of(path) >= 1048576);
    assert_int_equal(store_count(store, "a", 1), 0);
    assert_int_equal(store_checkpoint(store), 0);
    assert_true(room_of(path) >= 1048576);
    assert_true(room_of(scratch_path(*state, "riad.db-wal")) >= 4194304);
    store_close(store);
    assert_int_equal(store_check(path, NULL), 1);
}

/* What SQLite was told within a transaction of that promise: 1 NORMAL, 2 FULL. */
static int64_t synchronous_within(struct store *store, enum store_promise promise)
{
    int64_t level = -1;
    assert_int_equal(store_begin(store, promise), 0);
    assert_int_equal(store_count(store, "n", 1), 0);
    assert_int_equal(store_int(store, &level, "PRAGMA synchronous", ""), 1);
    assert_int_equal(store_end(store, 0), 0);
    return level;
}

static void only_what_must_be_is_synced_at_once(void **state)
{
    const char *path = scratch_path(*state, "riad.db");
    assert_int_equal(store_migrate(path), 0);
    struct store *store = store_open(path);
    assert_int_equal(synchronous_within(store, STORE_SOON), 1);
    assert_int_equal(synchronous_within(store, STORE_SYNCED), 2);
    assert_int_equal(synchronous_within(store, STORE_SOON), 1);
    store_close(store);
}

#define WRITERS 8
#define EACH    100

static void *write_many(void *path)
{
    struct store *store = store_open(path);
    for (int i = 0; store && i < EACH; i++) {
        int result = store_begin(store, i % 2 ? STORE_SOON : STORE_SYNCED);
        result = result ? -1 : store_count(store, "sum", 1);
        if (store_end(store, result))
            break;
    }
    store_close(store);
    return NULL;
}

static void writers_wait_for_each_other(void **state)
{
    char *path = scratch_path(*state, "riad.db");
    assert_int_equal(store_migrate(path), 0);
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, path), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    struct store *store = store_open(path);
    assert_int_equal(store_counter(store, "sum"), WRITERS * EACH);
    store_close(store);
}

static void collect(void *context, const char *kind, int64_t subject)
{
    int64_t *sum = context;
    assert_string_equal(kind, EVENT_MESSAGE);
    *sum += subject;
}

static void append(struct store *store, int64_t from, int64_t count)
{
    assert_int_equal(store_begin(store, STORE_SOON), 0);
    for (int64_t i = 0; i < count; i++)
        assert_int_equal(event_append(store, EVENT_MESSAGE, from + i), 0);
    assert_int_equal(store_end(store, 0), 0);
}

static void events_come_in_order_and_gaps_are_told(void **state)
{
    struct store *store = store_open_memory();
    int64_t seen = 0, sum = 0;
    assert_int_equal(event_read(store, &seen, collect, &sum), 1);
    append(store, 1, 2000);
    assert_int_equal(event_read(store, &seen, collect, &sum), 1);
    assert_int_equal(sum, 2000 * 2001 / 2);
    assert_int_equal(seen, 2000);
    append(store, 1, 10);
    assert_int_equal(event_trim(store, 10), 0);
    assert_int_equal(event_read(store, &seen, collect, &sum), 1); /* exactly what is left */
    append(store, 1, 10);
    assert_int_equal(event_trim(store, 9), 0);
    sum = 0;
    assert_int_equal(event_read(store, &seen, collect, &sum), 0);
    assert_int_equal(sum, 0);
    assert_int_equal(seen, 2020);
    append(store, 1, 1);
    assert_int_equal(event_trim(store, 0), 0);
    assert_int_equal(event_last(store), 2021);
    assert_int_equal(event_read(store, &seen, collect, &sum), 0);
    assert_int_equal(event_read(store, &seen, collect, &sum), 1);
    store_close(store);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(migrate_creates_and_is_idempotent),
        SCRATCH_TEST(open_refuses_what_is_no_store),
        SCRATCH_TEST(a_foreign_database_is_left_alone),
        SCRATCH_TEST(older_versions_are_migrated_newer_ones_refused),
        cmocka_unit_test(statements_take_and_give_every_type),
        cmocka_unit_test(the_same_statement_may_nest),
        cmocka_unit_test(many_different_statements_are_forgotten_again),
        cmocka_unit_test(a_rollback_leaves_nothing_and_rings_nobody),
        cmocka_unit_test(a_unique_rule_is_told_apart),
        cmocka_unit_test(counters_and_facts),
        SCRATCH_TEST(a_copy_is_whole_while_others_write),
        SCRATCH_TEST(room_is_set_aside_for_a_full_disk),
        SCRATCH_TEST(changes_of_others_are_seen),
        SCRATCH_TEST(only_what_must_be_is_synced_at_once),
        SCRATCH_TEST(writers_wait_for_each_other),
        cmocka_unit_test(events_come_in_order_and_gaps_are_told),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
