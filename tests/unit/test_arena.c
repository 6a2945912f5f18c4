#include "base/arena.h"

#include "scratch.h"

#include <stdint.h>
#include <string.h>

#define PIECES 3000

/* Of many sizes, beyond a block's among them: each aligned, none over another. */
static void pieces(void **state)
{
    struct arena arena = {0};
    unsigned char *all[PIECES];
    (void)state;
    for (size_t i = 0; i < PIECES; i++) {
        size_t size = i % 1000 == 999 ? 200000 : i % 97;
        all[i] = arena_alloc(&arena, size);
        assert_int_equal((uintptr_t)all[i] % sizeof(void *), 0);
        memset(all[i], (int)(i % 251), size);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t n = 0; n < (i % 1000 == 999 ? 200000 : i % 97); n++)
            assert_int_equal(all[i][n], i % 251);
    arena_done(&arena);
    assert_null(arena.blocks);
}

/* What was forgotten is filled again, from the first block on. */
static void again(void **state)
{
    struct arena arena = {0};
    void *first = arena_alloc(&arena, 10), *far;
    (void)state;
    far = arena_alloc(&arena, 500000);
    for (int turn = 0; turn < 100; turn++) {
        arena_reset(&arena);
        assert_ptr_equal(arena_alloc(&arena, 20), first);
        assert_ptr_equal(arena_alloc(&arena, 400000), far);
    }
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pieces), cmocka_unit_test(again)};
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
