/*
 * link: the network interface of [lan]: is it there, is there a cable, has it our address.
 *
 * Over rtnetlink(7). A link is asked anew whenever its socket is readable (something about
 * interfaces or addresses changed); nothing is remembered but what riad itself did.
 */
#ifndef DHCP_LINK_H
#define DHCP_LINK_H

#include "dhcp/packet.h"

#include <stdbool.h>
#include <stdint.h>

struct link {
    int fd;    /* rtnetlink; becomes readable when something changed */
    int index; /* of the interface; 0: there is none of that name */
    bool up;   /* an administrator (or riad) switched it on */
    bool cable;
    bool loopback;
    bool has_address; /* ours is on it */
    uint8_t mac[PACKET_MAC];
    char name[16];
    uint32_t address; /* ours, host byte order */
    int prefix;
};

/* Opens the socket and looks. 0, or -1, logged. */
int link_open(struct link *link, const char *name, uint32_t address, int prefix);
void link_close(struct link *link);

/* Empties the socket and looks again. 0, or -1, logged. */
int link_look(struct link *link);

/* Switches the interface on; adds or removes our address. 0, or -1 with errno, not logged. */
int link_switch_on(struct link *link);
int link_add_address(struct link *link);
int link_remove_address(struct link *link);

#endif
