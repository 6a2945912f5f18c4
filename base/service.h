/*
 * service: the life of a service process.
 *
 * The keeper (supervisor/) starts each service with these descriptors:
 *
 *     0, 1, 2    nothing, log, log
 *     3          the checked configuration, a sealed memfd (see config/start.h)
 *     4          to the keeper: a SOCK_SEQPACKET socket, one message a packet; its end means that
 *                the keeper died: exit
 *     5          this service's doorbell, an eventfd
 *     6, 7, 8    the others' doorbells
 *     9 ...      what RIAD_FDS names in order, e.g. `listen:listen:hostkey`; riad-web and
 *                riad-mirror have the ends of a pair of sockets, `pass` (mirror/pass.h)
 *
 * and with RIAD_SERVICE=NAME in its environment. Without RIAD_SERVICE the process runs alone, in a
 * terminal: it makes its own doorbell, rings nobody and stops at SIGINT.
 *
 * Packets to the keeper: `R` ready; `B` beat; `U` and `D` with a line of text: up or down, and why.
 * Packets from it: `C` with a new configuration as SCM_RIGHTS.
 *
 * A service begins, opens what it needs, restricts itself (base/sandbox.h), says that it is ready
 * and then waits for one of its events again and again, by itself or, with service_fd, within an
 * event loop of its own:
 *
 *     while (!(happened = service_wait(&service, -1)) & SERVICE_STOP) ...
 *
 * Its signals SIGTERM, SIGINT, SIGHUP are blocked and read from a signalfd; SIGPIPE is ignored.
 * Threads that it starts inherit that.
 */
#ifndef BASE_SERVICE_H
#define BASE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#define SERVICE_OTHERS  3
#define SERVICE_MAX_FDS 24
#define SERVICE_SAY_MAX 512 /* bytes of a packet to the keeper */

/* The services, in the order in which they are started and shown. */
enum service_id { SERVICE_CHAT, SERVICE_WEB, SERVICE_MIRROR, SERVICE_DHCP, SERVICE_COUNT };

/* "chat", "web", "mirror", "dhcp". */
const char *service_name(enum service_id id);

struct service {
    enum service_id id;
    bool kept;                  /* a keeper started us */
    int config_fd;              /* the configuration to read, -1 when alone; renewed by a reload */
    int keeper_fd;              /* -1 when alone */
    int doorbell;               /* ours */
    int others[SERVICE_OTHERS]; /* the others' doorbells, -1 when alone */
    int fds[SERVICE_MAX_FDS];   /* what RIAD_FDS named, in order; the service owns them */
    const char *fd_names[SERVICE_MAX_FDS];
    size_t fd_count;
    int wait_fd; /* see service_fd */
    int signal_fd;
    int timer_fd;
    char *fd_list;   /* the memory behind fd_names */
    bool tick_beats; /* see service_tick_beats */
    unsigned ticks;
    char said[SERVICE_SAY_MAX]; /* the last service_say */
};

/* What service_wait saw; several may be set. */
enum {
    SERVICE_RANG = 1,   /* the doorbell: look into the store */
    SERVICE_TICK = 2,   /* a second has passed */
    SERVICE_STOP = 4,   /* SIGTERM or SIGINT, or the keeper is gone: end in order */
    SERVICE_RELOAD = 8, /* config_fd is a new configuration, or SIGHUP when alone */
};

/* Takes up the descriptors and signals as above; opens the log under the service's name.
 * 0, or -1, logged. The struct is the caller's. */
int service_begin(struct service *service, enum service_id id);

/* A descriptor that is readable when service_wait(service, 0) has something to say. */
int service_fd(const struct service *service);

/* Waits at most timeout_ms (-1: for ever, 0: not at all) and returns what happened, 0 for nothing.
 * A SERVICE_TICK beats for the caller. */
int service_wait(struct service *service, int timeout_ms);

/* Says that this service accepts its clients. */
void service_ready(struct service *service);

/* Says that it lives; for services that must not beat by merely ticking, see service_tick_beats. */
void service_beat(struct service *service);

/* Whether every third SERVICE_TICK beats by itself (the default) or the service beats where it
 * knows better. */
void service_tick_beats(struct service *service, bool yes);

/* Tells keeper and `riad status` in one line how it goes: up = false when this service cannot do
 * its work for now (text says why and what to do). Same again is not sent. The log has it when up
 * turns to down or back. */
void service_say(struct service *service, bool up, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define SERVICE_PASS "pass"

/* The descriptors with that name of RIAD_FDS: fills at most max, returns how many there are. */
size_t service_fds_named(const struct service *service, const char *name, int *fds, size_t max);

/* Adds a descriptor that the service opened itself when it runs alone. */
void service_add_fd(struct service *service, const char *name, int fd);

/* Closes what service_begin took up. */
void service_end(struct service *service);

#endif
