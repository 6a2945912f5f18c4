/* How many connections each address may have. */
#include "web/share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct in_addr host(int number)
{
    return (struct in_addr){.s_addr = htonl(0x0a4d0000u + (unsigned)number)};
}

/* Takes as many as the address gets. */
static int take_all(struct share *share, struct in_addr address)
{
    int count = 0;
    while (count < 1000 && share_take(share, address, false))
        count++;
    return count;
}

static void test_one_alone_gets_half(void **state)
{
    struct share *share = share_new(100, 1);
    (void)state;
    assert_int_equal(take_all(share, host(1)), 50);
    assert_true(share_take(share, host(2), false));
    share_free(share);
}

static void test_weight_gives_one_alone_more(void **state)
{
    struct share *share = share_new(384, 4);
    (void)state;
    assert_int_equal(take_all(share, host(1)), 308);
    assert_int_equal(take_all(share, host(2)), 61);
    assert_true(take_all(share, host(3)) > 10);
    share_free(share);
}

static void test_many_leave_as_much_as_each_has(void **state)
{
    struct share *share = share_new(100, 1);
    (void)state;
    for (int turn = 0; turn < 100; turn++)
        for (int i = 1; i <= 4; i++)
            share_take(share, host(i), false);
    assert_int_equal(take_all(share, host(5)), 10);
    assert_int_equal(take_all(share, host(6)), 5);
    share_free(share);
}

static void test_who_has_none_gets_one(void **state)
{
    struct share *share = share_new(10, 1);
    (void)state;
    for (int i = 0; i < 20; i++)
        assert_true(share_take(share, host(i), false));
    assert_false(share_take(share, host(3), false));
    assert_true(share_take(share, host(3), true));
    share_free(share);
}

static void test_what_is_given_back_is_free(void **state)
{
    struct share *share = share_new(100, 1);
    (void)state;
    int count = take_all(share, host(1));
    for (int i = 0; i < count; i++)
        share_give(share, host(1));
    share_give(share, host(1)); /* has none */
    assert_int_equal(take_all(share, host(2)), 50);
    share_give(share, host(2));
    assert_true(share_take(share, host(2), false));
    assert_false(share_take(share, host(2), false));
    share_free(share);
    share_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_alone_gets_half),
        cmocka_unit_test(test_weight_gives_one_alone_more),
        cmocka_unit_test(test_many_leave_as_much_as_each_has),
        cmocka_unit_test(test_who_has_none_gets_one),
        cmocka_unit_test(test_what_is_given_back_is_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
