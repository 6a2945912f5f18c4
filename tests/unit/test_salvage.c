#include "base/when.h"
#include "identity/conversation.h"
#include "identity/reset.h"
#include "identity/salvage.h"
#include "tests/unit/people.h"

#include <fcntl.h>
#include <unistd.h>

#define WORDS 5000
#define PAGE  4096

/* A store with some people and many words at path; nothing is left in its log. */
static void fill(const char *path)
{
    assert_int_equal(store_migrate(path), 0);
    struct store *store = store_open(path);
    int64_t ada = claim(store, "ada");
    claim(store, "bob");
    assert_int_equal(setting_set(store, ada, "color", "green"), 0);
    assert_int_equal(store_run(store,
                               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                               "WHERE i < ?) INSERT INTO message (at, room_id, person_id, kind, "
                               "text) SELECT i, 1, ?, 'say', 'word number ' || i || "
                               "' with some more behind it' FROM n",
                               "ii", (int64_t)WORDS, ada),
                     0);
    assert_int_equal(store_run(store, "VACUUM", ""), 0);
    assert_int_equal(store_checkpoint(store), 0);
    store_close(store);
}

/* Writes noise over the pages from first to last, counted from 1. */
static void damage(const char *path, int first, int last)
{
    int fd = open(path, O_RDWR);
    char noise[PAGE];
    memset(noise, 0xA5, sizeof noise);
    for (int page = first; page <= last; page++)
        assert_int_equal(pwrite(fd, noise, PAGE, (off_t)(page - 1) * PAGE), PAGE);
    close(fd);
}

/* A page in the middle of the table's own, by SQLite's account of its pages. */
static int page_of(const char *path, const char *table)
{
    struct store *store = store_open(path);
    int64_t page = 0;
    assert_int_equal(store_int(store, &page,
                               "SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' "
                               "LIMIT 1 OFFSET (SELECT count(*) / 2 FROM dbstat WHERE name = ?1 "
                               "AND pagetype = 'leaf')",
                               "s", table),
                     1);
    store_close(store);
    return (int)page;
}

static void a_sound_store_is_copied_whole(void **state)
{
    const char *old = scratch_path(*state, "old.db"), *new = scratch_path(*state, "new.db");
    struct salvage salvage;
    fill(old);
    assert_int_equal(store_migrate(new), 0);
    assert_int_equal(store_salvage(old, new, &salvage), 0);
    assert_int_equal(salvage.people, 2);
    assert_int_equal(salvage.messages, WORDS);
    assert_false(salvage.gaps);
    assert_int_equal(store_check(new, NULL), 1);
    struct store *store = store_open(new);
    struct person person;
    struct person_attempt attempt = attempt_with("ada", "ada");
    assert_int_equal(person_enter(store, &attempt, &person), CLAIM_IS_YOURS);
    int64_t found = 0;
    assert_int_equal(store_int(store, &found,
                               "SELECT count(*) FROM message_text WHERE message_text MATCH '4711'",
                               ""),
                     1);
    assert_int_equal(found, 1);
    store_close(store);
}

static void what_lies_around_the_damage_is_saved(void **state)
{
    const char *old = scratch_path(*state, "old.db"), *new = scratch_path(*state, "new.db");
    struct salvage salvage;
    fill(old);
    int page = page_of(old, "message");
    damage(old, page, page + 2);
    assert_int_equal(store_check(old, NULL), 0);
    assert_int_equal(store_migrate(new), 0);
    assert_int_equal(store_salvage(old, new, &salvage), 0);
    assert_int_equal(salvage.people, 2);
    assert_true(salvage.gaps);
    assert_true(salvage.messages < WORDS);
    assert_true(salvage.messages > WORDS - 600);
    assert_int_equal(store_check(new, NULL), 1);
    struct store *store = store_open(new);
    int64_t last = 0, astray = 0;
    assert_int_equal(store_int(store, &last, "SELECT max(id) FROM message", ""), 1);
    assert_int_equal(last, WORDS); /* before and behind the gap */
    assert_int_equal(store_int(store, &astray, "SELECT count(*) FROM pragma_foreign_key_check", ""),
                     1);
    assert_int_equal(astray, 0);
    store_close(store);
}

/* As after a copy that ended early; the file's length is no whole number of pages, either. */
static void what_lies_before_the_cut_is_saved(void **state)
{
    const char *old = scratch_path(*state, "old.db"), *new = scratch_path(*state, "new.db");
    struct salvage salvage;
    fill(old);
    assert_int_equal(truncate(old, (off_t)page_of(old, "message") * PAGE + 100), 0);
    assert_int_equal(store_check(old, NULL), 0);
    assert_int_equal(store_migrate(new), 0);
    assert_int_equal(store_salvage(old, new, &salvage), 0);
    assert_int_equal(salvage.people, 2);
    assert_true(salvage.gaps);
    assert_true(salvage.messages > WORDS / 4 && salvage.messages < WORDS);
    assert_int_equal(store_check(new, NULL), 1);
}

