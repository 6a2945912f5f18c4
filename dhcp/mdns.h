/*
 * mdns: `NAME.local` and the services of the box, on every network that the machine is in.
 *
 * Works without [lan], too: beside a router that gives the addresses, this is how the box is
 * found. Where Avahi runs it is asked to publish (one responder a machine), by its own program
 * avahi-publish; elsewhere a small responder of our own answers on each interface with the
 * addresses that the interface has. If somebody else has the name already, the box is NAME-2.local,
 * and so on: it never takes a name away.
 */
#ifndef DHCP_MDNS_H
#define DHCP_MDNS_H

#include "config/config.h"
#include "dhcp/mdns_packet.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MDNS_MAX_FDS        1
#define MDNS_MAX_INTERFACES 8
#define MDNS_MAX_PUBLISHERS (MDNS_SERVICES + 1)

struct mdns_interface {
    int index;
    char name[16];
    uint32_t address[MDNS_ADDRESSES];
    size_t address_count;
};

struct mdns {
    int fd; /* UDP 5353; -1: not publishing, or Avahi does it */
    const struct config *config;
    char host[64];
    unsigned number; /* NAME-number.local; 1: NAME.local */
    struct mdns_interface interface[MDNS_MAX_INTERFACES];
    size_t interface_count;
    unsigned probes, announcements; /* sent since the name or an interface changed */
    int64_t next_ms, look_ms;       /* monotonic: to send, to look at the interfaces */
    int64_t budget_ms;              /* answers are counted within this second */
    unsigned budget;
    pid_t publisher[MDNS_MAX_PUBLISHERS]; /* avahi-publish */
    size_t publisher_count;
    int64_t retry_ms;
};

/* Begins. That it cannot (the port is taken, no network) is logged once and costs nothing else. */
void mdns_open(struct mdns *mdns, const struct config *config);
/* Says goodbye. */
void mdns_close(struct mdns *mdns);

/* The name that is published, without .local; "" while there is none. */
const char *mdns_name(const struct mdns *mdns);

/* Takes the next name, since somebody else has this one; logged. False: none is left to try. For
 * whoever publishes. */
bool mdns_rename(struct mdns *mdns);

size_t mdns_fds(const struct mdns *mdns, struct pollfd fds[MDNS_MAX_FDS]);

/* Answers what came, says what is due. Returns when to call again at the latest. */
int64_t mdns_step(struct mdns *mdns);

#endif
