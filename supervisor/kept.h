/*
 * kept: one service, as the keeper keeps it.
 *
 * What life.h decides is done here: processes are started and ended, deadlines set, packets of the
 * service heard, its sockets held over restarts, and what happened written down as incidents. The
 * keeper's loop (keeper.c) waits for all of them and calls in here; nothing here waits.
 */
#ifndef SUPERVISOR_KEPT_H
#define SUPERVISOR_KEPT_H

#include "base/service.h"
#include "config/config.h"
#include "supervisor/account.h"
#include "supervisor/life.h"
#include "supervisor/sockets.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define KEPT_TEXT_MAX  SERVICE_SAY_MAX
#define KEPT_NEVER     INT64_MAX
#define KEPT_INCIDENTS 20

struct incident {
    int64_t at_ms; /* wall */
    const char *service;
    char text[KEPT_TEXT_MAX];
};

/* What all services share; the keeper's. */
struct keeping {
    struct config config; /* in force, with the facts */
    int config_fd;        /* the same, sealed */
    int epoll;
    int doorbells[SERVICE_COUNT];
    int pass[2];              /* the ends of web and mirror of their own channel (mirror/pass.h) */
    struct account box, dhcp; /* as whom services run */
    bool dhcp_account;        /* whether there is the second one */
    struct incident incidents[KEPT_INCIDENTS]; /* a ring: the newest is number incident_count - 1 */
    size_t incident_count;
    bool changed; /* something that status.json tells has changed */
};

struct kept {
    enum service_id id;
    struct keeping *keeping;
    bool wanted;
    enum life_state state;
    pid_t pid;                /* -1 no process */
    int fd;                   /* to hear it, -1 */
    int64_t deadline_ms;      /* monotonic; KEPT_NEVER */
    int64_t since_ms;         /* wall: in this state */
    int64_t up_since_ms;      /* monotonic: in LIFE_UP */
    int failures;             /* in a row */
    int restarts;             /* after it failed, in all */
    bool started;             /* at least once */
    bool said;                /* whether text comes from the process that runs */
    char text[KEPT_TEXT_MAX]; /* what it says of itself, or why it does not run; "" nothing */
    struct sockets sockets;
};

void kept_init(struct kept *kept, enum service_id id, struct keeping *keeping);
void kept_done(struct kept *kept);

/* Something happened to it; does what the table says. */
void kept_happen(struct kept *kept, enum life_event event);

/* Its deadline has passed. */
void kept_late(struct kept *kept);

/* Its descriptor is readable: takes the packets. */
void kept_hear(struct kept *kept);

/* Its process has ended with that wait status; what it left running is killed. */
void kept_died(struct kept *kept, int status);

/* Sends it the configuration in force (packet C), if it runs. */
void kept_send_config(struct kept *kept);

/* Opens its listening sockets if that has not been done. 0; -1: none can be had, text says why. */
int kept_listen(struct kept *kept);

/* Whether it serves, and what people are told: `up`, `down`, `starting`, `off`, `standing by`. */
bool kept_serves(const struct kept *kept);
const char *kept_word(const struct kept *kept);

/* Writes an incident down, and to the log. service may be NULL: the box itself. */
void keeping_incident(struct keeping *keeping, const char *service, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Seals keeping->config anew. 0, or -1, logged. */
int keeping_seal(struct keeping *keeping);

#endif
