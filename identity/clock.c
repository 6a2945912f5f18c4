#include "identity/clock.h"

#include "base/log.h"
#include "base/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DAY_MS   (INT64_C(24) * 3600 * 1000)
#define LEAST_MS 1000 /* a time server moves a clock by that much every now and then */
#define FACT     "clock.base"
#define LINE_MAX 32

int64_t clock_base(int64_t newest_ms, int64_t machine_ms, int64_t monotonic_ms, int64_t made_ms)
{
    bool unset = machine_ms < made_ms - DAY_MS;

    if (newest_ms < machine_ms + LEAST_MS || newest_ms > WHEN_LAST_MS ||
        (!unset && newest_ms - machine_ms > DAY_MS))
        return WHEN_NO_BASE;
    return newest_ms - monotonic_ms;
}

static int64_t newest_ms(struct store *store)
{
    static const char *const newest[] = {
        "SELECT at FROM message ORDER BY id DESC LIMIT 1",
        "SELECT max(created_at) FROM file",
        "SELECT max(seen_at) FROM person",
        "SELECT max(started_at) FROM lease",
        "SELECT max(at) FROM fact",
    };
    int64_t result = 0;

    for (size_t i = 0; i < sizeof newest / sizeof *newest; i++) {
        int64_t at = 0;
        if (store_int(store, &at, newest[i], "") == 1 && at > result)
            result = at;
    }
    return result;
}

int64_t clock_begin(struct store *store)
{
    int64_t newest = newest_ms(store), machine = when_machine_ms();
    int64_t base = clock_base(newest, machine, when_monotonic_ms(), when_made_ms());
    char *known = store_fact(store, FACT, NULL), line[LINE_MAX] = "", behind[WHEN_MAX];

    when_duration_text((newest - machine) / 1000, behind);
    if (base != WHEN_NO_BASE) {
        log_warn("the clock is %s behind what the store holds: the box goes on from there until "
                 "the clock is set",
                 behind);
        when_set_base(base);
        snprintf(line, sizeof line, "%" PRId64, base);
    } else if (newest > machine + DAY_MS) {
        log_warn("the store holds times that are %s ahead of the clock, which is believed", behind);
    }
    if ((known != NULL || *line) && store_set_fact(store, FACT, line) < 0)
        base = WHEN_NO_BASE;
    free(known);
    return base;
}

void clock_take(struct store *store)
{
    char *line = store_fact(store, FACT, NULL);

    when_set_base(line != NULL && *line ? strtoll(line, NULL, 10) : WHEN_NO_BASE);
    free(line);
}
