/* Every cell of the table by which the keeper decides. */
#include "supervisor/life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool is_ending(enum life_state state)
{
    return state == LIFE_ENDING || state == LIFE_RENEWING;
}

/* What must hold in each cell, whatever the table's author thought. */
static void check_cell(enum life_state state, enum life_event event)
{
    struct life_step step = life_step(state, event);

    assert_true(step.next < LIFE_STATES);
    assert_true(step.act <= LIFE_ACT_REST);
    /* A process is started where there is none, and only then. */
    assert_int_equal(step.act == LIFE_ACT_LAUNCH,
                     step.next == LIFE_STARTING && (!life_runs(state) || event == LIFE_DIED));
    /* Signals go to a process. */
    if (step.act == LIFE_ACT_TERM || step.act == LIFE_ACT_KILL)
        assert_true(life_runs(state));
    /* No process is forgotten: only its death leads to a state without one. */
    if (life_runs(state) && !life_runs(step.next))
        assert_int_equal(event, LIFE_DIED);
    /* Every state but OFF and KILLING has a deadline that something set when it was entered. */
    if (step.next != state && step.next != LIFE_OFF && step.next != LIFE_KILLING &&
        !(is_ending(step.next) && (is_ending(state) || state == LIFE_KILLING)))
        assert_int_not_equal(step.act, LIFE_ACT_NONE);
    /* OFF and KILLING have none. */
    if (step.next == LIFE_OFF && state != LIFE_OFF)
        assert_int_equal(step.act, LIFE_ACT_REST);
    if (step.next == LIFE_KILLING && state != LIFE_KILLING)
        assert_int_equal(step.act, LIFE_ACT_KILL);
}

static void every_cell_keeps_the_rules(void **state)
{
    (void)state;
    for (int at = 0; at < LIFE_STATES; at++)
        for (int event = 0; event < LIFE_EVENTS; event++)
            check_cell((enum life_state)at, (enum life_event)event);
}

/* A story: events in order, and where they lead. */
struct chapter {
    enum life_event event;
    enum life_state next;
    enum life_act act;
};

static void tell(const struct chapter *story, size_t count)
{
    enum life_state state = LIFE_OFF;

    for (size_t i = 0; i < count; i++) {
        struct life_step step = life_step(state, story[i].event);
        assert_int_equal(step.next, story[i].next);
        assert_int_equal(step.act, story[i].act);
        state = step.next;
    }
}

#define TELL(...)                                                                                  \
    do {                                                                                           \
        const struct chapter story[] = {__VA_ARGS__};                                              \
        tell(story, sizeof story / sizeof *story);                                                 \
    } while (0)

static void a_calm_life(void **state)
{
    (void)state;
    TELL({LIFE_START, LIFE_STARTING, LIFE_ACT_LAUNCH}, {LIFE_BEAT, LIFE_STARTING, LIFE_ACT_BEAT},
         {LIFE_READY, LIFE_UP, LIFE_ACT_BEAT}, {LIFE_BEAT, LIFE_UP, LIFE_ACT_BEAT},
         {LIFE_STOP, LIFE_ENDING, LIFE_ACT_TERM}, {LIFE_BEAT, LIFE_ENDING, LIFE_ACT_NONE},
         {LIFE_DIED, LIFE_OFF, LIFE_ACT_REST});
}

static void one_that_dies_comes_back(void **state)
{
    (void)state;
    TELL({LIFE_START, LIFE_STARTING, LIFE_ACT_LAUNCH}, {LIFE_READY, LIFE_UP, LIFE_ACT_BEAT},
         {LIFE_DIED, LIFE_WAITING, LIFE_ACT_PAUSE}, {LIFE_LATE, LIFE_STARTING, LIFE_ACT_LAUNCH},
         {LIFE_DIED, LIFE_WAITING, LIFE_ACT_PAUSE}, {LIFE_STOP, LIFE_OFF, LIFE_ACT_REST});
}

