/*
 * leases: from dnsmasq's reports to rows of the store, and back to dnsmasq at its start.
 *
 * dnsmasq keeps no file of its own. Its script (dhcp/script.h) sends a datagram for each lease;
 * all that have come are written in one transaction, with their events, and survive a power cut
 * from then on. dnsmasq acknowledges a lease before its script runs, so one given in the last
 * moment before a power cut may be unknown; its device asks again with the address it had.
 */
#ifndef DHCP_LEASES_H
#define DHCP_LEASES_H

#include "identity/store.h"

#include <stdint.h>

struct leases {
    int fd;       /* the socket of the reports; readable when some came */
    char *folder; /* of the socket and the snapshot */
    struct store *store;
    int64_t count;   /* leases that hold */
    int64_t refused; /* datagrams that were no reports */
};

/* Opens the socket within folder (which is this account's). 0, or -1, logged. */
int leases_open(struct leases *leases, struct store *store, const char *folder);
void leases_close(struct leases *leases);

/* Takes all reports that have come into the store. 0, or -1, logged: those that it took are lost
 * to the store until they are renewed. */
int leases_take(struct leases *leases);

/* Forgets those that have ended, and counts those that hold. 0, or -1, logged. */
int leases_look(struct leases *leases);

/* Writes the snapshot that the script prints when dnsmasq starts. 0, or -1, logged. */
int leases_write_snapshot(struct leases *leases);

#endif
