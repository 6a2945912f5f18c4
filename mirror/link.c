/*
 * link: whether it is the link that is down, or a host that nobody reaches any more.
 *
 * Forges die, and packages outlive them: a host that cannot be reached proves nothing. So when
 * several attempts in a row have failed, upstream is asked, and its answer decides.
 */
#include "base/log.h"
#include "base/when.h"
#include "mirror/flight.h"

#include <stdio.h>

#define LINK_FAILURES_DOWN 2    /* attempts in a row that reach nobody */
#define LINK_SILENT_MS     6000 /* nothing is heard from anybody */
#define LINK_PAUSE_MS      250  /* the first pause while the link is down; doubled up to */
#define LINK_PAUSE_MAX_MS  4000 /* this */

static void tell(struct flights *flights, bool down, const char *why)
{
    char text[160];

    snprintf(text, sizeof text, down ? "down: %s" : "up", why);
    if (store_set_fact(flights->with.store, FLIGHTS_FACT_LINK, text) == 0)
        flights->link_told = down;
    if (down)
        log_warn("the link is down (%s); the cache serves on", why);
    else
        log_info("the link is up");
}

void flights_link_up(struct flights *flights)
{
    bool first = flights->link_ok_ms == 0;

    flights->link_ok_ms = when_monotonic_ms();
    flights->link_failures = 0;
    flights->link_failed_ms = flights->gate_ms = 0;
    if (flights->link_told || first)
        tell(flights, false, "");
}

bool flights_link_is_down(const struct flights *flights)
{
    return flights->link_failures >= LINK_FAILURES_DOWN;
}

/* ---- the question ---- */

static int on_head(void *context, const struct response *response)
{
    (void)context, (void)response;
    return 0;
}

static int on_data(void *context, const void *bytes, size_t length)
{
    (void)context, (void)bytes, (void)length;
    return -1;
}

static void on_end(void *context, enum fetch_end end, const struct response *response,
                   const char *why)
{
    struct flights *flights = context;

    (void)end;
    flights->question = NULL;
    if (response->status != 0)
        flights_link_up(flights);
    else if (flights_link_is_down(flights) && !flights->link_told)
        tell(flights, true, why);
}

/* Each time another one of its addresses. */
static void ask(struct flights *flights, const char *why)
{
    static const struct fetch_calls calls = {on_head, on_data, on_end};
    const struct config_list *upstream = &flights->with.config->mirror[0].upstream;
    struct fetch_request request = {.kind = FETCH_HEAD};

    if (flights->question)
        return;
    if (upstream->count > 0) {
        request.url = upstream->item[flights->questions++ % upstream->count];
        flights->question = fetch_start(flights->with.fetch, &request, &calls, flights);
    }
    if (!flights->question && !flights->link_told)
        tell(flights, true, why);
}

void link_end(struct flights *flights)
{
    fetch_stop(flights->question);
    flights->question = NULL;
}

/* ---- failures ---- */

/* No start before a while. */
static void pause_starts(struct flights *flights, int64_t now)
{
    int64_t pause = LINK_PAUSE_MS;

    for (int i = LINK_FAILURES_DOWN; i < flights->link_failures && pause < LINK_PAUSE_MAX_MS; i++)
        pause *= 2;
    flights->gate_ms = now + (pause < LINK_PAUSE_MAX_MS ? pause : LINK_PAUSE_MAX_MS);
}

void flights_link_failed(struct flights *flights, const char *why)
{
    int64_t now = when_monotonic_ms();

    if (flights->link_failures++ == 0)
        flights->link_failed_ms = now;
    if (!flights_link_is_down(flights))
        return;
    pause_starts(flights, now);
    ask(flights, why);
}

/* Hosts that answer nothing at all: packets vanish, as they do where a link is dark. */
void link_tick(struct flights *flights)
{
    if (flights->link_told || fetch_silent_ms(flights->with.fetch) < LINK_SILENT_MS)
        return;
    if (!flights_link_is_down(flights)) {
        flights->link_failures = LINK_FAILURES_DOWN;
        pause_starts(flights, when_monotonic_ms());
    }
    tell(flights, true, "nothing comes from any host");
}
