/*
 * mdns_packet: multicast DNS as bytes (RFC 6762, RFC 6763).
 *
 * What the box says of itself on a network where somebody else gives the addresses: `NAME.local`
 * and its services. Questions come from anybody: names are read with a bound on length and on
 * pointers, and only answered when they are one of ours. Pure: no sockets.
 */
#ifndef DHCP_MDNS_PACKET_H
#define DHCP_MDNS_PACKET_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MDNS_MAX       1460 /* bytes of a packet that we send or read */
#define MDNS_SERVICES  4
#define MDNS_ADDRESSES 4
#define MDNS_TTL       120

struct mdns_service {
    const char *type; /* `_ssh._tcp` */
    int port;
};

/* What we are, on one interface. */
struct mdns_facts {
    const char *host;     /* `riad`, a label */
    const char *instance; /* the name of its services, at most 63 bytes of UTF-8 */
    struct mdns_service service[MDNS_SERVICES];
    size_t service_count;
    uint32_t address[MDNS_ADDRESSES]; /* IPv4, host byte order */
    size_t address_count;
};

/* What a packet is about. */
struct mdns_heard {
    bool response; /* rather than a question */
    bool unicast;  /* every question of it wants its answer for itself (QU) */
    bool conflict; /* a response that gives our host name an address that is not ours */
};

/*
 * Reads a packet. If it asks for something of ours, the answer is put into out (which is empty
 * then, too, if there is nothing to say). legacy: the question did not come from port 5353, so the
 * answer repeats it and lives 10 s at most (RFC 6762, 6.7). What a question says that it knows
 * already, for a minute at least, is not said again (7.1). 0, or -1 if it is no DNS packet.
 */
int mdns_answer(const uint8_t *bytes, size_t length, const struct mdns_facts *facts, bool legacy,
                struct mdns_heard *heard, struct buf *out);

/* Everything of ours, unasked: an announcement, or with ttl 0 a goodbye. */
void mdns_announce(struct buf *out, const struct mdns_facts *facts, uint32_t ttl);

/* The question whether somebody else has our host name. */
void mdns_probe(struct buf *out, const struct mdns_facts *facts);

#endif
