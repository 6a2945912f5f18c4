/*
 * sockets: what a service listens on, opened by the keeper and kept over its restarts.
 *
 * One address that cannot be had is a warning; only when none can is it the service's trouble.
 */
#ifndef SUPERVISOR_SOCKETS_H
#define SUPERVISOR_SOCKETS_H

#include "config/config.h"

struct sockets {
    int fd[LISTEN_MAX];
    size_t count;
    struct config_list bound; /* ADDRESS:PORT of each, as it really listens */
};

/* Opens what listens names, unless some are open already. service stands in the warnings. 0; -1 if
 * none could be had: *trouble then says why and what to do, yours to free. */
int sockets_open(struct sockets *sockets, const struct config_list *listens, const char *service,
                 char **trouble);
void sockets_close(struct sockets *sockets);

/* Why listen_open failed there with that errno, and what to do; yours to free. */
char *sockets_reason(const union listen_address *address, int error);

#endif
