/*
 * flight: one archive's way, as flights.c leads it. Internal to these two files, room.c and link.c.
 */
#ifndef MIRROR_FLIGHT_H
#define MIRROR_FLIGHT_H

#include "mirror/flights.h"
#include "mirror/hosts.h"
#include "mirror/part.h"
#include "mirror/source.h"

/* flight.priority in the store. */
enum flight_priority { FLIGHT_WAITED_FOR, FLIGHT_LEFT, FLIGHT_PREFETCH };

struct flight {
    struct flights *all;
    struct flight *next; /* in the order of their ids */
    int64_t id;
    char name[CHECKSUM_TEXT];
    char label[80]; /* for the log: the package that needs it, or the digest's beginning */
    int priority;
    int repository; /* that lists it, -1 none does */
    bool keep, listed;
    bool seen;              /* by the flights_look that is going on */
    bool over;              /* landed or failed: to be reaped */
    struct part *part;      /* NULL until it first starts */
    struct sources sources; /* filled with the part */
    struct source *source;  /* that transfer reads from */
    struct transfer *transfer;
    bool resuming;     /* it asked for the rest */
    int64_t best;      /* the most bytes that were ever here */
    int64_t wake_ms;   /* no start before; -1 as soon as possible */
    bool no_room;      /* a source announced more than there is room for */
    int64_t displaced; /* bytes that left the cache for it */
    int64_t passed;    /* bytes in memory that riad-web was told of */
    struct area_room room;
    bool announced; /* the row says flying, with announced_length */
    int64_t announced_length;
    int64_t mark_bytes, mark_ms, speed; /* bytes a second, over the last seconds */
    int64_t watch_bytes, watch_ms;      /* what the source brought since */
    enum source_outcome verdict;        /* why a callback stopped the transfer */
};

struct flights {
    struct flights_with with;
    struct flight *first;
    size_t running;
    struct hosts hosts;
    bool unanswered;        /* some flight waits since nobody answered it */
    int64_t link_ok_ms;     /* when a host last answered, monotonic; 0 never */
    int64_t link_failed_ms; /* since when none does; 0 the link is up */
    int link_failures;
    bool link_told;            /* the fact says that it is down */
    struct transfer *question; /* to upstream, whether it is */
    size_t questions;
    int64_t gate_ms;  /* while the link is down: no start before */
    int64_t held;     /* bytes in the cache, -1 not counted yet */
    int64_t archives; /* and how many */
    int64_t grown_ms; /* when something last came; 0 the cache is within its limit */
    int64_t counted;  /* of fetch_bytes: what the store's counter holds already */
    int64_t carried[CONFIG_MAX_MIRRORS]; /* bytes for each repository, not yet in its counter */
};

/* Begins, or goes on, at the next source. 0; -1: nothing could be started now (wake_ms says when to
 * try again, or the flight is over). */
int flight_start(struct flight *flight);

/* Gives its connection up; what came stays. */
void flight_pause(struct flight *flight);

/* Who decides about room for its bytes. */
struct area_room flight_room(struct flight *flight);
/* Whether what its source announces could lie anywhere. */
bool flight_could_fit(struct flight *flight);
/* Makes room on the disk for what has been verified; others leave for it, if they must. */
bool flight_make_room(struct flight *flight, int64_t bytes);

/* Releases all but the row. */
void flight_free(struct flight *flight);

/* Once a second, of the link: hears its silence (link.c); and the end of it. */
void link_tick(struct flights *flights);
void link_end(struct flights *flights);

/* Once a second: leaves a source that brings next to nothing, where another one can go on. */
void flight_watch(struct flight *flight, int64_t now_ms);

/* Shows what is due. */
void flight_show(struct flight *flight, int64_t now_ms);

#endif
