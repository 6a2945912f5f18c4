/*
 * spawn: starts a service's process with everything where it expects it.
 *
 * The descriptors of base/service.h at their numbers and no others; an environment without what is
 * the keeper's own; a session of its own (a ^C in the terminal reaches the keeper only, which then
 * ends all in order); an account without rights but those that are named. If the keeper dies, the
 * kernel sends it SIGTERM.
 */
#ifndef SUPERVISOR_SPAWN_H
#define SUPERVISOR_SPAWN_H

#include "base/service.h"
#include "supervisor/account.h"

#include <stdint.h>
#include <sys/types.h>

struct spawn {
    enum service_id id;
    const char *program;           /* path */
    const struct account *account; /* as whom */
    uint64_t capabilities;         /* kept, ambient, as bits 1 << CAP_*; only matters as root */
    int config_fd;
    int keeper_fd;
    const int *doorbells; /* SERVICE_COUNT, by id */
    int fds[SERVICE_MAX_FDS];
    const char *fd_names[SERVICE_MAX_FDS];
    size_t fd_count;
};

/* The path of the program `riad-NAME`: beside our own executable, in ../libexec/riad from
 * there, else in RIAD_LIBEXEC; yours to free. NULL if it is in none; nothing is logged. */
char *spawn_find(enum service_id id);

/* Starts it. All descriptors are lent. Its process id, also its process group; -1, logged. */
pid_t spawn_start(const struct spawn *spawn);

#endif
