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
static int take_all(struct in_addr address)
{
    int count = 0;
    while (count < 1000 && share_take(address))
        count++;
    return count;
}

static void test_one_alone_gets_half(void **state)
{
    (void)state;
    share_open(100);
    assert_int_equal(take_all(host(1)), 50);
    assert_true(share_take(host(2)));
}

static void test_many_leave_as_much_as_each_has(void **state)
{
    (void)state;
    share_open(100);
    for (int turn = 0; turn < 100; turn++)
        for (int i = 1; i <= 4; i++)
            share_take(host(i));
    assert_int_equal(take_all(host(5)), 10);
    assert_int_equal(take_all(host(6)), 5);
}

static void test_who_has_none_gets_one(void **state)
{
    (void)state;
    share_open(10);
    for (int i = 0; i < 20; i++)
        assert_true(share_take(host(i)));
    assert_false(share_take(host(3)));
}

static void test_what_is_given_back_is_free(void **state)
{
    (void)state;
    share_open(100);
    int count = take_all(host(1));
    for (int i = 0; i < count; i++)
        share_give(host(1));
    share_give(host(1)); /* has none */
    assert_int_equal(take_all(host(2)), 50);
    share_give(host(2));
    assert_true(share_take(host(2)));
    assert_false(share_take(host(2)));
}

static void test_the_box_itself_is_never_turned_away(void **state)
{
    (void)state;
    share_open(10);
    for (int i = 0; i < 30; i++)
        assert_true(share_take((struct in_addr){.s_addr = htonl(INADDR_LOOPBACK)}));
    assert_int_equal(take_all(host(1)), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_alone_gets_half),
        cmocka_unit_test(test_many_leave_as_much_as_each_has),
        cmocka_unit_test(test_who_has_none_gets_one),
        cmocka_unit_test(test_what_is_given_back_is_free),
        cmocka_unit_test(test_the_box_itself_is_never_turned_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
