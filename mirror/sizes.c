/*
 * sizes: a few slots, each with an archive and the next of its sources.
 */
#include "mirror/sizes.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "mirror/hosts.h"
#include "mirror/part.h"
#include "mirror/source.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_NAMES   ((size_t)16 << 20) /* bytes; those of the whole repository are 1.6 MB */
#define MAX_SLOTS   8
#define ANSWER_MS   5000   /* for one answer */
#define PATIENCE_MS 15000  /* without any length */
#define LONGEST_MS  600000 /* for all */
#define LOOK_MS     100

struct slot {
    struct sizes *all;
    const char *name; /* NULL: nothing to do */
    struct sources sources;
    size_t at;       /* the source that is asked */
    bool first_byte; /* HEAD did not tell */
    struct transfer *transfer;
    int64_t began_ms;
    int64_t length; /* what it says, -1 nothing yet */
};

struct sizes {
    const struct flights_with *with;
    struct hosts hosts;
    struct slot slots[MAX_SLOTS];
    size_t slot_count;
    char *next; /* the names that are left */
    int fd;
    int64_t learnt_ms; /* when a length was last learnt */
    bool deaf;         /* nobody reads any more */
};

/* ---- one answer ---- */

static int on_head(void *context, const struct response *response)
{
    struct slot *slot = context;
    int64_t length = response_whole(response);

    if (!response->encoded && length > 0 && length <= PART_MAX)
        slot->length = length;
    return -1; /* the body is not wanted */
}

static int on_data(void *context, const void *bytes, size_t length)
{
    (void)context, (void)bytes, (void)length;
    return -1;
}

static void next_source(struct slot *slot)
{
    slot->at++;
    slot->first_byte = false;
}

static void on_end(void *context, enum fetch_end end, const struct response *response,
                   const char *why)
{
    struct slot *slot = context;
    const char *url = slot->sources.list[slot->at].url;
    struct hosts *hosts = &slot->all->hosts;
    int64_t now = when_monotonic_ms();
    int status = response->status;

    slot->transfer = NULL;
    log_debug("the length of %s from %s: %lld, status %d: %s", slot->name, url,
              (long long)slot->length, status, why);
    if (end == FETCH_UNREACHABLE || end == FETCH_STALLED)
        hosts_unreachable(hosts, url, now);
    else if (status != 0)
        hosts_answered(hosts, url);
    if ((status == 429 || status >= 500) && response->retry_after > 0)
        hosts_pause(hosts, url, now + response->retry_after * 1000);
    if (slot->length >= 0)
        return;
    if (slot->first_byte || end == FETCH_UNREACHABLE || end == FETCH_STALLED || status == 404 ||
        status == 410 || status == 429)
        next_source(slot);
    else
        slot->first_byte = true;
}

/* ---- slots ---- */

static void begin(struct slot *slot, const char *name)
{
    const struct flights_with *with = slot->all->with;
    struct archive_known known;
    struct checksum sum;

    slot->name = name;
    slot->at = 0;
    slot->first_byte = false;
    slot->length = -1;
    if (checksum_parse_name(name, &sum) < 0)
        return;
    catalogues_find(with->catalogues, &sum, &known);
    sources_put_caches(&slot->sources, with->config, &known.sums[0]);
    for (size_t i = 0; i < known.url_count; i++)
        sources_put(&slot->sources, known.urls[i]);
    archive_known_done(&known);
}

static void end(struct slot *slot)
{
    if (slot->length >= 0) {
        char *line = mem_printf("%s %lld\n", slot->name, (long long)slot->length);

        slot->all->deaf |= fs_write_all(slot->all->fd, line, strlen(line)) < 0;
        slot->all->learnt_ms = when_monotonic_ms();
        free(line);
    }
    sources_done(&slot->sources);
    slot->name = NULL;
}

/* Asks the next source that may be asked. Whether one is asked now; else all is done. */
static bool ask(struct slot *slot, int64_t now)
{
    static const struct fetch_calls calls = {on_head, on_data, on_end};
    bool avoid;

    for (; slot->length < 0 && slot->at < slot->sources.count; next_source(slot)) {
        struct fetch_request request = {.url = slot->sources.list[slot->at].url,
                                        .kind = slot->first_byte ? FETCH_FIRST_BYTE : FETCH_HEAD,
                                        .background = true};

        if (hosts_look(&slot->all->hosts, request.url, now, &avoid) > 0 || avoid)
            continue;
        slot->began_ms = now;
        slot->transfer = fetch_start(slot->all->with->fetch, &request, &calls, slot);
        if (slot->transfer)
            return true;
    }
    return false;
}

static void expire(struct slot *slot, int64_t now)
{
    if (!slot->transfer || now - slot->began_ms < ANSWER_MS)
        return;
    fetch_stop(slot->transfer);
    slot->transfer = NULL;
    hosts_unreachable(&slot->all->hosts, slot->sources.list[slot->at].url, now);
    next_source(slot);
}

/* Keeps a slot busy. Whether it is. */
static bool drive(struct slot *slot, int64_t now)
{
    expire(slot, now);
    while (!slot->transfer) {
        if (slot->name && ask(slot, now))
            break;
        if (slot->name)
            end(slot);
        while (slot->all->next && *slot->all->next == '\0')
            slot->all->next = NULL;
        if (!slot->all->next)
            return false;
        begin(slot, strsep(&slot->all->next, "\n"));
    }
    return true;
}

/* ---- all ---- */

static int read_names(int fd, struct buf *names)
{
    char block[16384];
    ssize_t got;

    while ((got = read(fd, block, sizeof block)) > 0)
        if (buf_put(names, block, (size_t)got) < 0)
            return -1;
    return got < 0 ? -1 : 0;
}

static void answer(struct sizes *sizes, struct service *service)
{
    int64_t began = when_monotonic_ms(), now;
    bool busy = true;

    sizes->learnt_ms = began;
    while (busy && !sizes->deaf) {
        now = when_monotonic_ms();
        if (now - began > LONGEST_MS || now - sizes->learnt_ms > PATIENCE_MS)
            break;
        busy = false;
        for (size_t i = 0; i < sizes->slot_count; i++)
            busy |= drive(&sizes->slots[i], now);
        if (busy)
            fetch_wait(sizes->with->fetch, service_fd(service), LOOK_MS);
        if (service_wait(service, 0) & SERVICE_STOP)
            break;
    }
    for (size_t i = 0; i < sizes->slot_count; i++) {
        fetch_stop(sizes->slots[i].transfer);
        if (sizes->slots[i].name)
            end(&sizes->slots[i]);
    }
}

int sizes_answer(const struct flights_with *with, struct service *service, int fd)
{
    struct sizes *sizes = mem_alloc(sizeof *sizes);
    size_t parallel = (size_t)with->config->mirror[0].parallel;
    struct buf names;
    int result;

    sizes->with = with;
    sizes->fd = fd;
    sizes->slot_count = parallel < MAX_SLOTS ? parallel : MAX_SLOTS;
    for (size_t i = 0; i < sizes->slot_count; i++)
        sizes->slots[i].all = sizes;
    buf_init(&names, MAX_NAMES);
    result = read_names(fd, &names);
    if (result == 0 && names.len > 0) {
        sizes->next = (char *)(uintptr_t)buf_text(&names);
        answer(sizes, service);
    } else if (result < 0) {
        log_error("the names of the archives whose sizes are wanted cannot be read");
    }
    buf_done(&names);
    free(sizes);
    return result;
}
