/*
 * probe: asking a network before doing anything to it.
 *
 * One packet socket on the interface, for three questions: whether another DHCP server answers
 * (three DISCOVERs of a device that does not exist, 2 s apart, listening until 6 s after the
 * first: a default dnsmasq answers after 3; always the same device, so that no server keeps more
 * than one address for it, nor thinks longer when it is asked again soon), whether somebody else
 * has our address (three ARP probes within a second; later packets that claim it are seen, too),
 * and which of the addresses that we are about to give are in use already (an ARP probe for each,
 * twice, within a second). Between questions it can watch for devices that take the offer of
 * another DHCP server, and sleeps through everything else that passes by.
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

/* More addresses than these are not asked for one by one. */
#define PROBE_SWEEP_MAX 16384

/* A device that has one of the addresses asked for. */
struct probe_device {
    uint32_t address;
    uint8_t mac[PACKET_MAC];
};

/* The addresses first to last, and who answered so far. */
struct probe_sweep {
    bool asking;
    uint32_t first, last, next;
    unsigned round;
    int64_t next_ms; /* monotonic */
    struct probe_device *device;
    size_t count, room;
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
    bool watching; /* it hears only devices that take an offer */
    struct probe_question server, address;
    struct probe_sweep sweep;
    struct probe_server found; /* the last answer of another server */
    bool claimed;              /* somebody else has the address: */
    uint8_t claimed_by[PACKET_MAC];
    uint32_t rival; /* a DHCP server that a device took an offer of while we watched; 0 none */
};

/* Opens the socket on an interface. 0, or -1 with errno (EPERM: the right NET_RAW is missing). */
int probe_open(struct probe *probe, int index, const uint8_t own_mac[PACKET_MAC],
               uint32_t own_address);
void probe_close(struct probe *probe);

/* Begins to ask. What was found before is forgotten. */
void probe_ask_servers(struct probe *probe, int64_t now_ms);
void probe_ask_address(struct probe *probe, int64_t now_ms);

/* Begins to ask for the addresses first to last, our own left out; at most PROBE_SWEEP_MAX. Who
 * answers is in sweep.device when it is over, each address once, and stays until probe_close. */
void probe_ask_range(struct probe *probe, uint32_t first, uint32_t last, int64_t now_ms);

/* Whether any question is running. */
bool probe_is_asking(const struct probe *probe);

/* Sleeps but for devices that take another server's offer, until the next question. */
void probe_watch(struct probe *probe);

/* Call when fd is readable. */
void probe_receive(struct probe *probe);

/* Sends what is due, and ends questions whose time is over (asking becomes false; a found server
 * ends its question at once). Returns when to call again, PROBE_NEVER if nothing is asked. */
int64_t probe_step(struct probe *probe, int64_t now_ms);

#endif