static void one_that_hangs_is_killed_and_comes_back(void **state)
{
    (void)state;
    TELL({LIFE_START, LIFE_STARTING, LIFE_ACT_LAUNCH}, {LIFE_READY, LIFE_UP, LIFE_ACT_BEAT},
         {LIFE_LATE, LIFE_KILLING, LIFE_ACT_KILL}, {LIFE_BEAT, LIFE_KILLING, LIFE_ACT_NONE},
         {LIFE_DIED, LIFE_WAITING, LIFE_ACT_PAUSE}, {LIFE_LATE, LIFE_STARTING, LIFE_ACT_LAUNCH});
}

static void one_that_cannot_work_is_down_until_it_can(void **state)
{
    (void)state;
    TELL({LIFE_START, LIFE_STARTING, LIFE_ACT_LAUNCH}, {LIFE_SAYS_DOWN, LIFE_DOWN, LIFE_ACT_BEAT},
         {LIFE_READY, LIFE_DOWN, LIFE_ACT_NONE}, {LIFE_BEAT, LIFE_DOWN, LIFE_ACT_BEAT},
         {LIFE_SAYS_UP, LIFE_UP, LIFE_ACT_BEAT}, {LIFE_SAYS_DOWN, LIFE_DOWN, LIFE_ACT_BEAT});
}

static void one_that_does_not_end_is_killed(void **state)
{
    (void)state;
    TELL({LIFE_START, LIFE_STARTING, LIFE_ACT_LAUNCH}, {LIFE_STOP, LIFE_ENDING, LIFE_ACT_TERM},
         {LIFE_LATE, LIFE_ENDING, LIFE_ACT_KILL}, {LIFE_DIED, LIFE_OFF, LIFE_ACT_REST});
}

static void renewing_starts_anew_at_once(void **state)
{
    (void)state;
    TELL({LIFE_START, LIFE_STARTING, LIFE_ACT_LAUNCH}, {LIFE_READY, LIFE_UP, LIFE_ACT_BEAT},
         {LIFE_RENEW, LIFE_RENEWING, LIFE_ACT_TERM}, {LIFE_LATE, LIFE_RENEWING, LIFE_ACT_KILL},
         {LIFE_DIED, LIFE_STARTING, LIFE_ACT_LAUNCH});
    TELL({LIFE_START, LIFE_STARTING, LIFE_ACT_LAUNCH}, {LIFE_RENEW, LIFE_RENEWING, LIFE_ACT_TERM},
         {LIFE_STOP, LIFE_ENDING, LIFE_ACT_NONE}, {LIFE_START, LIFE_RENEWING, LIFE_ACT_NONE},
         {LIFE_DIED, LIFE_STARTING, LIFE_ACT_LAUNCH});
}

static void pauses_grow_and_stay(void **state)
{
    static const int64_t expected[] = {0, 0, 1000, 2000, 4000, 8000, 8000};

    (void)state;
    for (int failures = 0; failures < 7; failures++)
        assert_int_equal(life_pause_ms(failures), expected[failures]);
    assert_int_equal(life_pause_ms(1000000), 8000);
}

static void every_state_and_event_has_a_word(void **state)
{
    (void)state;
    for (int at = 0; at < LIFE_STATES; at++)
        assert_non_null(life_word((enum life_state)at));
    for (int event = 0; event < LIFE_EVENTS; event++)
        assert_non_null(life_event_name((enum life_event)event));
    assert_string_equal(life_word(LIFE_WAITING), "down");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_keeps_the_rules),
        cmocka_unit_test(a_calm_life),
        cmocka_unit_test(one_that_dies_comes_back),
        cmocka_unit_test(one_that_hangs_is_killed_and_comes_back),
        cmocka_unit_test(one_that_cannot_work_is_down_until_it_can),
        cmocka_unit_test(one_that_does_not_end_is_killed),
        cmocka_unit_test(renewing_starts_anew_at_once),
        cmocka_unit_test(pauses_grow_and_stay),
        cmocka_unit_test(every_state_and_event_has_a_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
