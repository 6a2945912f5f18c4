/*
 * savings: counters and rows become figures.
 */
#include "mirror/savings.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/when.h"

#include <stdio.h>
#include <stdlib.h>

static char *name_of(const char *counter, const char *repository)
{
    return mem_printf("%s:%s", counter, repository);
}

int savings_count(struct store *store, const char *counter, const char *repository, int64_t more)
{
    char *name = name_of(counter, repository);
    int result = store_count(store, name, more);

    free(name);
    return result;
}

void mirror_savings(struct store *store, const char *repository, struct mirror_savings *savings)
{
    const struct {
        const char *counter;
        int64_t *value;
    } figures[] = {
        {MIRROR_COUNT_LINK,   &savings->link_bytes  },
        {MIRROR_COUNT_SERVED, &savings->served_bytes},
        {MIRROR_COUNT_HITS,   &savings->hits        },
        {MIRROR_COUNT_MISSES, &savings->misses      },
    };

    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        char *name = repository ? name_of(figures[i].counter, repository) : NULL;

        *figures[i].value = store_counter(store, name ? name : figures[i].counter);
        free(name);
    }
    savings->saved_bytes = savings->served_bytes > savings->link_bytes
                               ? savings->served_bytes - savings->link_bytes
                               : 0;
}

void mirror_savings_text(const struct mirror_savings *savings, char *out)
{
    char saved[WHEN_MAX], served[WHEN_MAX], link[WHEN_MAX];
    int64_t answers = savings->hits + savings->misses;

    when_size_text(savings->saved_bytes, saved);
    when_size_text(savings->served_bytes, served);
    when_size_text(savings->link_bytes, link);
    snprintf(out, MIRROR_SAY_MAX,
             "%s saved: %s served, %s from the link, %lld of %lld answers from "
             "the cache",
             saved, served, link, (long long)savings->hits, (long long)answers);
}

void mirror_progress_text(const struct mirror_progress *progress, char *out)
{
    char received[WHEN_MAX], length[WHEN_MAX], speed[WHEN_MAX], left[WHEN_MAX];
    const char *package = *progress->package ? progress->package : progress->name;
    bool has_length = progress->length >= 0, has_time = progress->seconds_left >= 0;

    when_size_text(progress->received, received);
    when_size_text(has_length ? progress->length : 0, length);
    when_size_text(progress->speed, speed);
    when_duration_text(has_time ? progress->seconds_left : 0, left);
    if (!progress->flying)
        snprintf(out, MIRROR_SAY_MAX, "%.160s: waits for its turn", package);
    else
        snprintf(out, MIRROR_SAY_MAX, "%.160s: %s%s%s, %s/s%s%s%s", package, received,
                 has_length ? " of " : "", has_length ? length : "", speed, has_time ? ", " : "",
                 has_time ? left : "", has_time ? " left" : "");
}

static void label(struct catalogues *catalogues, struct mirror_progress *progress)
{
    struct archive_known known = {0};
    struct checksum sum;

    if (checksum_parse_name(progress->name, &sum) == 0)
        catalogues_find(catalogues, &sum, &known);
    snprintf(progress->package, sizeof progress->package, "%s", known.package ? known.package : "");
    archive_known_done(&known);
}

size_t savings_progress(struct catalogues *catalogues, struct store *store,
                        struct mirror_progress *list, size_t room)
{
    size_t count = 0;
    struct rows rows;

    rows_open(&rows, store,
              "SELECT id, name, state = 'flying', ifnull(length, -1), received, speed FROM flight "
              "WHERE state = 'flying' OR (state = 'wanted' AND priority = 0) "
              "ORDER BY priority, id LIMIT ?",
              "i", (int64_t)room);
    while (count < room && rows_next(&rows) == 1) {
        struct mirror_progress *progress = &list[count++];

        *progress = (struct mirror_progress){.id = rows_int(&rows, 0),
                                             .flying = rows_int(&rows, 2) != 0,
                                             .length = rows_int(&rows, 3),
                                             .received = rows_int(&rows, 4),
                                             .speed = rows_int(&rows, 5),
                                             .seconds_left = -1};
        snprintf(progress->name, sizeof progress->name, "%s", rows_text(&rows, 1));
        if (progress->speed > 0 && progress->length >= progress->received)
            progress->seconds_left =
                (progress->length - progress->received + progress->speed - 1) / progress->speed;
        label(catalogues, progress);
    }
    rows_close(&rows);
    return count;
}

void mirror_progress_json(struct buf *out, const struct mirror_progress *flight)
{
    json_string(out, "name", flight->name);
    json_string(out, "package", flight->package);
    json_string(out, "state", flight->flying ? "flying" : "wanted");
    json_int(out, "length", flight->length);
    json_int(out, "received", flight->received);
    json_int(out, "speed", flight->speed);
    if (flight->seconds_left >= 0)
        json_int(out, "seconds_left", flight->seconds_left);
}
