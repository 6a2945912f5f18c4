/*
 * flight: from source to source until all digests agree.
 */
#include "mirror/flight.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "identity/event.h"
#include "mirror/pass.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CRUMB      ((int64_t)16 << 10) /* bytes; less from one request is little */
#define CRUMBS_MAX 64
#define SLOW_MS    8000                /* a source that brought less than */
#define SLOW_MIN   ((int64_t)16 << 10) /* this within that is slow */
#define LINK_FRESH_MS                                                                              \
    30000 /* after an answer, a host that cannot be reached is that host's fault */

/* ---- what others get to know ---- */

/* Changes the row and tells. 0 or -1. */
static int tell(struct flight *flight, const char *state, int64_t length, const char *error)
{
    struct store *store = flight->all->with.store;
    bool ends = strcmp(state, "flying") != 0;
    int64_t received = flight->part ? part_received(flight->part) : 0;
    int result;

    if (store_begin(store, STORE_SOON) < 0)
        return -1;
    result = store_run(store,
                       "UPDATE flight SET state = ?, length = nullif(?, -1), received = ?, "
                       "error = ?, speed = 0, ended_at = nullif(?, 0) WHERE id = ?",
                       "siisii", state, length, received, error, ends ? when_wall_ms() : (int64_t)0,
                       flight->id);
    if (result == 0)
        result = event_append(store, EVENT_FLIGHT, flight->id);
    return store_end(store, result);
}

static void end_flight(struct flight *flight)
{
    flight->over = true;
    flight->source = NULL;
}

static void fail(struct flight *flight, int status, const char *why)
{
    char error[160];

    snprintf(error, sizeof error, "%d %s", status, why);
    log_warn("the archive of %s cannot be had: %s", flight->label, why);
    tell(flight, "failed", -1, error);
    if (status == 404 && flight->part) {
        part_discard(flight->part);
        flight->part = NULL;
    }
    end_flight(flight);
}

/* It would only keep others from the little room that there is. */
static void fail_for_room(struct flight *flight)
{
    fail(flight, 503, "The box's disk is full.");
    part_discard(flight->part);
    flight->part = NULL;
}

/* Tells riad-web what lies in memory. */
static int pass_on(struct flight *flight, int fd, bool whole)
{
    struct pass_note note = {.length = whole ? part_size(flight->part) : part_length(flight->part),
                             .whole = whole};

    snprintf(note.name, sizeof note.name, "%s", flight->name);
    return pass_send(flight->all->with.pass, &note, fd);
}

/* ---- landing ---- */

/* All digests agree, but the disk takes it not: whoever waits gets it all the same. */
static void land_in_memory(struct flight *flight)
{
    int fd = part_lift(flight->part);

    if (fd < 0 || pass_on(flight, fd, true) < 0) {
        fail(flight, 503, "The box cannot store it: its disk is full or broken.");
        return;
    }
    log_warn("the disk is full: the archive of %s passes through and is not kept", flight->label);
    tell(flight, "failed", -1, "503 The box's disk is full: archives only pass through.");
    end_flight(flight);
}

/* All digests agree: into the cache, then the news. */
static void land(struct flight *flight)
{
    struct flights *all = flight->all;
    int64_t size = part_size(flight->part);
    int kept = part_publish(flight->part);

    if (kept == 1 && flight_make_room(flight, size) && part_lower(flight->part) == 0)
        kept = part_publish(flight->part);
    if (kept != 0) {
        land_in_memory(flight);
        return;
    }
    if (flight->keep)
        cache_keep(all->with.cache, part_sha256(flight->part), true);
    log_info("the archive of %s is here: %lld bytes%s%s", flight->label, (long long)size,
             flight->source ? " from " : "", flight->source ? flight->source->url : "");
    if (all->held >= 0)
        all->held += size;
    all->archives++;
    all->grown_ms = when_monotonic_ms();
    tell(flight, "landed", size, "");
    store_count(all->with.store, MIRROR_COUNT_ARCHIVES, 1);
    end_flight(flight);
}

/* ---- the transfer's calls ---- */

static int stop(struct flight *flight, enum source_outcome verdict)
{
    flight->verdict = verdict;
    return -1;
}

static void announce(struct flight *flight)
{
    int64_t length = part_length(flight->part);

    if (flight->announced && flight->announced_length == length)
        return;
    flight->announced = tell(flight, "flying", length, "") == 0;
    flight->announced_length = length;
}

