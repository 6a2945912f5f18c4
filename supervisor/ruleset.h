/*
 * ruleset: what a packet filter does with a packet, as far as its printed rules tell.
 *
 * Reads what `nft list ruleset` prints (which shows the rules of iptables, ufw and firewalld in
 * Debian, too) and walks through it as the kernel would with the first packet of somebody on the
 * LAN: base chains that hook into input, jumps, verdict maps. Matches that it does not know, such
 * as named sets or source addresses, are taken for fulfilled where a rule accepts and for not
 * fulfilled where it drops: a false alarm is worse than silence. Pure.
 */
#ifndef SUPERVISOR_RULESET_H
#define SUPERVISOR_RULESET_H

#include <stddef.h>

enum ruleset_verdict {
    RULESET_GO_ON, /* no rule has decided */
    RULESET_ACCEPT,
    RULESET_DROP,   /* in silence */
    RULESET_REJECT, /* whoever sent it is told */
};

struct ruleset_packet {
    const char *interface; /* by which it comes; "" unknown, though not lo */
    const char *protocol;  /* "tcp", "udp" */
    const char *to;        /* kind of its destination: "local", "multicast", "broadcast" */
    int port;
};

/* Who has made the rules, and undoes what somebody else puts in between. */
enum ruleset_maker { RULESET_NFT, RULESET_IPTABLES, RULESET_UFW, RULESET_FIREWALLD };

struct ruleset;

/* Yours to free. Text that is no ruleset is one without chains. */
struct ruleset *ruleset_parse(const char *text);
void ruleset_free(struct ruleset *set);

/* What becomes of the packet: GO_ON or ACCEPT if it comes in. chain (of size bytes) gets the name
 * of the base chain that keeps it out, `inet filter input`. */
enum ruleset_verdict ruleset_judge(const struct ruleset *set, const struct ruleset_packet *packet,
                                   char *chain, size_t size);

enum ruleset_maker ruleset_made_by(const struct ruleset *set);

#endif
