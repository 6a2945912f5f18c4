/* Who comes and goes, told without noise. */
#include "base/mem.h"
#include "base/when.h"
#include "chat/hall.h"

#include <stdlib.h>
#include <string.h>

#define LEAVE_AFTER_MS 2500 /* a connection that comes back sooner never left */
#define LINES_A_MINUTE 6    /* told one by one; more are gathered */
#define GATHER_MS      20000
#define MOST_NAMES     20 /* in one gathered line */

struct leaving {
    int64_t person_id;
    char name[NAME_MAX_BYTES];
    int64_t since;
};

/* A line of the box's own under everybody's conversation, but not for whom it is about. */
static void announce(struct hall *hall, const char *text, const char *about)
{
    for (struct client *client = hall->clients; client != NULL; client = client->next)
        if (client->kind == CLIENT_TERMINAL && client->step == CLIENT_OPEN &&
            client->somebody->person.role != ROLE_WAITING &&
            strcmp(client->somebody->person.name, about) != 0)
            client_tell(client, text);
}

static bool quiet_enough(struct hall *hall, int64_t now)
{
    size_t recent = 0;

    for (size_t i = 0; i < sizeof(hall->told_at) / sizeof(hall->told_at[0]); i++)
        recent += hall->told_at[i] != 0 && now - hall->told_at[i] < 60000;
    return recent < LINES_A_MINUTE;
}

static void gather(struct buf *names, size_t *count, const char *name)
{
    if ((*count)++ < MOST_NAMES)
        buf_printf(names, "%s%s", *count > 1 ? ", " : "", name);
}

static void tell_one(struct hall *hall, const char *name, bool came)
{
    int64_t now = when_monotonic_ms();
    struct buf text;

    if (hall->gathering_since != 0 || !quiet_enough(hall, now)) {
        if (hall->gathering_since == 0)
            hall->gathering_since = now;
        gather(came ? &hall->came : &hall->left, came ? &hall->came_count : &hall->left_count,
               name);
        return;
    }
    hall->told_at[hall->told_next++ % (sizeof(hall->told_at) / sizeof(hall->told_at[0]))] = now;
    buf_init(&text, 128);
    buf_printf(&text, "%s %s", name, came ? "is here" : "left");
    announce(hall, buf_text(&text), name);
    buf_done(&text);
}

static void put_gathered(struct buf *text, struct buf *names, size_t *count, const char *verb)
{
    if (*count == 0)
        return;
    buf_printf(text, "%s%zu %s: %s%s", text->len > 0 ? "\n" : "", *count, verb, buf_text(names),
               *count > MOST_NAMES ? " ..." : "");
    buf_clear(names);
    *count = 0;
}

static void tell_gathered(struct hall *hall)
{
    struct buf text;

    hall->gathering_since = 0;
    buf_init(&text, 8192);
    put_gathered(&text, &hall->came, &hall->came_count, "came");
    put_gathered(&text, &hall->left, &hall->left_count, "left");
    if (text.len > 0) {
        hall->told_at[hall->told_next++ % (sizeof(hall->told_at) / sizeof(hall->told_at[0]))] =
            when_monotonic_ms();
        announce(hall, buf_text(&text), "");
    }
    buf_done(&text);
}

/* ---- leaving for more than a moment ---- */

static bool was_leaving(struct hall *hall, int64_t person_id)
{
    for (size_t i = 0; i < hall->leaving_count; i++) {
        if (hall->leaving[i].person_id != person_id)
            continue;
        hall->leaving[i] = hall->leaving[--hall->leaving_count];
        return true;
    }
    return false;
}

static void begin_leaving(struct hall *hall, const struct here *here)
{
    struct leaving *leaving;

    if ((hall->leaving_count & (hall->leaving_count - 1)) == 0)
        hall->leaving =
            mem_resize(hall->leaving, hall->leaving_count == 0 ? 1 : 2 * hall->leaving_count,
                       sizeof(*hall->leaving));
    leaving = &hall->leaving[hall->leaving_count++];
    *leaving = (struct leaving){.person_id = here->person_id, .since = when_monotonic_ms()};
    memcpy(leaving->name, here->name, sizeof(leaving->name));
}

/* ---- comparing ---- */

static int by_id(const void *one, const void *other)
{
    const struct here *a = one, *b = other;

    return (a->person_id > b->person_id) - (a->person_id < b->person_id);
}

/* A copy in the order of ids. */
static struct here *sorted(const struct here *here, size_t count)
{
    struct here *list = mem_array(count + 1, sizeof(*list));

    if (count > 0) {
        memcpy(list, here, count * sizeof(*list));
        qsort(list, count, sizeof(*list), by_id);
    }
    return list;
}

/* Walks both lists in the order of ids, so that a crowd costs no more than its size. */
static void compare(struct hall *hall, const struct here *before, size_t before_count,
                    const struct here *after, size_t after_count)
{
    size_t one = 0, other = 0;

    while (one < before_count || other < after_count) {
        int64_t old = one < before_count ? before[one].person_id : INT64_MAX;
        int64_t new = other < after_count ? after[other].person_id : INT64_MAX;

        if (old < new) {
            begin_leaving(hall, &before[one++]);
        } else if (new < old) {
            if (!was_leaving(hall, new))
                tell_one(hall, after[other].name, true);
            other++;
        } else {
            one++;
            other++;
        }
    }
}

void hall_here(struct hall *hall, const struct news *news)
{
    struct here *copy = mem_array(news->here_count + 1, sizeof(*copy));

    if (news->here_count > 0)
        memcpy(copy, news->here, news->here_count * sizeof(*copy));
    if (hall->here_known) {
        struct here *before = sorted(hall->here, hall->here_count);
        struct here *after = sorted(copy, news->here_count);

        compare(hall, before, hall->here_count, after, news->here_count);
        free(before);
        free(after);
    }
    free(hall->here);
    hall->here = copy;
    hall->here_count = news->here_count;
    hall->here_known = true;
}

void hall_doors_tick(struct hall *hall, int64_t now_ms)
{
    for (size_t i = 0; i < hall->leaving_count;) {
        struct leaving leaving = hall->leaving[i];

        if (now_ms - leaving.since < LEAVE_AFTER_MS) {
            i++;
            continue;
        }
        hall->leaving[i] = hall->leaving[--hall->leaving_count];
        tell_one(hall, leaving.name, false);
    }
    if (hall->gathering_since != 0 && now_ms - hall->gathering_since >= GATHER_MS)
        tell_gathered(hall);
}
