/*
 * handler: a path becomes an answer.
 */
#include "mirror/handler.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "identity/event.h"
#include "mirror/cache.h"
#include "mirror/catalogues.h"
#include "mirror/flights.h"
#include "mirror/follow.h"
#include "mirror/renew.h"
#include "mirror/savings.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long a failure is remembered: nobody asks the link the same hopeless thing again and again.
 */
#define REMEMBER_LISTED_MS   120000
#define REMEMBER_UNLISTED_MS 600000
#define REMEMBER_503_MS      5000
/* Digests that no catalogue lists: so many at once, and then so many a second. */
#define UNLISTED_BURST   60
#define UNLISTED_EACH_MS 250

struct mirror {
    struct cache *cache;
    struct catalogues *catalogues;
    struct hub hub;
    char *names[CONFIG_MAX_MIRRORS]; /* of the repositories; "" the first */
    size_t name_count;
    struct {
        atomic_llong served, hits, misses;
    } count[CONFIG_MAX_MIRRORS]; /* by repository, not yet in the store */
    int64_t unlisted_ms;         /* behind the hub's lock: the bucket of unlisted digests */
};

int mirror_prepare(const struct config *config)
{
    struct cache *cache = cache_open(config);

    cache_close(cache);
    return cache ? 0 : -1;
}

struct mirror *mirror_open(const struct config *config, int pass_fd)
{
    struct mirror *mirror = mem_alloc(sizeof *mirror);

    for (size_t i = 0; i < config->mirror_count; i++)
        mirror->names[mirror->name_count++] = mem_dup(config->mirror[i].name);
    mirror->cache = cache_open(config);
    if (mirror->cache)
        mirror->catalogues = catalogues_open(mirror->cache, config);
    if (mirror->cache && hub_open(&mirror->hub, mirror->cache, config, pass_fd) == 0)
        return mirror;
    mirror_close(mirror);
    return NULL;
}

void mirror_close(struct mirror *mirror)
{
    if (!mirror)
        return;
    if (mirror->hub.cache)
        hub_close(&mirror->hub);
    catalogues_close(mirror->catalogues);
    cache_close(mirror->cache);
    for (size_t i = 0; i < mirror->name_count; i++)
        free(mirror->names[i]);
    free(mirror);
}

/* ---- answers ---- */

static void answer_text(struct mirror_answer *answer, int status, const char *text)
{
    *answer = (struct mirror_answer){.kind = MIRROR_TEXT, .status = status, .fd = -1};
    answer->retry_after = status == 503 ? 5 : 0;
    snprintf(answer->text, sizeof answer->text, "%s", text);
}

static void answer_flight(struct mirror_answer *answer, struct mirror_flight *flight,
                          const char *type, const char *cache_control)
{
    *answer = (struct mirror_answer){.kind = MIRROR_FLIGHT,
                                     .status = 200,
                                     .fd = -1,
                                     .type = type,
                                     .cache_control = cache_control,
                                     .flight = flight};
}

static void answer_file(struct mirror_answer *answer, int fd, const struct stat *info,
                        const char *type, const char *cache_control)
{
    *answer = (struct mirror_answer){.kind = MIRROR_FILE,
                                     .status = 200,
                                     .fd = fd,
                                     .size = info->st_size,
                                     .type = type,
                                     .cache_control = cache_control};
    answer->modified_ms =
        (int64_t)info->st_mtim.tv_sec * 1000 + (int64_t)info->st_mtim.tv_nsec / 1000000;
    snprintf(answer->etag, sizeof answer->etag, "%llx-%llx",
             (unsigned long long)info->st_mtim.tv_sec * 1000000000ull +
                 (unsigned long long)info->st_mtim.tv_nsec,
             (unsigned long long)info->st_size);
}

/* ---- the index ---- */