/* The host answers: who waits only because it did not a while ago need not wait longer. */
static void hurry_others(struct flights *all, const char *url, int64_t now)
{
    if (!all->unanswered)
        return;
    all->unanswered = false;
    for (struct flight *other = all->first; other; other = other->next)
        for (size_t i = 0; !other->transfer && i < other->sources.count; i++) {
            struct source *source = &other->sources.list[i];

            if (!source->unanswered || source->hurried)
                continue;
            if (hosts_same(source->url, url) && source_hurry(source, now))
                other->wake_ms = -1;
            else
                all->unanswered = true; /* of another host */
        }
}

static int on_head(void *context, const struct response *response)
{
    struct flight *flight = context;
    int64_t offset = response->status == 206 ? response->range_from : 0;

    flights_link_up(flight->all);
    hurry_others(flight->all, flight->source->url, when_monotonic_ms());
    if (response->encoded)
        return stop(flight, SOURCE_LACKS);
    if (response->status == 200 && flight->resuming &&
        sources_can_resume(&flight->sources, flight->source, when_monotonic_ms())) {
        flight->source->no_range = true;
        return stop(flight, SOURCE_FROM_START);
    }
    if (response->status == 206 && offset != part_offset(flight->part)) {
        flight->source->no_range = true;
        return stop(flight, SOURCE_BROKE);
    }
    if (part_begin(flight->part, offset, response_whole(response)) < 0) {
        flight->source->no_range = true;
        return stop(flight, offset > 0 ? SOURCE_BROKE : SOURCE_LACKS);
    }
    flight->source->etag[0] = '\0';
    if (response_etag_is_strong(response))
        snprintf(flight->source->etag, sizeof flight->source->etag, "%s", response->etag);
    if (!flight_could_fit(flight)) {
        flight->no_room = true;
        return stop(flight, SOURCE_LACKS);
    }
    announce(flight);
    return 0;
}

static int on_disk(struct flight *flight)
{
    log_errno("the archive of %s cannot be written", flight->label);
    fail_for_room(flight);
    return stop(flight, SOURCE_BROKE);
}

static int on_data(void *context, const void *bytes, size_t length)
{
    struct flight *flight = context;

    flights_carried(flight->all, flight->repository, length);
    flight->watch_bytes += (int64_t)length;
    switch (part_put(flight->part, bytes, length, when_monotonic_ms())) {
    case PART_OK:
        return 0;
    case PART_TOO_LONG:
        return stop(flight, SOURCE_WRONG);
    case PART_DISK:
        break;
    }
    return on_disk(flight);
}

static enum source_outcome of_status(const struct flight *flight, const struct response *response)
{
    int status = response->status;

    if (status == 416 && part_offset(flight->part) > 0) {
        flight->source->no_range = true;
        return SOURCE_BROKE;
    }
    if (status == 408 || status == 425 || status == 429 || status >= 500)
        return SOURCE_BUSY;
    return SOURCE_LACKS;
}

/* The body came to its end. */
static enum source_outcome of_body(struct flight *flight, bool *right)
{
    enum part_end end = part_end(flight->part);

    *right = end == PART_RIGHT;
    if (end == PART_WRONG)
        log_warn("what %s sent is not the archive of %s", flight->source->url, flight->label);
    return end == PART_WRONG ? SOURCE_WRONG : SOURCE_BROKE;
}

static enum source_outcome outcome_of(struct flight *flight, enum fetch_end end,
                                      const struct response *response, bool *right)
{
    struct flights *all = flight->all;
    bool fresh = all->link_ok_ms && !flights_link_is_down(all) &&
                 when_monotonic_ms() - all->link_ok_ms < LINK_FRESH_MS;

    switch (end) {
    case FETCH_COMPLETE:
        if (response->status == 200 || response->status == 206)
            return of_body(flight, right);
        return of_status(flight, response);
    case FETCH_STOPPED:
        return response->status >= 400 ? of_status(flight, response) : flight->verdict;
    case FETCH_REFUSED:
        return SOURCE_LACKS;
    case FETCH_UNREACHABLE:
        return fresh ? SOURCE_UNREACHABLE : SOURCE_LINK;
    default:
        return response->status >= 400 ? of_status(flight, response) : SOURCE_BROKE;
    }
}

