/*
 * tell: how it goes with the network, in one line.
 *
 * For `riad status`, the log and the page: which of the three set-ups is in force (beside a router;
 * in place of its DHCP; a network of its own), who else serves, and when something is wrong, what
 * and what to do.
 */
#ifndef DHCP_TELL_H
#define DHCP_TELL_H

#include "dhcp/lan.h"

/* Tells the keeper (service_say), and writes the facts `lan.setup` and, for guests on the home
 * page, LAN_FACT_PAGE (identity/lease.h) when they have changed. */
void tell(struct lan *lan);

/* What guests should know of who gives the addresses, "" for nothing; out has SERVICE_SAY_MAX
 * bytes. */
void tell_page(const struct lan *lan, char *out);

/* The sentence; out has SERVICE_SAY_MAX bytes. True: the service does what it can be asked for. */
bool tell_text(const struct lan *lan, char *out);

/* `192.168.1.1 (aa:bb:cc:dd:ee:ff)`, "" for nobody; out has 64 bytes. */
void tell_server(const struct probe_server *server, char *out);

#endif
