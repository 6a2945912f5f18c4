/*
 * room: where a flight's bytes may lie, on a disk that others filled too.
 */
#include "base/log.h"
#include "mirror/flight.h"
#include "mirror/pass.h"

#define ROOM_STEP   ((int64_t)4 << 20)   /* for which room is asked at once */
#define ROOM_MAX    ((int64_t)256 << 20) /* that others give to bytes which nothing has verified */
#define MEMORY_EACH ((int64_t)32 << 20)

bool flight_make_room(struct flight *flight, int64_t bytes)
{
    struct flights *all = flight->all;
    int gone = cache_make_room(all->with.cache, all->with.config, bytes);

    if (gone > 0) {
        log_warn("the disk is full: %d archive%s left the cache for that of %s", gone,
                 gone == 1 ? "" : "s", flight->label);
        all->held = -1; /* to be counted again */
    }
    return gone >= 0;
}

static bool memory_room(void *context, int64_t bytes)
{
    const struct flight *flight = context;

    if (flight->all->with.pass < 0)
        return false;
    for (const struct flight *other = flight->all->first; other; other = other->next)
        bytes += other->part ? part_in_memory(other->part) : 0;
    return bytes <= PASS_MAX;
}

/* Where the disk is full, bytes that nothing has verified lie in memory; others leave only for an
 * archive that is too large for that, and only as its bytes come. */
static bool displace(struct flight *flight, int64_t length, int64_t rest, int64_t bytes)
{
    const struct flights_with *with = &flight->all->with;

    if (length < 0 || (length <= MEMORY_EACH && memory_room(flight, length)) ||
        flight->displaced + bytes > ROOM_MAX ||
        !cache_could_hold(with->cache, with->config, rest + bytes) ||
        !flight_make_room(flight, bytes))
        return false;
    flight->displaced += bytes;
    return true;
}

/* For bytes that are here, and some of those that follow them. */
static int64_t disk_room(void *context, int64_t bytes)
{
    struct flight *flight = context;
    const struct flights_with *with = &flight->all->with;
    int64_t length = flight->part ? part_length(flight->part) : -1;
    int64_t rest = length < 0 ? 0 : length - part_received(flight->part);
    int64_t step = rest < ROOM_STEP ? rest : ROOM_STEP;

    if (step > bytes && cache_has_room(with->cache, with->config, step))
        return step;
    if (cache_has_room(with->cache, with->config, bytes))
        return bytes;
    return displace(flight, length, rest, bytes) ? bytes : 0;
}

bool flight_could_fit(struct flight *flight)
{
    const struct flights_with *with = &flight->all->with;
    int64_t length = part_length(flight->part), rest = length - part_received(flight->part);

    if (length < 0 || cache_could_hold(with->cache, with->config, rest))
        return true;
    return flight->priority == FLIGHT_WAITED_FOR &&
           memory_room(flight, part_in_memory(flight->part) > 0 ? rest : length);
}

struct area_room flight_room(struct flight *flight)
{
    return (struct area_room){disk_room, memory_room, flight};
}
