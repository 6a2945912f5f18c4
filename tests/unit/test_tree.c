#include "supervisor/tree.h"
#include "tests/unit/scratch.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folders from and to in the scratch folder, with a file in from/sub. */
static void two_folders(void **state, int *from, int *to)
{
    struct scratch *scratch = *state;
    int top = open(scratch->folder, O_RDONLY | O_DIRECTORY);
    assert_true((*from = tree_folder(top, "from", true)) >= 0);
    assert_true((*to = tree_folder(top, "to", true)) >= 0);
    int sub = tree_folder(*from, "sub", true), file = openat(sub, "file", O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(file, "words", 5), 5);
    close(file);
    close(sub);
    close(top);
}

static void a_copy_is_whole(void **state)
{
    char words[8] = "";
    int from, to;
    two_folders(state, &from, &to);
    assert_int_equal(tree_copy(from, to), 0);
    int file = openat(to, "sub/file", O_RDONLY);
    assert_int_equal(read(file, words, sizeof words), 5);
    assert_string_equal(words, "words");
    close(file);
    close(from);
    close(to);
}

/* What is there already is, on a stick that knows no case, another folder of the copy. */
static void a_copy_mixes_no_folders(void **state)
{
    int from, to;
    two_folders(state, &from, &to);
    assert_int_equal(mkdirat(to, "sub", 0700), 0);
    assert_int_equal(tree_copy(from, to), -1);
    assert_int_equal(faccessat(to, "sub/file", F_OK, 0), -1);
    close(from);
    close(to);
}

/* The files of others are copied first, the rest is linked into the same folders. */
static void links_join_what_is_there(void **state)
{
    int from, to;
    two_folders(state, &from, &to);
    assert_int_equal(mkdirat(to, "sub", 0700), 0);
    assert_int_equal(tree_link(from, to), 0);
    assert_int_equal(faccessat(to, "sub/file", F_OK, 0), 0);
    assert_int_equal(tree_link(from, to), 0);
    close(from);
    close(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_copy_is_whole),
        SCRATCH_TEST(a_copy_mixes_no_folders),
        SCRATCH_TEST(links_join_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
