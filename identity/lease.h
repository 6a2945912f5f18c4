/*
 * lease: the addresses that DHCP gave, as dnsmasq reports them.
 */
#ifndef IDENTITY_LEASE_H
#define IDENTITY_LEASE_H

#include "identity/store.h"

/* Facts of the store (store_fact) that riad-dhcp keeps for the pages. */
#define LAN_FACT_PAGE  "lan.page"  /* what guests should know of the network; "" nothing */
#define LAN_FACT_LOCAL "lan.local" /* the host name by mDNS, without .local; "" none */

struct lease {
    char ip[46];
    char mac[64]; /* hexadecimal with colons; a hardware type other than Ethernet before a `-` */
    char client_id[520]; /* hexadecimal with colons; "" none */
    char host[256];      /* "" none; a checked label */
    int64_t started_at, expires_at;
};

/* Within the caller's transaction, so that many cost one. Nothing is trusted: fields are checked. 0
 * or -1. */
int lease_put(struct store *store, const struct lease *lease);
int lease_drop(struct store *store, const char *ip);
/* Those that ended before now go. 0 or -1. */
int lease_expire(struct store *store, int64_t now_ms);
typedef void lease_each(void *context, const struct lease *lease);
/* Those that hold and those that have ended; a row that lease_put would have refused counts as
 * none. 0 or -1. */
int lease_list(struct store *store, lease_each *each, void *context);
/* Which device has that address now. 1, 0, -1. */
int lease_by_ip(struct store *store, const char *ip, struct lease *lease);

#endif