/* The link is told apart from its hosts by whether anybody answers. */
static void note_link(struct flight *flight, enum fetch_end end, const struct response *response,
                      const char *why)
{
    if (response->status == 0 && (end == FETCH_UNREACHABLE || end == FETCH_STALLED))
        flights_link_failed(flight->all, why);
    else if (response->status != 0 && end != FETCH_STALLED)
        flights_link_up(flight->all);
}

/* What the other flights may know of this host. */
static void note_host(struct flight *flight, enum source_outcome outcome,
                      const struct response *response)
{
    struct hosts *hosts = &flight->all->hosts;
    int64_t now = when_monotonic_ms();

    if (outcome == SOURCE_UNREACHABLE)
        hosts_unreachable(hosts, flight->source->url, now);
    else if (response->status != 0)
        hosts_answered(hosts, flight->source->url);
    if (outcome == SOURCE_BUSY && response->retry_after > 0)
        hosts_pause(hosts, flight->source->url, now + response->retry_after * 1000);
}

/* Whether all is here although the response broke off: it announced more than there is. */
static bool is_right_after_all(struct flight *flight, enum source_outcome outcome)
{
    return outcome == SOURCE_BROKE && part_offset(flight->part) > 0 &&
           part_is_complete(flight->part);
}

/* Whether the source brought bytes that were not here. One that gives a few for each request does
 * so a while, and is then treated as if it gave none. */
static bool made_progress(struct flight *flight)
{
    int64_t gain = part_received(flight->part) - flight->best;

    if (gain <= 0)
        return false;
    flight->best += gain;
    return gain >= CRUMB || flight->source->crumbs++ < CRUMBS_MAX;
}

static void on_end(void *context, enum fetch_end end, const struct response *response,
                   const char *why)
{
    struct flight *flight = context;
    struct flights *all = flight->all;
    bool right = false, progress;
    enum source_outcome outcome;
    int64_t retry_ms = response->retry_after < 0 ? -1 : response->retry_after * 1000;

    flight->transfer = NULL;
    all->running--;
    note_link(flight, end, response, why);
    if (flight->over)
        return;
    outcome = outcome_of(flight, end, response, &right);
    if (right) {
        land(flight);
        return;
    }
    part_break(flight->part);
    if (is_right_after_all(flight, outcome)) {
        land(flight);
        return;
    }
    if (flight->no_room && outcome == SOURCE_LINK)
        outcome = SOURCE_LACKS; /* one that answers has it, and there is no room for it */
    flight->source->unanswered = response->status == 0;
    flight->all->unanswered |= flight->source->unanswered;
    note_host(flight, outcome, response);
    progress = made_progress(flight);
    log_debug("%s: %s ended after %lld bytes, status %d: %s", flight->name, flight->source->url,
              (long long)part_received(flight->part), response->status, why);
    source_note(flight->source, outcome, progress, retry_ms,
                (int)all->with.config->mirror[0].retries, when_monotonic_ms());
    flight->source = NULL;
    flight->wake_ms = -1;
}

/* ---- starting ---- */

/* Finds out what it is and where it may be had, and opens its part. 0, or -1: it is over. */
static int prepare(struct flight *flight)
{
    struct flights *all = flight->all;
    struct part_archive archive;
    struct archive_known known;
    struct checksum sum;

    if (checksum_parse_name(flight->name, &sum) < 0) {
        fail(flight, 404, "That is no digest.");
        return -1;
    }
    flight->listed = catalogues_find(all->with.catalogues, &sum, &known);
    flight->repository = known.repository;
    if (flight->listed)
        snprintf(flight->label, sizeof flight->label, "%s", known.package);
    sources_put_caches(&flight->sources, all->with.config, &known.sums[0]);
    for (size_t i = 0; i < known.url_count; i++)
        sources_put(&flight->sources, known.urls[i]);
    flight->room = flight_room(flight);
    archive = (struct part_archive){known.sums, known.sum_count, &flight->room};
    flight->part = part_open(all->with.cache, flight->name, &archive);
    archive_known_done(&known);
    if (!flight->part) {
        fail(flight, 503, "The box cannot store it: its disk is full or broken.");
        return -1;
    }
    flight->best = part_received(flight->part);
    if (!part_is_complete(flight->part))
        return 0;
    land(flight);
    return -1;
}

