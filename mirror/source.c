/*
 * source: order, patience and pauses.
 */
#include "mirror/source.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_PAUSE_MS   250
#define LONGEST_PAUSE_MS 8000
#define WRONG_MAX        2
#define UNREACHABLE_COSTS                                                                          \
    3 /* tries; a host that cannot be reached seldom comes back in seconds                         \
       */

void sources_put(struct sources *sources, const char *url)
{
    for (size_t i = 0; i < sources->count; i++)
        if (strcmp(sources->list[i].url, url) == 0)
            return;
    if (sources->count < SOURCES_MAX)
        sources->list[sources->count++] = (struct source){.url = mem_dup(url)};
}

void sources_put_caches(struct sources *sources, const struct config *config,
                        const struct checksum *sum)
{
    char path[CHECKSUM_TEXT];

    checksum_path(sum, path);
    for (size_t i = 0; i < config->mirror_count; i++)
        for (size_t k = 0; k < config->mirror[i].caches.count; k++) {
            const char *base = config->mirror[i].caches.item[k];
            size_t length = strlen(base);
            char *url;

            while (length > 0 && base[length - 1] == '/')
                length--;
            url = mem_printf("%.*s/%s", (int)length, base, path);
            sources_put(sources, url);
            free(url);
        }
}

void sources_done(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        free(sources->list[i].url);
    sources->count = 0;
}

/* Less is better. */
static int rank(const struct source *source, bool resume)
{
    return source->wrong * 4 + (source->avoid || source->slow) * 2 + (resume && source->no_range);
}

struct source *sources_next(struct sources *sources, bool resume, int64_t now_ms, int64_t *wake_ms)
{
    struct source *best = NULL;

    *wake_ms = -1;
    for (size_t i = 0; i < sources->count; i++) {
        struct source *source = &sources->list[i];

        if (source->gone)
            continue;
        if (*wake_ms < 0 || source->not_before_ms < *wake_ms)
            *wake_ms = source->not_before_ms;
        if (source->not_before_ms <= now_ms && (!best || rank(source, resume) < rank(best, resume)))
            best = source;
    }
    return best;
}

bool sources_can_resume(const struct sources *sources, const struct source *other, int64_t now_ms)
{
    for (size_t i = 0; i < sources->count; i++) {
        const struct source *source = &sources->list[i];

        if (source != other && !source->gone && source->not_before_ms <= now_ms &&
            rank(source, true) == 0)
            return true;
    }
    return false;
}

static int64_t pause_ms(int tries)
{
    int64_t pause = FIRST_PAUSE_MS;

    while (--tries > 0 && pause < LONGEST_PAUSE_MS)
        pause *= 2;
    return pause < LONGEST_PAUSE_MS ? pause : LONGEST_PAUSE_MS;
}

void source_note(struct source *source, enum source_outcome outcome, bool progress,
                 int64_t retry_after_ms, int retries, int64_t now_ms)
{
    static const int costs[] = {[SOURCE_BUSY] = 1,
                                [SOURCE_BROKE] = 1,
                                [SOURCE_SLOW] = 0,
                                [SOURCE_FROM_START] = 0,
                                [SOURCE_UNREACHABLE] = UNREACHABLE_COSTS,
                                [SOURCE_LINK] = 0};
    int64_t pause;

    if (outcome == SOURCE_LACKS || outcome == SOURCE_WRONG) {
        source->wrong += outcome == SOURCE_WRONG;
        source->gone = outcome == SOURCE_LACKS || source->wrong >= WRONG_MAX;
        source->not_before_ms = now_ms;
        return;
    }
    if (progress || outcome == SOURCE_FROM_START) {
        source->slow |= outcome == SOURCE_SLOW;
        source->tries = 0;
        source->hurried = false;
        source->not_before_ms = now_ms;
        return;
    }
    source->tries += costs[outcome];
    source->gone = source->temporary = source->tries > retries;
    pause = outcome == SOURCE_LINK ? FIRST_PAUSE_MS : pause_ms(source->tries);
    if (retry_after_ms > pause)
        pause = retry_after_ms;
    source->not_before_ms = now_ms + pause;
}

bool source_hurry(struct source *source, int64_t now_ms)
{
    if (!source->unanswered || source->hurried || source->gone || source->not_before_ms <= now_ms)
        return false;
    source->hurried = true;
    source->not_before_ms = now_ms;
    return true;
}

bool sources_may_return(const struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        if (sources->list[i].temporary)
            return true;
    return false;
}
