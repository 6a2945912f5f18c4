/*
 * probe: asking a network before doing anything to it.
 *
 * One packet socket on the interface, for two questions: whether another DHCP server answers
 * (three DISCOVERs of a device that does not exist, 2 s apart, listening until 6 s after the
 * first: a default dnsmasq answers after 3), and whether somebody else has our address (three ARP
 * probes within a second; later packets that claim it are seen, too).
 */
#ifndef DHCP_PROBE_H
#define DHCP_PROBE_H

#include "dhcp/packet.h"

#include <stdbool.h>
#include <stdint.h>

#define PROBE_NEVER INT64_MAX

struct probe_server {
    uint32_t address; /* who answers; 0 nobody */
    uint32_t router;  /* what it hands out; 0 none */
    uint8_t mac[PACKET_MAC];
};

/* How one of the questions stands. */
struct probe_question {
    bool asking;
    unsigned sent;
    int64_t next_ms, end_ms; /* monotonic */
};

struct probe {
    int fd; /* -1: closed */
    int index;
    uint8_t own_mac[PACKET_MAC];
    uint32_t own_address;
    uint8_t mac[PACKET_MAC]; /* of the device that does not exist */
    uint32_t xid;
    struct probe_question server, address;
    struct probe_server found; /* the last answer of another server */
    bool claimed;              /* somebody else has the address: */
    uint8_t claimed_by[PACKET_MAC];
};

/* Opens the socket on an interface. 0, or -1 with errno (EPERM: the right NET_RAW is missing). */
int probe_open(struct probe *probe, int index, const uint8_t own_mac[PACKET_MAC],
               uint32_t own_address);
void probe_close(struct probe *probe);

/* Begins to ask. What was found before is forgotten. */
void probe_ask_servers(struct probe *probe, int64_t now_ms);
void probe_ask_address(struct probe *probe, int64_t now_ms);

/* Call when fd is readable. */
void probe_receive(struct probe *probe);

/* Sends what is due, and ends questions whose time is over (asking becomes false; a found server
 * ends its question at once). Returns when to call again, PROBE_NEVER if nothing is asked. */
int64_t probe_step(struct probe *probe, int64_t now_ms);

#endif
