/*
 * script: riad-dhcp as dnsmasq's dhcp-script: one datagram, and out.
 *
 * dnsmasq runs the program `riad-dhcp add|old|del MAC IP [HOST]` for every lease that it gives,
 * renews or takes back, one after another, and `riad-dhcp init` once at its start, whose output is
 * the leases that it shall know (dnsmasq(8), leasefile-ro). Host names and client ids are the
 * guests' input: they go as arguments and variables, never through a shell's parser, and are
 * checked at the other end (report_parse).
 *
 * The environment variable RIAD_DHCP_DIR names the folder with the socket and the snapshot; the
 * service sets it for dnsmasq. Without it there is no script mode: the same words as arguments are
 * then an error of whoever typed them.
 */
#ifndef DHCP_SCRIPT_H
#define DHCP_SCRIPT_H

#include "base/buf.h"
#include "identity/lease.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRIPT_DIR_VARIABLE "RIAD_DHCP_DIR"
#define SCRIPT_SOCKET       "reports" /* within that folder */
#define SCRIPT_SNAPSHOT     "leases"  /* likewise */
#define SCRIPT_REPORT_MAX   2048

/* Whether this process was started by dnsmasq as its script. */
bool script_is_wanted(int argc, char **argv);

/* Does what it was started for. Returns the exit status: 0 whatever happens, or dnsmasq would not
 * start; what went wrong is in the log, and a lease that got lost comes again with its renewal. */
int script_run(int argc, char **argv);

/* What one datagram says. */
enum report_verb { REPORT_ADD, REPORT_OLD, REPORT_DEL };

struct report {
    enum report_verb verb;
    struct lease lease;
};

/* Appends a report: fields with a NUL behind each. NULL fields are empty. remaining: the seconds
 * for which the lease holds; how long is independent of what dnsmasq takes for the time. 0, or -1
 * if out is full. */
int report_put(struct buf *out, const char *verb, const char *mac, const char *ip, const char *host,
               const char *remaining, const char *client_id);

/*
 * Reads one. Everything is checked here: a verb that there is, an IPv4 address, a hardware address
 * and a client id in hexadecimal. A host name that is not a label of letters, digits and inner
 * hyphens counts as none; letters become small. now_ms is when it came. 0, or -1 if it is no
 * report.
 */
int report_parse(const void *bytes, size_t length, int64_t now_ms, struct report *report);

/* Appends a lease as a line of the snapshot: `expiry mac ip host|* clientid|*`. ahead_ms: how far
 * the box's time is ahead of the machine's clock, by which dnsmasq goes. 0 or -1. */
int snapshot_put(struct buf *out, const struct lease *lease, int64_t ahead_ms);

#endif
