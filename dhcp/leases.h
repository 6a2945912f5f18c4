/*
 * leases: from dnsmasq's reports to rows of the store, and back to dnsmasq at its start.
 *
 * dnsmasq keeps no file of its own. Its script (dhcp/script.h) sends a datagram for each lease;
 * all that have come are written in one transaction, with their events, and survive a power cut
 * from then on. dnsmasq acknowledges a lease before its script runs, so one given in the last
 * moment before a crash may be unknown: before addresses are given, the network is asked which of
 * them are in use (dhcp/probe.h), and leases_adopt writes down whose they are.
 *
 * What dnsmasq holds in memory must follow when rows go otherwise (`riad reset`), and when the
 * clock is set, by which it would take all leases for ended: `stale` says that it has to start
 * anew.
 */
#ifndef DHCP_LEASES_H
#define DHCP_LEASES_H

#include "dhcp/probe.h"
#include "identity/store.h"

#include <stdbool.h>
#include <stdint.h>

struct leases {
    int fd;       /* the socket of the reports; readable when some came */
    char *folder; /* of the socket and the snapshot */
    struct store *store;
    int64_t count;   /* leases that hold */
    int64_t refused; /* datagrams that were no reports */
    bool stale; /* dnsmasq holds other leases than the store; whoever restarts it clears this */
    /* The box's time and the machine's clock at the start of the monotonic one, as last seen. */
    int64_t wall_ms, machine_ms;
    int64_t keep_until_ms; /* monotonic: until then leases that dnsmasq gives up are kept */
};

/* Opens the socket within folder (which is this account's). Leases that would hold for longer than
 * lease_s and a day were given by a clock that was wrong, and hold no longer than that. 0, or -1,
 * logged. */
int leases_open(struct leases *leases, struct store *store, const char *folder, int64_t lease_s);
void leases_close(struct leases *leases);

/* Takes all reports that have come into the store. lease_s is how long a lease holds, which none is
 * longer than once the clock was set. 0, or -1, logged: those that it took are lost
 * to the store until they are renewed. */
int leases_take(struct leases *leases, int64_t lease_s);

/* Writes a lease of lease_s seconds for each device that has an address without one. How many; -1,
 * logged. */
int leases_adopt(struct leases *leases, const struct probe_device *device, size_t devices,
                 int64_t lease_s);

/* Forgets those that have ended, and counts those that hold. 0, or -1, logged. */
int leases_look(struct leases *leases, int64_t lease_s);

#define LEASES_NAMES "names" /* file within folder: the devices' names, as hosts(5) has them */

/* Writes that file, for a dnsmasq that answers DNS before it gives addresses. 0, or -1, logged. */
int leases_write_names(struct leases *leases);

/* Writes the snapshot that the script prints when dnsmasq starts. 0, or -1, logged. */
int leases_write_snapshot(struct leases *leases);

#endif