static void give_up(struct flight *flight)
{
    if (flight->no_room)
        fail_for_room(flight);
    else if (sources_may_return(&flight->sources))
        fail(flight, 503, "No source delivers this archive at the moment.");
    else if (flight->listed)
        fail(flight, 404, "No source has this archive with the digests that its package demands.");
    else
        fail(flight, 404, "No package lists this digest, and the caches do not have it.");
}

/* Whether somebody else's download, or a file put there by hand, made it unnecessary. */
static bool is_here(struct flight *flight)
{
    struct checksum sum;
    int64_t size;

    if (checksum_parse_name(flight->name, &sum) < 0 ||
        !cache_has(flight->all->with.cache, &sum, &size))
        return false;
    tell(flight, "landed", size, "");
    end_flight(flight);
    return true;
}

/* What other flights learnt about the hosts of this one's sources. */
static void ask_hosts(struct flight *flight, int64_t now)
{
    for (size_t i = 0; i < flight->sources.count; i++) {
        struct source *source = &flight->sources.list[i];
        int64_t free_ms = hosts_look(&flight->all->hosts, source->url, now, &source->avoid);

        if (free_ms > source->not_before_ms)
            source->not_before_ms = free_ms;
    }
}

int flight_start(struct flight *flight)
{
    static const struct fetch_calls calls = {on_head, on_data, on_end};
    struct fetch_request request = {.background = flight->priority != FLIGHT_WAITED_FOR};
    struct flights *all = flight->all;
    int64_t now = when_monotonic_ms(), wake;
    bool resume;

    if (!flight->part && (is_here(flight) || prepare(flight) < 0))
        return -1;
    resume = part_offset(flight->part) > 0;
    ask_hosts(flight, now);
    flight->source = sources_next(&flight->sources, resume, now, &wake);
    if (!flight->source) {
        flight->wake_ms = wake;
        if (wake < 0)
            give_up(flight);
        return -1;
    }
    request.url = flight->source->url;
    flight->resuming = resume && !flight->source->no_range;
    if (flight->resuming)
        request.offset = part_offset(flight->part);
    if (flight->source->etag[0])
        request.if_range = flight->source->etag;
    flight->mark_bytes = part_received(flight->part);
    flight->mark_ms = now;
    flight->watch_ms = now;
    flight->watch_bytes = 0;
    flight->verdict = SOURCE_BROKE;
    flight->transfer = fetch_start(all->with.fetch, &request, &calls, flight);
    if (flight->transfer) {
        all->running++;
        return 0;
    }
    source_note(flight->source, SOURCE_LACKS, false, -1, 0, now);
    return -1;
}

void flight_pause(struct flight *flight)
{
    if (!flight->transfer)
        return;
    fetch_stop(flight->transfer);
    flight->transfer = NULL;
    flight->source = NULL;
    flight->all->running--;
    if (flight->part)
        part_break(flight->part);
}

void flight_watch(struct flight *flight, int64_t now_ms)
{
    if (!flight->transfer || now_ms - flight->watch_ms < SLOW_MS)
        return;
    if (flight->watch_bytes > 0 && flight->watch_bytes < SLOW_MIN &&
        flight->all->with.config->mirror[0].max_rate == 0 &&
        sources_can_resume(&flight->sources, flight->source, now_ms)) {
        log_info("%s is slow: another source goes on with the archive of %s", flight->source->url,
                 flight->label);
        source_note(flight->source, SOURCE_SLOW, true, -1, 0, now_ms);
        flight_pause(flight);
        flight->wake_ms = -1;
    }
    flight->watch_ms = now_ms;
    flight->watch_bytes = 0;
}

void flight_show(struct flight *flight, int64_t now_ms)
{
    int64_t shown;
    int fd;

    if (!flight->part || flight->over)
        return;
    if (part_show(flight->part, now_ms) == PART_DISK) {
        on_disk(flight);
        flight_pause(flight);
    } else if ((fd = part_memory(flight->part, &shown)) >= 0 && shown != flight->passed &&
               pass_on(flight, fd, false) == 0) {
        flight->passed = shown;
    }
}

void flight_free(struct flight *flight)
{
    flight_pause(flight);
    part_close(flight->part);
    sources_done(&flight->sources);
    free(flight);
}
