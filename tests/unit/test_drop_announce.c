/* What the lobby is told of files, in how many lines; and the thread that tells it. */
#include "drop/drop_private.h"
#include "tests/unit/dropping.h"

#include <poll.h>

static int64_t told(struct dropping *at)
{
    return number(at, "SELECT count(*) FROM message WHERE kind = 'file'");
}

static void announce_all(struct dropping *at)
{
    int next;
    while ((next = drop_announce(at->drop)) >= 0)
        poll(NULL, 0, next);
}

static void a_batch_is_one_line(void **state)
{
    struct dropping *at = *state;
    struct drop_file file;
    char *text = NULL;

    for (int i = 0; i < 5; i++) {
        char path[32];
        snprintf(path, sizeof path, "%d.jpg", i);
        put(at, path, path);
    }
    put_as(at, "b.txt", "12", &at->bob, false, false, &file, NULL);
    put_as(at, "g.txt", "1", &at->guest, false, false, &file, NULL);
    assert_true(drop_announce(at->drop) > 0);
    assert_int_equal(told(at), 0);
    announce_all(at);
    assert_int_equal(told(at), 3);
    store_text(at->store, &text, "SELECT text FROM message WHERE person_id = ?", "i",
               at->ada.person_id);
    assert_string_equal(text, "ada dropped 5 files: 0.jpg, 1.jpg, 2.jpg and 2 more (25 bytes)");
    free(text);
    store_text(at->store, &text, "SELECT text FROM message WHERE person_id IS NULL", "");
    assert_string_equal(text, "A guest dropped g.txt (1 byte)");
    free(text);
    announce_all(at);
    assert_int_equal(told(at), 3);
}

/* Photos over a slow Wi-Fi: one line for half a minute of them; nobody else waits for them. */
static void a_batch_goes_on_while_more_of_it_comes(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *hers, *guests;
    struct drop_file file;

    put(at, "a.jpg", "a");
    put_as(at, "g.txt", "1", &at->guest, false, false, &file, NULL);
    assert_int_equal(begin(at, "b.jpg", &at->ada, 2 << 20, true, true, &hers), DROP_OK);
    assert_int_equal(begin(at, "slow", &at->other_guest, 2 << 20, true, true, &guests), DROP_OK);
    store_run(at->store, "UPDATE file SET created_at = created_at - 30000", "");
    drop_announce(at->drop);
    assert_int_equal(told(at), 1); /* the guest's */
    store_run(at->store, "UPDATE file SET created_at = created_at - 60000", "");
    drop_announce(at->drop);
    assert_int_equal(told(at), 2);
    drop_abandon(hers);
    drop_abandon(guests);
}

static void a_large_one_is_told_at_its_beginning(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;

    assert_int_equal(begin(at, "big.iso", &at->ada, 300 << 20, true, true, &arrival), DROP_OK);
    assert_int_equal(drop_announce(at->drop), 1000);
    assert_int_equal(told(at), 0);
    store_run(at->store, "UPDATE arrival SET started_at = started_at - 1000", "");
    assert_int_equal(drop_announce(at->drop), -1);
    assert_int_equal(told(at), 1);
    drop_announce(at->drop);
    assert_int_equal(told(at), 1);
    drop_abandon(arrival);
}

/* A stranger who begins many says no more with it than with one. */
static void large_ones_that_begin_together_are_one_line(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival[5];
    char path[32], *text = NULL;

    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "%d.iso", i);
        assert_int_equal(begin(at, path, &at->guest, 300 << 20, true, true, &arrival[i]), DROP_OK);
    }
    store_run(at->store, "UPDATE arrival SET started_at = started_at - 1000 WHERE path = '0.iso'",
              "");
    drop_announce(at->drop);
    assert_int_equal(told(at), 1);
    store_text(at->store, &text, "SELECT text FROM message WHERE kind = 'file'", "");
    assert_string_equal(text,
                        "A guest is dropping 5 files: 0.iso, 1.iso, 2.iso and 2 more (1.6 GB)");
    free(text);
    for (int i = 0; i < 5; i++)
        drop_abandon(arrival[i]);
}

/* ---- the keeper's thread ---- */

static bool comes_true(struct dropping *at, const char *sql)
{
    for (int i = 0; i < 500; i++) {
        if (number(at, sql) == 1)
            return true;
        poll(NULL, 0, 10);
    }
    return false;
}

static void the_keeper_watches_and_tells(void **state)
{
    struct dropping *at = *state;
    struct drop_keeper *keeper = drop_keeper_start(&at->config, NULL, 0);
    struct drop_keeper *other = drop_keeper_start(&at->config, NULL, 0);
    char from[512];

    assert_non_null(keeper);
    put(at, "a", "1");
    assert_true(comes_true(at, "SELECT count(*) FROM message WHERE kind = 'file'"));
    fs_make_folders(below(at, "drop/shelf/deep"), 0755);
    put_by_hand(at, "drop/shelf/deep/x", "by hand");
    assert_true(comes_true(at, "SELECT count(*) FROM file WHERE path = 'shelf/deep/x' AND sha256 "
                               "IS NOT NULL"));
    strcpy(from, below(at, "drop/shelf/deep"));
    rename(from, below(at, "drop/shelf/moved"));
    assert_true(comes_true(at, "SELECT count(*) FROM file WHERE path = 'shelf/moved/x'"));
    put_by_hand(at, "drop/shelf/moved/y", "more");
    assert_true(comes_true(at, "SELECT count(*) FROM file WHERE path = 'shelf/moved/y'"));
    unlink(below(at, "drop/shelf/moved/x"));
    assert_true(comes_true(at, "SELECT count(*) = 0 FROM file WHERE path = 'shelf/moved/x'"));
    drop_keeper_stop(keeper);
    drop_keeper_stop(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DROP_TEST(a_batch_is_one_line),
        DROP_TEST(a_batch_goes_on_while_more_of_it_comes),
        DROP_TEST(a_large_one_is_told_at_its_beginning),
        DROP_TEST(large_ones_that_begin_together_are_one_line),
        DROP_TEST(the_keeper_watches_and_tells),
    };
    return cmocka_run_group_tests_name("drop: announcements", tests, NULL, NULL);
}
