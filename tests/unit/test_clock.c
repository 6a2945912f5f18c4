#include "base/when.h"
#include "identity/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#define HOUR INT64_C(3600000)
#define DAY  (24 * HOUR)
#define MADE (20000 * DAY) /* when the program was made */
#define NOW  (20100 * DAY)

static void which_clock_is_believed(void **state)
{
    static const struct {
        int64_t newest, machine, base;
    } cases[] = {
        {0,                NOW,            WHEN_NO_BASE}, /* an empty store */
        {NOW + 999,        NOW,            WHEN_NO_BASE},
        {NOW - 1,          NOW,            WHEN_NO_BASE},
        {NOW,              NOW,            WHEN_NO_BASE},
        {NOW,              NOW - HOUR,     NOW - 7     }, /* it stood still while the box was off */
        {NOW,              NOW - DAY,      NOW - 7     },
        {NOW,              NOW - DAY - 1,  WHEN_NO_BASE}, /* the other one was wrong */
        {NOW,              0,              NOW - 7     }, /* not set */
        {NOW,              MADE - DAY - 1, NOW - 7     },
        {NOW,              MADE - DAY,     WHEN_NO_BASE},
        {WHEN_LAST_MS + 1, 0,              WHEN_NO_BASE},
        {INT64_MAX,        0,              WHEN_NO_BASE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_int_equal(clock_base(cases[i].newest, cases[i].machine, 7, MADE), cases[i].base);
}

static void time_is_at_least_the_base(void **state)
{
    int64_t ahead = when_machine_ms() + HOUR, before;

    (void)state;
    when_set_base(ahead - when_monotonic_ms());
    before = when_wall_ms();
    assert_in_range(before, ahead, ahead + 10000);
    assert_true(when_machine_ms() < ahead);
    assert_true(when_wall_ms() >= before);
    when_set_base(-HOUR); /* the clock has overtaken it */
    assert_in_range(when_wall_ms(), when_machine_ms() - 10000, when_machine_ms());
    when_set_base(INT64_MAX);
    assert_in_range(when_wall_ms(), when_machine_ms() - 10000, when_machine_ms());
    when_set_base(WHEN_NO_BASE);
}

static void a_store_that_is_ahead(void **state)
{
    struct store *store = store_open_memory();
    int64_t ahead = when_machine_ms() + 2 * HOUR, base;

    (void)state;
    assert_int_equal(clock_begin(store), WHEN_NO_BASE);
    clock_take(store);
    assert_true(when_wall_ms() < ahead);
    store_run(store, "INSERT INTO message (at, kind, text) VALUES (?, 'say', 'later')", "i", ahead);
    base = clock_begin(store);
    assert_in_range(base + when_monotonic_ms(), ahead, ahead + 10000);
    when_set_base(WHEN_NO_BASE);
    clock_take(store); /* as another process does */
    assert_in_range(when_wall_ms(), ahead, ahead + 10000);
    /* The next start, with a clock that is right. */
    store_run(store, "DELETE FROM message", "");
    store_run(store, "UPDATE fact SET at = 0", "");
    assert_int_equal(clock_begin(store), WHEN_NO_BASE);
    clock_take(store);
    assert_true(when_wall_ms() < ahead);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_clock_is_believed),
        cmocka_unit_test(time_is_at_least_the_base),
        cmocka_unit_test(a_store_that_is_ahead),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
