/*
 * check_firewall: what a packet filter on this machine would keep from guests.
 *
 * Reads the rules that are in force (supervisor/ruleset.h) and says which ports of the box they
 * keep out, and by which command of the program that made them they are let in. It gives rules that
 * it does not understand the benefit of the doubt; so it is worth a note and no fault. Pure, but
 * for check_firewall itself.
 */
#ifndef SUPERVISOR_CHECK_FIREWALL_H
#define SUPERVISOR_CHECK_FIREWALL_H

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

#define FIREWALL_MAX_PORTS 24

struct firewall_port {
    const char *protocol; /* "tcp", "udp" */
    int port;
};

/* The ports on which guests reach the box, and 443, where it refuses them at once; returns how
 * many. */
size_t firewall_ports(const struct config *config, struct firewall_port ports[FIREWALL_MAX_PORTS]);

/* A sentence with what to do about the ports that ruleset keeps out on the interface ("" any),
 * yours to free; NULL if there are none. */
char *firewall_find(const char *ruleset, const char *interface, const struct firewall_port *ports,
                    size_t count);

/* The same of this machine. NULL also where nft is missing or this user may not ask. Of the rules
 * of iptables-legacy it only says that there are some. */
char *check_firewall(const struct config *config);

#endif