static void lost_people_leave_their_words_behind(void **state)
{
    const char *old = scratch_path(*state, "old.db"), *new = scratch_path(*state, "new.db");
    struct salvage salvage;
    fill(old);
    struct store *store = store_open(old);
    int64_t page = 0;
    assert_int_equal(store_int(store, &page, "SELECT pageno FROM dbstat WHERE name = 'person'", ""),
                     1);
    store_close(store);
    damage(old, (int)page, (int)page);
    assert_int_equal(store_migrate(new), 0);
    assert_int_equal(store_salvage(old, new, &salvage), 0);
    assert_int_equal(salvage.people, 0);
    assert_int_equal(salvage.messages, WORDS);
    store = store_open(new);
    claim(store, "ada"); /* her name is free, her old id is not given again */
    int64_t id = 0;
    assert_int_equal(store_int(store, &id, "SELECT id FROM person", ""), 1);
    assert_int_equal(id, 3);
    store_close(store);
}

static void of_a_ruin_nothing_is_saved(void **state)
{
    const char *old = scratch_path(*state, "old.db"), *new = scratch_path(*state, "new.db");
    struct salvage salvage;
    fill(old);
    damage(old, 1, 40);
    assert_int_equal(store_migrate(new), 0);
    store_salvage(old, new, &salvage);
    assert_int_equal(salvage.people, 0);
    assert_int_equal(store_check(new, NULL), 1);
    struct store *store = store_open(new);
    claim(store, "ada");
    struct room room;
    assert_int_equal(room_by_name(store, "lobby", &room), 1);
    store_close(store);
}

static void a_reset_leaves_nobody(void **state)
{
    const char *path = scratch_path(*state, "riad.db");
    fill(path);
    struct store *store = store_open(path);
    struct reset_counts counts;
    assert_int_equal(reset_count(store, &counts), 0);
    assert_int_equal(counts.people, 2);
    assert_int_equal(counts.messages, WORDS);
    assert_int_equal(reset_all(store), 0);
    assert_int_equal(reset_count(store, &counts), 0);
    assert_int_equal(counts.people + counts.messages + counts.files + counts.leases, 0);
    assert_true(claim(store, "ada") > 2);
    struct message_new message = {.room_id = ROOM_LOBBY, .kind = MESSAGE_NOTICE, .text = "anew"};
    int64_t id = 0;
    assert_int_equal(conversation_say(store, &message, 1, &id), 0);
    assert_int_equal(id, WORDS + 1);
    store_close(store);
    assert_int_equal(store_check(path, NULL), 1);
}

static void what_is_older_goes(void **state)
{
    const char *path = scratch_path(*state, "riad.db");
    fill(path);
    struct store *store = store_open(path);
    struct reset_counts counts;
    struct reset_clock clock = {0};
    assert_int_equal(reset_tidy(store, &clock, 0), 0); /* for ever */
    assert_int_equal(reset_count(store, &counts), 0);
    assert_int_equal(counts.messages, WORDS);
    assert_int_equal(
        store_run(store, "UPDATE message SET at = ?1 WHERE id > 4000", "i", when_wall_ms()), 0);
    clock.offset -= 365LL * 24 * 3600 * 1000; /* as if the clock had jumped a year ahead */
    assert_int_equal(reset_tidy(store, &clock, 3600), 0);
    assert_int_equal(reset_count(store, &counts), 0);
    assert_int_equal(counts.messages, WORDS);
    clock.until_ms = 0; /* a day later */
    assert_int_equal(reset_tidy(store, &clock, 3600), 0);
    assert_int_equal(reset_count(store, &counts), 0);
    assert_int_equal(counts.messages, WORDS - 4000);
    assert_int_equal(counts.people, 2);
    store_close(store);
}

static void a_clock_that_jumps_is_not_believed_for_a_day(void **state)
{
    struct reset_clock clock = {0};
    const int64_t hour = 3600 * 1000, year = 365 * 24 * hour;
    assert_true(reset_clock_is_steady(&clock, 5 * year, 1000));
    assert_true(reset_clock_is_steady(&clock, 5 * year + hour + 5000, 1000 + hour));
    assert_false(reset_clock_is_steady(&clock, 8 * year, 2000 + hour));
    assert_false(reset_clock_is_steady(&clock, 8 * year + 23 * hour, 2000 + 24 * hour));
    assert_true(reset_clock_is_steady(&clock, 8 * year + 24 * hour, 2000 + 25 * hour));
    assert_false(reset_clock_is_steady(&clock, 7 * year, 3000 + 25 * hour));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_sound_store_is_copied_whole),
        SCRATCH_TEST(what_lies_around_the_damage_is_saved),
        SCRATCH_TEST(what_lies_before_the_cut_is_saved),
        SCRATCH_TEST(lost_people_leave_their_words_behind),
        SCRATCH_TEST(of_a_ruin_nothing_is_saved),
        SCRATCH_TEST(a_reset_leaves_nobody),
        SCRATCH_TEST(what_is_older_goes),
        cmocka_unit_test(a_clock_that_jumps_is_not_believed_for_a_day),
    };
    return cmocka_run_group_tests_name("salvage", tests, NULL, NULL);
}
