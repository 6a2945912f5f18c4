#include "supervisor/life.h"

#include <assert.h>

#define STAY(state)                                                                                \
    {                                                                                              \
        LIFE_##state, LIFE_ACT_NONE                                                                \
    }
#define GO(state, act)                                                                             \
    {                                                                                              \
        LIFE_##state, LIFE_ACT_##act                                                               \
    }

/* clang-format off */
static const struct life_step table[LIFE_STATES][LIFE_EVENTS] = {
    [LIFE_OFF] = {
        [LIFE_START]     = GO(STARTING, LAUNCH),
        [LIFE_STOP]      = STAY(OFF),
        [LIFE_RENEW]     = STAY(OFF),
        [LIFE_READY]     = STAY(OFF),
        [LIFE_BEAT]      = STAY(OFF),
        [LIFE_SAYS_UP]   = STAY(OFF),
        [LIFE_SAYS_DOWN] = STAY(OFF),
        [LIFE_DIED]      = STAY(OFF),
        [LIFE_LATE]      = STAY(OFF),
    },
    [LIFE_WAITING] = {
        [LIFE_START]     = STAY(WAITING),
        [LIFE_STOP]      = GO(OFF, REST),
        [LIFE_RENEW]     = GO(STARTING, LAUNCH), /* the new configuration may be the cure */
        [LIFE_READY]     = STAY(WAITING),
        [LIFE_BEAT]      = STAY(WAITING),
        [LIFE_SAYS_UP]   = STAY(WAITING),
        [LIFE_SAYS_DOWN] = STAY(WAITING),
        [LIFE_DIED]      = STAY(WAITING),
        [LIFE_LATE]      = GO(STARTING, LAUNCH),
    },
    [LIFE_STARTING] = {
        [LIFE_START]     = STAY(STARTING),
        [LIFE_STOP]      = GO(ENDING, TERM),
        [LIFE_RENEW]     = GO(RENEWING, TERM),
        [LIFE_READY]     = GO(UP, BEAT),
        [LIFE_BEAT]      = GO(STARTING, BEAT),
        [LIFE_SAYS_UP]   = GO(STARTING, BEAT), /* not yet: ready is what counts */
        [LIFE_SAYS_DOWN] = GO(DOWN, BEAT),
        [LIFE_DIED]      = GO(WAITING, PAUSE),
        [LIFE_LATE]      = GO(KILLING, KILL),
    },
    [LIFE_UP] = {
        [LIFE_START]     = STAY(UP),
        [LIFE_STOP]      = GO(ENDING, TERM),
        [LIFE_RENEW]     = GO(RENEWING, TERM),
        [LIFE_READY]     = GO(UP, BEAT),
        [LIFE_BEAT]      = GO(UP, BEAT),
        [LIFE_SAYS_UP]   = GO(UP, BEAT),
        [LIFE_SAYS_DOWN] = GO(DOWN, BEAT),
        [LIFE_DIED]      = GO(WAITING, PAUSE),
        [LIFE_LATE]      = GO(KILLING, KILL),
    },
    [LIFE_DOWN] = {
        [LIFE_START]     = STAY(DOWN),
        [LIFE_STOP]      = GO(ENDING, TERM),
        [LIFE_RENEW]     = GO(RENEWING, TERM),
        [LIFE_READY]     = STAY(DOWN), /* it accepts, and still cannot do its work */
        [LIFE_BEAT]      = GO(DOWN, BEAT),
        [LIFE_SAYS_UP]   = GO(UP, BEAT),
        [LIFE_SAYS_DOWN] = GO(DOWN, BEAT),
        [LIFE_DIED]      = GO(WAITING, PAUSE),
        [LIFE_LATE]      = GO(KILLING, KILL),
    },
    [LIFE_ENDING] = {
        [LIFE_START]     = STAY(RENEWING), /* wanted after all: as soon as it has ended */
        [LIFE_STOP]      = STAY(ENDING),
        [LIFE_RENEW]     = STAY(ENDING),
        [LIFE_READY]     = STAY(ENDING),
        [LIFE_BEAT]      = STAY(ENDING), /* whoever ends may beat, and is killed when too slow */
        [LIFE_SAYS_UP]   = STAY(ENDING),
        [LIFE_SAYS_DOWN] = STAY(ENDING),
        [LIFE_DIED]      = GO(OFF, REST),
        [LIFE_LATE]      = GO(ENDING, KILL),
    },
    [LIFE_RENEWING] = {
        [LIFE_START]     = STAY(RENEWING),
        [LIFE_STOP]      = STAY(ENDING),
        [LIFE_RENEW]     = STAY(RENEWING),
        [LIFE_READY]     = STAY(RENEWING),
        [LIFE_BEAT]      = STAY(RENEWING),
        [LIFE_SAYS_UP]   = STAY(RENEWING),
        [LIFE_SAYS_DOWN] = STAY(RENEWING),
        [LIFE_DIED]      = GO(STARTING, LAUNCH),
        [LIFE_LATE]      = GO(RENEWING, KILL),
    },
    [LIFE_KILLING] = {
        [LIFE_START]     = STAY(KILLING),
        [LIFE_STOP]      = STAY(ENDING),
        [LIFE_RENEW]     = STAY(KILLING),
        [LIFE_READY]     = STAY(KILLING),
        [LIFE_BEAT]      = STAY(KILLING),
        [LIFE_SAYS_UP]   = STAY(KILLING),
        [LIFE_SAYS_DOWN] = STAY(KILLING),
        [LIFE_DIED]      = GO(WAITING, PAUSE),
        [LIFE_LATE]      = STAY(KILLING),
    },
};
/* clang-format on */

struct life_step life_step(enum life_state state, enum life_event event)
{
    assert(state < LIFE_STATES && event < LIFE_EVENTS);
    return table[state][event];
}

const char *life_word(enum life_state state)
{
    static const char *const words[LIFE_STATES] = {
        [LIFE_OFF] = "off",           [LIFE_WAITING] = "down",
        [LIFE_STARTING] = "starting", [LIFE_UP] = "up",
        [LIFE_DOWN] = "down",         [LIFE_ENDING] = "off",
        [LIFE_RENEWING] = "starting", [LIFE_KILLING] = "down",
    };

    return words[state];
}

const char *life_event_name(enum life_event event)
{
    static const char *const names[LIFE_EVENTS] = {
        [LIFE_START] = "start",         [LIFE_STOP] = "stop", [LIFE_RENEW] = "renew",
        [LIFE_READY] = "ready",         [LIFE_BEAT] = "beat", [LIFE_SAYS_UP] = "says up",
        [LIFE_SAYS_DOWN] = "says down", [LIFE_DIED] = "died", [LIFE_LATE] = "late",
    };

    return names[event];
}

bool life_runs(enum life_state state)
{
    return state != LIFE_OFF && state != LIFE_WAITING;
}

int64_t life_pause_ms(int failures)
{
    static const int64_t pauses[] = {0, 1000, 2000, 4000, 8000};
    int last = (int)(sizeof pauses / sizeof *pauses) - 1;

    if (failures < 1)
        return 0;
    return pauses[failures - 1 < last ? failures - 1 : last];
}
