/*
 * avahi: publishing through the Avahi that runs on this machine, by its own program avahi-publish
 * (package avahi-utils): a process for each service, which withdraws it when it ends.
 */
#ifndef DHCP_AVAHI_H
#define DHCP_AVAHI_H

#include "dhcp/mdns.h"

#include <stdbool.h>

/* Whether Avahi answers here, and its program is installed. */
bool avahi_runs(void);

/* Starts those publishers that do not run, a while after they ended. */
void avahi_publish(struct mdns *mdns, int64_t now_ms);

/* Ends them. */
void avahi_stop(struct mdns *mdns);

#endif
