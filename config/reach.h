/*
 * reach: under which addresses people reach the box.
 *
 * A socket that listens on 0.0.0.0 is reached under each address of the machine. The one of [lan]
 * comes first, then the other IPv4 ones, then loopback if there is nothing else. Names (riad.lan)
 * are told beside them, never instead: a plain address works on any network.
 *
 * Asks the kernel (getifaddrs(3), which needs a socket): not for a service behind its filter, which
 * finds the keeper's answer in run/status.json.
 */
#ifndef CONFIG_REACH_H
#define CONFIG_REACH_H

#include "config/config.h"

#define REACH_MAX 8

struct reach {
    char host[REACH_MAX][LISTEN_TEXT_MAX]; /* IPv4, or IPv6 in brackets */
    size_t count;
};

/* The hosts of those listens that have this port, best first; listens as in config_facts. */
void reach_find(struct reach *reach, const struct config *config, const struct config_list *listens,
                int port);

/* `http://ADDRESS/`, with the port if it is not 80; yours to free. */
char *reach_url(const char *host, int port);
/* `ssh NAME@ADDRESS`, with `-p PORT` if it is not 22; yours to free. */
char *reach_ssh(const char *name, const char *host, int port);

#endif
