/*
 * scratch: cmocka with its headers, and a folder of its own for each test that wants files.
 *
 *     SCRATCH_TEST(name) in the table; in the test: scratch_path(*state, "riad.db").
 */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_PATHS 16

struct scratch {
    char folder[64];
    char *path[SCRATCH_PATHS];
    size_t count;
};

/* The path of name in this test's folder; valid until the test ends. */
static inline char *scratch_path(struct scratch *scratch, const char *name)
{
    assert_true(scratch->count < SCRATCH_PATHS);
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", scratch->folder, name) > 0);
    scratch->path[scratch->count++] = path;
    return path;
}

static inline int scratch_setup(void **state)
{
    struct scratch *scratch = calloc(1, sizeof *scratch);
    strcpy(scratch->folder, "/tmp/riad-unit-XXXXXX");
    *state = scratch;
    return mkdtemp(scratch->folder) ? 0 : -1;
}

static inline int scratch_remove(const char *path, const struct stat *about, int kind,
                                 struct FTW *where)
{
    (void)about, (void)kind, (void)where;
    return remove(path);
}

static inline int scratch_teardown(void **state)
{
    struct scratch *scratch = *state;
    nftw(scratch->folder, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
    while (scratch->count > 0)
        free(scratch->path[--scratch->count]);
    free(scratch);
    return 0;
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

#endif
