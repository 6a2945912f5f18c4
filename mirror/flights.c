/*
 * flights: the table of flights, in memory and in the store.
 */
#include "mirror/flights.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "mirror/flight.h"
#include "mirror/savings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_DELAY_MS 2000    /* who waits for what has just landed opens it first */
#define FORGET_MS     3600000 /* rows of flights that ended longer ago */
#define SPEED_MS      3000

struct flights *flights_new(const struct flights_with *with)
{
    struct flights *flights = mem_alloc(sizeof *flights);

    flights->with = *with;
    flights->held = -1;
    flights_look(flights);
    return flights;
}

void flights_free(struct flights *flights)
{
    struct flight *next;

    if (!flights)
        return;
    link_end(flights);
    for (struct flight *flight = flights->first; flight; flight = next) {
        next = flight->next;
        flight_free(flight);
    }
    free(flights);
}

/* ---- rows ---- */

static struct flight *make(struct flights *flights, struct flight **link, int64_t id,
                           const char *name)
{
    struct flight *flight = mem_alloc(sizeof *flight);

    flight->all = flights;
    flight->id = id;
    snprintf(flight->name, sizeof flight->name, "%s", name);
    snprintf(flight->label, sizeof flight->label, "%.24s...", name);
    flight->wake_ms = flight->announced_length = -1;
    flight->next = *link;
    *link = flight;
    return flight;
}

/* Unlinks and releases what *link points to. */
static void drop(struct flight **link)
{
    struct flight *flight = *link;

    *link = flight->next;
    flight_free(flight);
}

/* Both the rows and the list are in the order of ids: one walk. */
void flights_look(struct flights *flights)
{
    struct flight **link = &flights->first;
    struct rows rows;
    int found;

    rows_open(&rows, flights->with.store,
              "SELECT id, name, priority, keep FROM flight "
              "WHERE state IN ('wanted', 'flying') ORDER BY id",
              "");
    while ((found = rows_next(&rows)) == 1) {
        int64_t id = rows_int(&rows, 0);

        while (*link && (*link)->id < id)
            drop(link);
        if (!*link || (*link)->id != id)
            make(flights, link, id, rows_text(&rows, 1));
        (*link)->priority = (int)rows_int(&rows, 2);
        (*link)->keep = rows_int(&rows, 3) != 0;
        link = &(*link)->next;
    }
    while (found == 0 && *link)
        drop(link);
    rows_close(&rows);
}

/* ---- scheduling ---- */

static size_t most_running(const struct flights *flights)
{
    return flights_link_is_down(flights) ? 1 : (size_t)flights->with.config->mirror[0].parallel;
}

/* Of those that could start now, the one that should: the most urgent, then the oldest. */
static struct flight *next_flight(const struct flights *flights, int64_t now)
{
    struct flight *best = NULL;

    for (struct flight *flight = flights->first; flight; flight = flight->next)
        if (!flight->over && !flight->transfer && flight->wake_ms <= now &&
            (!best || flight->priority < best->priority))
            best = flight;
    return best;
}

/* A flight that is less urgent than priority and could give its place up: the youngest. */
static struct flight *running_below(const struct flights *flights, int priority)
{
    struct flight *found = NULL;

    for (struct flight *flight = flights->first; flight; flight = flight->next)
        if (flight->transfer && flight->priority > priority &&
            (!found || flight->priority >= found->priority))
            found = flight;
    return found;
}

static void reap(struct flights *flights)
{
    struct flight **link = &flights->first;

    while (*link) {
        if ((*link)->over && !(*link)->transfer)
            drop(link);
        else
            link = &(*link)->next;
    }
}

static void start_flights(struct flights *flights, int64_t now)
{
    struct flight *flight, *other;

    if (flights->gate_ms > now)
        return;
    while ((flight = next_flight(flights, now))) {
        if (flights->running >= most_running(flights)) {
            other = running_below(flights, flight->priority);
            if (!other)
                return;
            flight_pause(other);
        }
        if (flight_start(flight) < 0 && !flight->over && flight->wake_ms <= now)
            flight->wake_ms = now + 1;
    }
}

void flights_run(struct flights *flights)
{
    int64_t now = when_monotonic_ms();

    for (struct flight *flight = flights->first; flight; flight = flight->next)
        flight_show(flight, now);
    start_flights(flights, now);
    reap(flights);
}

static int64_t earlier(int64_t one, int64_t other)
{
    return one < 0 || (other >= 0 && other < one) ? other : one;
}

