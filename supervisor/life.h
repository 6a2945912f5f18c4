/*
 * life: what the keeper decides about one service.
 *
 * After s6-supervise: a table, state × event, and nothing else. It starts no process and reads no
 * clock; keeper.c does what the table says and tells it what happened. So every cell is seen by a
 * unit test, and a new rule is a new cell.
 *
 *     OFF ── start ──▶ STARTING ── ready ──▶ UP ◀─ up ─ down ─▶ DOWN
 *                        ▲   │ died, late              │
 *                        │   ▼                         │
 *                      WAITING ◀───── died ────────────┘   late: KILLING, then WAITING
 *
 * ENDING leads to OFF, RENEWING to STARTING. A service that fails waits 0, 1, 2, 4, then 8 seconds
 * each time; the count begins anew after a minute in UP. The keeper never gives up.
 */
#ifndef SUPERVISOR_LIFE_H
#define SUPERVISOR_LIFE_H

#include <stdbool.h>
#include <stdint.h>

enum life_state {
    LIFE_OFF,      /* not wanted; no process */
    LIFE_WAITING,  /* wanted; pausing before the next start; no process */
    LIFE_STARTING, /* a process that is not ready yet */
    LIFE_UP,       /* it serves */
    LIFE_DOWN,     /* it runs and says that it cannot do its work for now */
    LIFE_ENDING,   /* was asked to end, for good */
    LIFE_RENEWING, /* was asked to end, to start anew */
    LIFE_KILLING,  /* hung; was killed, and has not been seen to end yet */
    LIFE_STATES
};

enum life_event {
    LIFE_START, /* it is wanted */
    LIFE_STOP,  /* it is not wanted any more */
    LIFE_RENEW, /* it is to start anew with another configuration */
    LIFE_READY, /* packet R */
    LIFE_BEAT,  /* packet B */
    LIFE_SAYS_UP,
    LIFE_SAYS_DOWN,
    LIFE_DIED, /* its process has ended, or could not be started */
    LIFE_LATE, /* the deadline of its state has passed */
    LIFE_EVENTS
};

/* What the keeper has to do, in this order. */
enum life_act {
    LIFE_ACT_NONE,
    LIFE_ACT_LAUNCH, /* start a process; deadline: to be ready or to beat */
    LIFE_ACT_PAUSE,  /* count a failure; deadline: the pause is over */
    LIFE_ACT_BEAT,   /* deadline: the next beat */
    LIFE_ACT_TERM,   /* SIGTERM; deadline: to end */
    LIFE_ACT_KILL,   /* SIGKILL; no deadline */
    LIFE_ACT_REST,   /* no deadline */
};

struct life_step {
    enum life_state next;
    enum life_act act;
};

/* The cell. */
struct life_step life_step(enum life_state state, enum life_event event);

/* `off`, `starting`, `up`, `down`: what people are told of a state. */
const char *life_word(enum life_state state);
const char *life_event_name(enum life_event event);

/* Whether a process exists in that state. */
bool life_runs(enum life_state state);

/* The pause before the next start after that many failures in a row (1: the first), in ms. */
int64_t life_pause_ms(int failures);

/* Health for this long in UP, and earlier failures are forgotten. */
#define LIFE_CALM_MS INT64_C(60000)

#endif