static void handle_index(struct mirror *mirror, const char *repository, const char *file,
                         const char *type, struct mirror_answer *answer)
{
    char *path = cache_index_path(mirror->cache, repository, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat info;

    if (fd >= 0 && fstat(fd, &info) == 0) {
        answer_file(answer, fd, &info, type, "no-cache");
    } else {
        fs_close(fd);
        answer_flight(answer, hub_follow_index(&mirror->hub, path), type, "no-cache");
    }
    free(path);
}

/* ---- archives ---- */

static const char archive_type[] = "application/octet-stream";
static const char archive_for_ever[] = "public, max-age=31536000, immutable";

/* Whether an unlisted digest may be asked for now. */
static bool unlisted_may_fly(struct mirror *mirror)
{
    int64_t now = when_monotonic_ms();
    bool may;

    pthread_mutex_lock(&mirror->hub.lock);
    if (mirror->unlisted_ms < now - (int64_t)UNLISTED_BURST * UNLISTED_EACH_MS)
        mirror->unlisted_ms = now - (int64_t)UNLISTED_BURST * UNLISTED_EACH_MS;
    may = mirror->unlisted_ms + UNLISTED_EACH_MS <= now;
    if (may)
        mirror->unlisted_ms += UNLISTED_EACH_MS;
    pthread_mutex_unlock(&mirror->hub.lock);
    return may;
}

/* Whether the row of a flight that failed a short while ago answers already. */
static bool is_remembered(struct store *store, const char *name, bool listed,
                          struct mirror_answer *answer)
{
    int64_t age, limit;
    bool remembered = false;
    struct rows rows;

    rows_open(&rows, store,
              "SELECT error, ended_at FROM flight WHERE name = ? AND state = 'failed' "
              "AND (priority < 2 OR error LIKE '404%')", /* a prefetch gives up sooner */
              "s", name);
    if (rows_next(&rows) == 1) {
        const char *error = rows_text(&rows, 0);

        limit = strncmp(error, "404", 3) != 0 ? REMEMBER_503_MS
                : listed                      ? REMEMBER_LISTED_MS
                                              : REMEMBER_UNLISTED_MS;
        age = when_wall_ms() - rows_int(&rows, 1);
        remembered = age >= 0 && age < limit;
        if (remembered) {
            *answer = (struct mirror_answer){.fd = -1};
            hub_failure(error, answer);
        }
    }
    rows_close(&rows);
    return remembered;
}

/* Writes that somebody waits for it, and tells the fetcher. The row's id; -1 failed. */
static int64_t want(struct store *store, const char *name)
{
    int64_t id = -1;
    int result;

    if (store_begin(store, STORE_SOON) < 0)
        return -1;
    result = store_run(store,
                       "INSERT INTO flight (name, state, wanted_at) VALUES (?, 'wanted', ?) "
                       "ON CONFLICT (name) DO UPDATE SET priority = 0, "
                       "wanted_at = iif(state IN ('landed', 'failed'), excluded.wanted_at, "
                       "wanted_at), length = iif(state = 'flying', length, NULL), error = '', "
                       "ended_at = NULL, state = iif(state = 'flying', state, 'wanted')",
                       "si", name, when_wall_ms());
    if (result == 0 &&
        store_int(store, &id, "SELECT id FROM flight WHERE name = ?", "s", name) != 1)
        result = -1;
    if (result == 0)
        result = event_append(store, EVENT_FLIGHT, id);
    return store_end(store, result) == 0 ? id : -1;
}

/* The name of its flight, and whether a catalogue lists it: perhaps one that has just arrived. */
static bool is_listed(struct mirror *mirror, const struct checksum *sum, char *name)
{
    if (catalogues_name(mirror->catalogues, sum, name))
        return true;
    catalogues_look(mirror->catalogues);
    return catalogues_name(mirror->catalogues, sum, name);
}

static void handle_flight(struct mirror *mirror, struct store *store, const struct checksum *sum,
                          struct mirror_answer *answer)
{
    struct mirror_flight *flight;
    char name[CHECKSUM_TEXT];
    bool listed = is_listed(mirror, sum, name);
    int64_t id;

    if (!(flight = hub_join(&mirror->hub, name))) {
        if (is_remembered(store, name, listed, answer))
            return;
        if (!listed && !unlisted_may_fly(mirror)) {
            answer_text(answer, 503, "Too many archives that no package lists are asked for.");
            return;
        }
        if ((id = want(store, name)) < 0) {
            answer_text(answer, 503, "The box cannot fetch it: its disk is full or broken.");
            return;
        }
        flight = hub_follow(&mirror->hub, id, name);
    }
    answer_flight(answer, flight, archive_type, archive_for_ever);
}

static void handle_archive(struct mirror *mirror, struct store *store, const char *path,
                           struct mirror_answer *answer)
{
    char hex[2 * DIGEST_MAX + 1];
    struct checksum sum;
    struct stat info;
    int fd;

    if (checksum_parse_path(path, &sum) < 0) {
        answer_text(answer, 404,
                    "That is no archive: cache/ALGO/XX/DIGEST names one, where ALGO "
                    "is md5, sha256 or sha512.");
        return;
    }
    if ((fd = cache_get(mirror->cache, &sum, &info)) < 0) {
        handle_flight(mirror, store, &sum, answer);
        return;
    }
    cache_touch(fd, &info);
    answer_file(answer, fd, &info, archive_type, archive_for_ever);
    checksum_path(&sum, answer->place);
    checksum_hex(&sum, hex);
    snprintf(answer->etag, sizeof answer->etag, "%.64s", hex);
}

/* ---- paths ---- */

/* Takes the name of a further repository off the path: its number, 0 if it begins with none. */
static int repository_of(const struct mirror *mirror, const char **path)
{
    for (size_t i = 0; i < mirror->name_count; i++) {
        size_t length = strlen(mirror->names[i]);

        if (length > 0 && strncmp(*path, mirror->names[i], length) == 0 && (*path)[length] == '/') {
            *path += length + 1;
            return (int)i;
        }
    }
    return 0;
}

void mirror_handle(struct mirror *mirror, struct store *store, const char *path,
                   struct mirror_answer *answer)
{
    int repository;

    while (*path == '/')
        path++;
    repository = repository_of(mirror, &path);
    if (strncmp(path, "cache/", 6) == 0)
        handle_archive(mirror, store, path + 6, answer);
    else if (strcmp(path, "index.tar.gz") == 0)
        handle_index(mirror, mirror->names[repository], path, "application/gzip", answer);
    else if (strcmp(path, "repo") == 0)
        handle_index(mirror, mirror->names[repository], path, "text/plain; charset=utf-8", answer);
    else
        answer_text(answer, 404, "The mirror has index.tar.gz, repo, and cache/ALGO/XX/DIGEST.");
    answer->repository = repository;
}

/* ---- savings ---- */

int mirror_repository(const struct mirror *mirror, const char *path)
{
    while (*path == '/')
        path++;
    return repository_of(mirror, &path);
}

void mirror_served(struct mirror *mirror, int repository, int64_t bytes, bool hit)
{
    atomic_fetch_add(&mirror->count[repository].served, bytes);
    atomic_fetch_add(hit ? &mirror->count[repository].hits : &mirror->count[repository].misses, 1);
}

static int flush_repository(struct mirror *mirror, struct store *store, size_t i)
{
    const struct {
        const char *name;
        int64_t more;
    } counts[] = {
        {MIRROR_COUNT_SERVED, atomic_exchange(&mirror->count[i].served, 0)},
        {MIRROR_COUNT_HITS,   atomic_exchange(&mirror->count[i].hits,   0)},
        {MIRROR_COUNT_MISSES, atomic_exchange(&mirror->count[i].misses, 0)}
    };

    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
        if (counts[k].more > 0 &&
            (store_count(store, counts[k].name, counts[k].more) < 0 ||
             savings_count(store, counts[k].name, mirror->names[i], counts[k].more) < 0))
            return -1;
    return 0;
}

static void flush_counters(struct mirror *mirror, struct store *store)
{
    int64_t answers = 0;
    int result = 0;

    for (size_t i = 0; i < mirror->name_count; i++)
        answers += atomic_load(&mirror->count[i].hits) + atomic_load(&mirror->count[i].misses);
    if (answers == 0 || store_begin(store, STORE_SOON) < 0)
        return;
    for (size_t i = 0; i < mirror->name_count && result == 0; i++)
        result = flush_repository(mirror, store, i);
    store_end(store, result);
}

/* Since when the link is down, by the clock that waiting goes by. */
static void look_at_link(struct mirror *mirror, struct store *store)
{
    char *link = store_fact(store, FLIGHTS_FACT_LINK, NULL);
    bool down = link && strncmp(link, "down", 4) == 0;

    pthread_mutex_lock(&mirror->hub.lock);
    if (!down)
        mirror->hub.link_down_ms = 0;
    else if (mirror->hub.link_down_ms == 0)
        mirror->hub.link_down_ms = when_monotonic_ms();
    pthread_mutex_unlock(&mirror->hub.lock);
    free(link);
}

void mirror_look(struct mirror *mirror, struct store *store)
{
    catalogues_look(mirror->catalogues);
    look_at_link(mirror, store);
    hub_look(&mirror->hub, store);
    flush_counters(mirror, store);
}

static void report_savings(struct store *store, const char *repository, struct buf *out)
{
    struct mirror_savings savings;

    mirror_savings(store, repository, &savings);
    json_int(out, "link_bytes", savings.link_bytes);
    json_int(out, "served_bytes", savings.served_bytes);
    json_int(out, "saved_bytes", savings.saved_bytes);
    json_int(out, "hits", savings.hits);
    json_int(out, "misses", savings.misses);
}

static void report_repositories(struct mirror *mirror, struct store *store, struct buf *out)
{
    json_array(out, "repositories");
    for (size_t i = 0; i < mirror->name_count; i++) {
        char *fact = mem_printf(RENEW_FACT "%s", mirror->names[i]);
        int64_t at = 0;
        char *text = store_fact(store, fact, NULL), *asked;

        free(fact);
        fact = mem_printf(RENEW_FACT_ASKED "%s", mirror->names[i]);
        asked = store_fact(store, fact, &at);
        json_object(out, NULL);
        json_string(out, "name", mirror->names[i]);
        json_string(out, "index", text ? text : "");
        json_string(out, "asked", asked ? asked : "");
        json_int(out, "asked_at", at);
        json_int(out, "archives", catalogues_size(mirror->catalogues, i));
        report_savings(store, mirror->names[i], out);
        json_close(out, '}');
        free(asked);
        free(text);
        free(fact);
    }
    json_close(out, ']');
}

static void report_flight(struct mirror *mirror, const struct mirror_progress *flight,
                          struct buf *out)
{
    json_object(out, NULL);
    mirror_progress_json(out, flight);
    json_int(out, "waiting", (int64_t)hub_followers(&mirror->hub, flight->id));
    json_close(out, '}');
}

#define REPORTED_FLIGHTS 20

size_t mirror_progress(struct mirror *mirror, struct store *store, struct mirror_progress *list,
                       size_t room)
{
    return savings_progress(mirror->catalogues, store, list, room);
}

static void report_flights(struct mirror *mirror, struct store *store, struct buf *out)
{
    struct mirror_progress flights[REPORTED_FLIGHTS];
    size_t count = mirror_progress(mirror, store, flights, REPORTED_FLIGHTS);
    int64_t waiting = 0;

    json_array(out, "flights");
    for (size_t i = 0; i < count; i++)
        report_flight(mirror, &flights[i], out);
    json_close(out, ']');
    store_int(store, &waiting, "SELECT count(*) FROM flight WHERE state IN ('wanted', 'flying')",
              "");
    json_int(out, "waiting", waiting);
}

static int64_t fact_number(struct store *store, const char *name)
{
    char *text = store_fact(store, name, NULL);
    int64_t number = text ? atoll(text) : 0;

    free(text);
    return number;
}

void mirror_report(struct mirror *mirror, struct store *store, struct buf *out)
{
    char *link = store_fact(store, FLIGHTS_FACT_LINK, NULL);

    json_string(out, "link", link ? link : "unknown");
    report_savings(store, NULL, out);
    json_int(out, "fetched", store_counter(store, MIRROR_COUNT_ARCHIVES));
    json_int(out, "cache_bytes", fact_number(store, FLIGHTS_FACT_HELD));
    json_int(out, "cache_archives", fact_number(store, FLIGHTS_FACT_COUNT));
    report_repositories(mirror, store, out);
    report_flights(mirror, store, out);
    free(link);
}
