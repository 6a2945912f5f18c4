/*
 * upstream: which resolvers dnsmasq may ask just now.
 *
 * With a dead link, a question for a foreign name would wait for seconds at everybody's table.
 * So each upstream resolver is asked something now and then (one small packet every 15 s; every
 * 3 s while it is silent), and who does not answer twice in a row is withdrawn from the file that
 * dnsmasq reads, and comes back with the first answer. While none is left, dnsmasq refuses foreign
 * names at once, and answers for the LAN and from its cache. Where there is no route at all, not
 * even that is waited for.
 */
#ifndef DHCP_UPSTREAM_H
#define DHCP_UPSTREAM_H

#include "dhcp/generate.h"

#include <stdbool.h>
#include <stdint.h>

struct upstream_server {
    struct resolver resolver;
    int fd; /* connected to it; -1: there is no route */
    bool waiting;
    unsigned silent;         /* questions without an answer, in a row */
    int64_t next_ms, end_ms; /* monotonic */
    uint16_t id;
};

struct upstream {
    struct upstream_server server[GENERATE_MAX_SERVERS];
    size_t count;
    char *path;             /* of the servers file */
    struct buf written;     /* what it holds */
    int64_t resolv_changed; /* of the box's resolv.conf, as it was read */
    bool reachable;         /* at least one answers, or has not been asked yet */
    char *portal_path;      /* of the file of generate_portal */
    int portal;             /* what it holds: 1 the names, 0 none, -1 not written yet */
};

/* folder is where the servers file goes. Writes it, and the one
 * of the portal. 0, or -1, logged. */
int upstream_open(struct upstream *upstream, const struct config *config, const char *folder);
void upstream_close(struct upstream *upstream);

/* Takes answers; call when one of the descriptors is readable. */
void upstream_receive(struct upstream *upstream);

/* Once a second: asks, gives up, looks whether resolv.conf changed, writes the file. True: the file
 * has changed, dnsmasq must read it. */
bool upstream_step(struct upstream *upstream, const struct config *config, int64_t now_ms);

#endif