int flights_timeout(const struct flights *flights)
{
    int64_t now = when_monotonic_ms(), due = -1;
    bool may_start = flights->running < most_running(flights);

    for (const struct flight *flight = flights->first; flight; flight = flight->next) {
        int64_t start = flight->wake_ms < now ? now : flight->wake_ms;

        if (flight->over)
            return 0;
        if (flight->transfer)
            due = earlier(due, part_due(flight->part));
        else if (may_start || running_below(flights, flight->priority))
            due = earlier(due, start < flights->gate_ms ? flights->gate_ms : start);
    }
    if (due < 0)
        return -1;
    return due <= now ? 0 : (int)(due - now);
}

void flights_count(const struct flights *flights, size_t *running, size_t *waiting)
{
    *running = *waiting = 0;
    for (const struct flight *flight = flights->first; flight; flight = flight->next)
        *(flight->transfer ? running : waiting) += 1;
}

/* ---- once a second ---- */

/* Progress, where it changed. */
static int put_progress(struct flights *flights, int64_t now)
{
    int result = 0;

    for (struct flight *flight = flights->first; flight && result == 0; flight = flight->next) {
        int64_t received, past = now - flight->mark_ms;

        if (!flight->transfer || !flight->announced || past <= 0)
            continue;
        received = part_received(flight->part);
        flight->speed = (received - flight->mark_bytes) * 1000 / past;
        if (flight->speed < 0)
            flight->speed = 0;
        if (past > SPEED_MS) {
            flight->mark_ms = now;
            flight->mark_bytes = received;
        }
        result =
            store_run(flights->with.store, "UPDATE flight SET received = ?, speed = ? WHERE id = ?",
                      "iii", received, flight->speed, flight->id);
    }
    return result;
}

void flights_carried(struct flights *flights, int repository, size_t bytes)
{
    if (repository >= 0)
        flights->carried[repository] += (int64_t)bytes;
}

/* Bytes from the link, of all together and of each repository. */
static int put_carried(struct flights *flights, int64_t bytes)
{
    struct store *store = flights->with.store;
    int result = store_count(store, MIRROR_COUNT_LINK, bytes);

    for (size_t i = 0; i < flights->with.config->mirror_count && result == 0; i++)
        if (flights->carried[i] > 0)
            result = savings_count(store, MIRROR_COUNT_LINK, flights->with.config->mirror[i].name,
                                   flights->carried[i]);
    return result;
}

static void tick_rows(struct flights *flights, int64_t now)
{
    struct store *store = flights->with.store;
    int64_t bytes = fetch_bytes(flights->with.fetch);
    int result;

    if (flights->running == 0 && bytes == flights->counted)
        return;
    if (store_begin(store, STORE_SOON) < 0)
        return;
    result = put_progress(flights, now);
    if (result == 0 && bytes > flights->counted)
        result = put_carried(flights, bytes - flights->counted);
    if (result == 0)
        result = store_run(store, "DELETE FROM flight WHERE ended_at < ?", "i",
                           when_wall_ms() - FORGET_MS);
    if (store_end(store, result) < 0)
        return;
    flights->counted = bytes;
    memset(flights->carried, 0, sizeof flights->carried);
}

static void tell_held(struct flights *flights)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)flights->held);
    store_set_fact(flights->with.store, FLIGHTS_FACT_HELD, text);
    snprintf(text, sizeof text, "%lld", (long long)flights->archives);
    store_set_fact(flights->with.store, FLIGHTS_FACT_COUNT, text);
}

/* Counts the cache at the start, and keeps it within its limit afterwards: an archive that came in
 * may cost others their place, but what is there never leaves because others filled the disk. */
static void tick_room(struct flights *flights, int64_t now)
{
    int64_t limit, target = INT64_MAX;
    int gone;

    if (flights->held >= 0 && (!flights->grown_ms || now - flights->grown_ms < ROOM_DELAY_MS))
        return;
    if (flights->held >= 0) {
        limit = cache_limit(flights->with.cache, flights->with.config);
        if (flights->held > limit)
            target = limit;
    }
    if (flights->held < 0 || target < INT64_MAX) {
        gone = cache_evict(flights->with.cache, target, &flights->held, &flights->archives);
        if (gone > 0)
            log_info("%d archive%s left the cache; it holds %lld bytes", gone, gone == 1 ? "" : "s",
                     (long long)flights->held);
    }
    flights->grown_ms = 0;
    tell_held(flights);
}

void flights_tick(struct flights *flights)
{
    int64_t now = when_monotonic_ms();

    link_tick(flights);
    for (struct flight *flight = flights->first; flight; flight = flight->next)
        flight_watch(flight, now);
    tick_rows(flights, now);
    tick_room(flights, now);
}
