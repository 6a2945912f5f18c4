/*
 * The drop on disks that fill up and fail: at any one call that writes, syncs or renames.
 */
#include "drop/drop_private.h"
#include "tests/unit/disk_calls.h"
#include "tests/unit/dropping.h"

#include <sys/wait.h>

static void picture(int fd)
{
    (void)fd;
}

/* ---- one call fails ---- */

static void act_put(struct dropping *at, enum drop_result *result)
{
    struct drop_file file;
    struct drop_arrival *arrival;

    *result = begin(at, "folder/f", &at->ada, -1, true, true, &arrival);
    if (*result)
        return;
    *result = drop_write(arrival, "new ", 4);
    if (!*result)
        *result = drop_write(arrival, "bytes", 5);
    if (*result)
        drop_pause(arrival);
    else
        *result = drop_publish(arrival, &file, NULL, NULL);
}

static void act_remove(struct dropping *at, enum drop_result *result)
{
    *result = drop_remove(at->drop, "folder/f", &at->ada);
}

static void act_rename(struct dropping *at, enum drop_result *result)
{
    *result = drop_rename(at->drop, "folder/f", "g", &at->ada, false);
}

static void check_put(struct dropping *at, enum drop_result result, bool old)
{
    const char *text = content(at, "folder/f");
    struct drop_file file;

    assert_int_equal(check_house(at), text ? 1 : 0);
    text = content(at, "folder/f");
    if (result == DROP_OK)
        assert_string_equal(text, "new bytes");
    else if (old)
        assert_true(text && (strcmp(text, "old") == 0 || strcmp(text, "new bytes") == 0));
    else
        assert_true(!text || strcmp(text, "new bytes") == 0);
    if (!text)
        return;
    assert_int_equal(drop_look(at->drop, "folder/f", &file), DROP_OK);
    assert_string_equal(file.owner, "ada");
    assert_true(has_digest_of(&file, text));
}

/* Lets the n-th call of act fail. Whether there was an n-th. */
static bool act_failing(struct dropping *at, int n, int error,
                        void (*act)(struct dropping *, enum drop_result *),
                        enum drop_result *result)
{
    calls = 0;
    fail_at = n;
    fail_errno = error;
    armed = true;
    act(at, result);
    armed = false;
    return calls >= n;
}

static void every_call_of_publishing_may_fail(void **state)
{
    static const int errors[] = {ENOSPC, EIO};
    struct dropping *at = *state;
    enum drop_result result;
    struct drop_file file;

    for (int old = 0; old < 2; old++)
        for (size_t e = 0; e < 2; e++)
            for (int n = 1;; n++) {
                drop_remove(at->drop, "folder/f", &at->host);
                if (old)
                    put_as(at, "folder/f", "old", &at->ada, true, true, &file, NULL);
                bool failed = act_failing(at, n, errors[e], act_put, &result);
                check_put(at, result, old);
                if (!failed) {
                    assert_true(n > 5);
                    assert_int_equal(result, DROP_OK);
                    break;
                }
            }
}

static void every_call_of_removing_and_renaming_may_fail(void **state)
{
    struct dropping *at = *state;
    enum drop_result result;
    struct drop_file file;

    for (int rename = 0; rename < 2; rename++)
        for (int n = 1;; n++) {
            drop_remove(at->drop, "folder/f", &at->host);
            drop_remove(at->drop, "g", &at->host);
            put_as(at, "folder/f", "old", &at->ada, true, true, &file, NULL);
            bool failed = act_failing(at, n, EIO, rename ? act_rename : act_remove, &result);
            int files = check_house(at);
            if (rename) {
                assert_int_equal(files, 1);
                assert_string_equal(content(at, result == DROP_OK         ? "g"
                                                : content(at, "folder/f") ? "folder/f"
                                                                          : "g"),
                                    "old");
                assert_int_equal(number(at, "SELECT count(*) FROM file WHERE person_id NOT NULL"),
                                 1);
            } else if (result == DROP_OK) {
                assert_int_equal(files, 0);
            }
            if (!failed)
                break;
        }
}

/* ---- who finds it there already ---- */

static void die_when_renamed(const char *step)
{
    if (strcmp(step, "renamed") == 0)
        _exit(42);
}

static ino_t inode_of(struct dropping *at, const char *below)
{
    char *path = config_path(&at->config, below);
    struct stat there;

    assert_int_equal(stat(path, &there), 0);
    free(path);
    return there.st_ino;
}

/* Somebody died between the name and the disk, and it is sent again: only what is synced is said to
 * be there. */
static void what_is_there_already_is_synced(void **state)
{
    struct dropping *at = *state;
    struct drop_file file;
    int status;

    dropping_close(at);
    if (fork() == 0) {
        dropping_open(at);
        drop_steps_to(die_when_renamed);
        put_as(at, "folder/f", "new bytes", &at->ada, true, false, &file, NULL);
        _exit(0);
    }
    wait(&status);
    assert_int_equal(WEXITSTATUS(status), 42);
    dropping_open(at);
    wanted_synced[0] = inode_of(at, "drop/folder/f");
    wanted_synced[1] = inode_of(at, "drop/folder");
    wanted_synced[2] = inode_of(at, "store/riad.db-wal");
    armed = true;
    enum drop_result result =
        put_as(at, "folder/f", "new bytes", &at->ada, true, false, &file, NULL);
    armed = false;
    assert_int_equal(result, DROP_OK);
    assert_string_equal(file.path, "folder/f");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(wanted_synced[i], 0);
    check_put(at, DROP_OK, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DROP_TEST(every_call_of_publishing_may_fail),
        DROP_TEST(every_call_of_removing_and_renaming_may_fail),
        DROP_TEST(what_is_there_already_is_synced),
    };
    return cmocka_run_group_tests_name("drop: faults", tests, NULL, NULL);
}
