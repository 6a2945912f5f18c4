/*
 * child: dnsmasq as a foreground child of riad-dhcp.
 *
 * It is checked before it is started (`dnsmasq --test`), dies with its parent (PR_SET_PDEATHSIG),
 * keeps the three rights of riad-dhcp and nothing more, sees none of what riad-dhcp sees but the
 * folder with what is generated for it (Landlock), writes to our log line by line, and is started
 * again after 0, 1, 2, 4, then every 8 s when it ends by itself.
 */
#ifndef DHCP_CHILD_H
#define DHCP_CHILD_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_CONFIG "dnsmasq.conf"

struct child {
    pid_t pid;       /* -1: it does not run */
    int process_fd;  /* readable when it has ended (pidfd_open(2)); -1 */
    int log_fd;      /* what it prints; -1 */
    struct buf line; /* of its output, not yet ended by a newline */
    char last[200];  /* the last thing that it said */
    bool serves;     /* it has said that it started: its ports are open */
    unsigned failures;
    int64_t started_ms, retry_ms; /* monotonic */
};

void child_init(struct child *child);

/* The path of the dnsmasq program; NULL if there is none. Static memory. */
const char *child_program(void);

/* Whether dnsmasq accepts CHILD_CONFIG in that folder. 0; -1 with its first complaint in *why
 * (yours to free). */
int child_test(const char *folder, char **why);

/* Starts it with that. environment is NAME=VALUE for its script. 0, or -1, logged. */
int child_start(struct child *child, const char *folder, char *environment);

/* Ends it and waits for that. Not running is fine. */
void child_stop(struct child *child);

/* Has it read its servers file again. */
void child_reload(const struct child *child);

/* Takes what it printed into our log. Call when log_fd is readable. */
void child_listen(struct child *child);

/* Call when process_fd is readable: it has ended. retry_ms says when it may be started again. */
void child_bury(struct child *child, int64_t now_ms);

#endif
