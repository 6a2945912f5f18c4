/*
 * generate: what dnsmasq is told. Pure: from the configuration to text.
 *
 * dnsmasq(8) reads one generated file and nothing else of the system's. It serves one interface
 * only, keeps no lease file, never asks whether an address is free by waiting (no-ping: the first
 * of 50 guests would wait 18 s; riad-dhcp has asked before, unless the range is too large for
 * that), and answers for the box's names itself.
 */
#ifndef DHCP_GENERATE_H
#define DHCP_GENERATE_H

#include "base/buf.h"
#include "base/listen.h"
#include "config/config.h"

#include <stdbool.h>

/* What dnsmasq shall do. */
enum duty {
    DUTY_NONE,
    DUTY_DNS = 1,
    DUTY_DHCP = 2,
    DUTY_BOTH = 3,
};

struct generate {
    const struct config *config;
    unsigned duty;      /* of enum duty; not DUTY_NONE */
    const char *folder; /* of the servers file */
    const char *script; /* absolute path of riad-dhcp */
    const char *names;  /* file within folder with devices' names; NULL none */
    bool as_root;       /* dnsmasq is started by root and shall stay so */
};

#define GENERATE_SERVERS "servers" /* file within folder: upstream resolvers, re-read at SIGHUP */

/* Appends the configuration of dnsmasq. */
void generate_config(struct buf *out, const struct generate *what);

#define GENERATE_PORTAL "portal" /* file within folder: addresses of names, likewise */

/* Appends the names by which phones and computers probe for the internet, with the box's address,
 * as hosts(5) has it. riad-web leads whoever asks there to its page. */
void generate_portal(struct buf *out, uint32_t own_address);

#define GENERATE_MAX_LEASES  4096 /* at once, however wide the range is */
#define GENERATE_MAX_SERVERS 16

/* An upstream resolver. */
struct resolver {
    char host[LISTEN_TEXT_MAX]; /* IPv4 or IPv6, the latter perhaps with %INTERFACE */
    int port;
};

/*
 * The upstream resolvers: those of `forward`, or if that is empty those of resolv_conf, the text of
 * the box's own resolv.conf(5), without own_address (that would be a circle). Returns how many.
 */
size_t generate_resolvers(struct resolver out[GENERATE_MAX_SERVERS],
                          const struct config_list *forward, const char *resolv_conf,
                          uint32_t own_address);

#endif
