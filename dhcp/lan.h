/*
 * lan: what the box does on the network of [lan], and why.
 *
 * One struct, reconciled again and again: lan_step looks at what is there (interface, cable,
 * address, other DHCP servers, dnsmasq) and at what the configuration wants, does the next thing
 * that is due, and says in one line where it stands. It never waits; lan_fds and the deadline that
 * lan_step returns tell the loop when to call again. The order of things:
 *
 *     interface there? -> on? -> cable? -> has our address? else: is it free? -> add it
 *     -> dnsmasq with DNS at once -> another DHCP server? which addresses are in use?
 *     -> dnsmasq with what is left to do -> ask again every 5 minutes
 *
 * Two DHCP servers never: in mode `auto` DHCP is served only after nobody has answered, and given
 * up as soon as somebody does. A pulled cable may be put into another network, so in mode `auto`
 * it is asked anew; and a device that takes the offer of somebody else is a reason to ask at once.
 * Mode `on` serves without waiting for answers, asks all the same, and says what it found.
 *
 * Nor two devices with one address: whenever riad-dhcp or dnsmasq has begun anew, leases may have
 * been given that nobody wrote down, so the addresses of the range are asked for before one is
 * given (less than a second, while other servers are asked for or our own address anyway).
 */
#ifndef DHCP_LAN_H
#define DHCP_LAN_H

#include "base/service.h"
#include "config/config.h"
#include "dhcp/child.h"
#include "dhcp/generate.h"
#include "dhcp/leases.h"
#include "dhcp/link.h"
#include "dhcp/others.h"
#include "dhcp/probe.h"
#include "dhcp/pulse.h"
#include "dhcp/upstream.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#define LAN_MAX_FDS (5 + GENERATE_MAX_SERVERS)

/* Where it stands. */
enum lan_phase {
    LAN_OFF,       /* [lan] interface is empty: riad leaves the network alone */
    LAN_ABSENT,    /* no such interface */
    LAN_NO_RIGHTS, /* neither root nor the three capabilities */
    LAN_UNPLUGGED,
    LAN_CLASH,   /* somebody else has our address */
    LAN_ASKING,  /* whether the address is free */
    LAN_TROUBLE, /* dnsmasq is missing, refuses its configuration, ends; a port is taken */
    LAN_STARTING,
    LAN_LISTENING,   /* whether another server answers; DNS is served already */
    LAN_STANDING_BY, /* another server was there first */
    LAN_SERVING,
    LAN_QUIET, /* nothing to serve: mode off and [dns] off */
    LAN_PHASES
};

struct lan {
    struct service *service;
    struct config *config;
    struct store *store;
    struct link link;
    struct probe probe;
    struct leases leases;
    struct child child;
    struct upstream upstream;
    struct pulse pulse;
    enum lan_phase phase;
    enum lan_phase told;           /* the last one that the log was told */
    unsigned duty;                 /* what dnsmasq was told to do */
    struct others others;          /* who else gives addresses, and when to ask again */
    bool address_free;             /* asked, and nobody had it */
    bool swept;                    /* it is known which addresses of the range are in use */
    bool added;                    /* riad added the address, and removes it at the end */
    int64_t next_try_ms, cable_ms; /* monotonic */
    int64_t pause_ms;              /* between tries */
    char trouble[400];             /* the sentence of LAN_TROUBLE and LAN_NO_RIGHTS */
    char page[SERVICE_SAY_MAX];    /* what LAN_FACT_PAGE says */
    char *folder;                  /* STATE/run/dhcp, absolute */
    char *script;                  /* our own program, absolute */
    char *environment;             /* for the script */
};

/* Takes up what config says; store is this thread's. 0, or -1, logged. */
int lan_open(struct lan *lan, struct service *service, struct config *config, struct store *store);

/* Ends dnsmasq and removes the address if riad added it. */
void lan_close(struct lan *lan);

/* The descriptors to wait for; returns how many. */
size_t lan_fds(const struct lan *lan, struct pollfd fds[LAN_MAX_FDS]);

/* Takes what is readable, does what is due, says how it goes. Returns the monotonic time at which
 * it wants to be called at the latest. */
int64_t lan_step(struct lan *lan);

/* Once a second: resolvers, leases that ended, another look at what failed. */
void lan_tick(struct lan *lan);

/* Whether it has come as far as it can: ready, though not always serving. */
bool lan_is_settled(const struct lan *lan);

#endif
