/*
 * The drop when its process dies between any two steps: whole or not there, with its owner and its
 * digest, and nothing left over.
 */
#include "drop/drop_private.h"
#include "tests/unit/dropping.h"

#include <sys/wait.h>

static const char *crash_at;

static void crash(const char *name)
{
    if (strcmp(name, crash_at) == 0)
        _exit(42);
}

/* What each door does, in a process that dies at a step. Whether it did. */
static bool dies(struct dropping *at, const char *step, void (*act)(struct dropping *))
{
    int status;
    pid_t child;

    dropping_close(at); /* a connection must not cross fork(2) */
    child = fork();
    if (child == 0) {
        dropping_open(at);
        crash_at = step;
        drop_steps_to(crash);
        act(at);
        _exit(0);
    }
    waitpid(child, &status, 0);
    dropping_open(at);
    return WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

static void act_new(struct dropping *at)
{
    struct drop_file file;
    put_as(at, "folder/f", "new bytes", &at->ada, true, true, &file, NULL);
}

static void act_remove(struct dropping *at)
{
    drop_remove(at->drop, "folder/f", &at->ada);
}

static void act_rename(struct dropping *at)
{
    drop_rename(at->drop, "folder/f", "folder/g", &at->ada, false);
}

/* Whole or not there; with its owner and digest; nothing left over. */
static void check_after(struct dropping *at, const char *path, const char *old, const char *new)
{
    struct drop_file file;
    const char *text;

    assert_int_equal(drop_tidy(at->drop), 0);
    read_all_missing(at);
    assert_int_equal(number(at, "SELECT count(*) FROM arrival"), 0);
    assert_int_equal(parts(at), 0);
    text = content(at, path);
    if (!text) {
        assert_null(old);
        return;
    }
    assert_true(strcmp(text, new) == 0 || (old && strcmp(text, old) == 0));
    assert_int_equal(drop_look(at->drop, path, &file), DROP_OK);
    assert_string_equal(file.owner, "ada");
    assert_true(has_digest_of(&file, text));
}

static void publishing_survives_a_crash(void **state)
{
    static const char *const steps[] = {"digest", "intent", "renamed", "synced", "landed"};
    struct dropping *at = *state;

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_true(dies(at, steps[i], act_new));
        /* A crash with the row written leaves a part only until somebody goes on or it expires. */
        store_run(at->store, "UPDATE arrival SET expires_at = 1", "");
        check_after(at, "folder/f", NULL, "new bytes");
        if (i >= 2) /* it had its name: it is there */
            assert_string_equal(content(at, "folder/f"), "new bytes");
        drop_remove(at->drop, "folder/f", &at->ada);
    }
}

static void replacing_survives_a_crash(void **state)
{
    static const char *const steps[] = {"digest", "intent", "replaced", "landed"};
    struct dropping *at = *state;
    struct drop_file file;

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        put_as(at, "folder/f", "old", &at->ada, true, true, &file, NULL);
        assert_true(dies(at, steps[i], act_new));
        store_run(at->store, "UPDATE arrival SET expires_at = 1", "");
        check_after(at, "folder/f", "old", "new bytes");
        assert_non_null(content(at, "folder/f"));
    }
}

static void removing_survives_a_crash(void **state)
{
    struct dropping *at = *state;

    act_new(at);
    assert_true(dies(at, "unlinked", act_remove));
    check_after(at, "folder/f", NULL, "new bytes");
    assert_int_equal(number(at, "SELECT count(*) FROM file"), 0);
}

static void renaming_survives_a_crash(void **state)
{
    struct dropping *at = *state;

    act_new(at);
    assert_true(dies(at, "moved", act_rename));
    check_after(at, "folder/g", NULL, "new bytes");
    assert_string_equal(content(at, "folder/g"), "new bytes");
    assert_int_equal(number(at, "SELECT count(*) FROM file"), 1);
}

static void after_a_power_cut_only_what_was_synced_counts(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;
    struct drop_coming coming;

    assert_int_equal(drop_tidy(at->drop), 0);
    begin(at, "a", &at->ada, 6, true, true, &arrival);
    drop_write(arrival, "abc", 3);
    drop_pause(arrival);
    assert_int_equal(drop_tidy(at->drop), 0);
    drop_coming_by_path(at->drop, "a", &at->ada, &coming);
    assert_int_equal(coming.received, 3);
    store_set_fact(at->store, "drop boot", "another start of the machine");
    assert_int_equal(drop_tidy(at->drop), 0);
    drop_coming_by_path(at->drop, "a", &at->ada, &coming);
    assert_int_equal(coming.received, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DROP_TEST(publishing_survives_a_crash),
        DROP_TEST(replacing_survives_a_crash),
        DROP_TEST(removing_survives_a_crash),
        DROP_TEST(renaming_survives_a_crash),
        DROP_TEST(after_a_power_cut_only_what_was_synced_counts),
    };
    return cmocka_run_group_tests_name("drop: crashes", tests, NULL, NULL);
}
