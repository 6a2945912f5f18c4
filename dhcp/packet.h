/*
 * packet: the few packets that riad-dhcp speaks itself, as bytes.
 *
 * Two questions to a network: is there another DHCP server (a DISCOVER, RFC 2131, as an IPv4 packet
 * from 0.0.0.0, since the box may have no address yet), and does somebody have this address (an ARP
 * probe, RFC 5227). The answers come from strangers: every length is checked, and what is
 * not a whole answer to our own question is none. Pure: no sockets.
 */
#ifndef DHCP_PACKET_H
#define DHCP_PACKET_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_MAC      6
#define PACKET_MAC_TEXT 18   /* aa:bb:cc:dd:ee:ff and a NUL */
#define PACKET_MAX      1500 /* bytes of what may be asked or answered */

/* Appends an IPv4 packet to 255.255.255.255 with a DISCOVER of that device; answers are asked for
 * by broadcast. */
void packet_discover(struct buf *out, const uint8_t mac[PACKET_MAC], uint32_t xid);

/* An answer to a DISCOVER. */
struct packet_offer {
    uint32_t server;  /* who offers: option 54, else the packet's source; host byte order */
    uint32_t address; /* what is offered */
    uint32_t router;  /* the first of option 3; 0 none */
};

/* Whether length bytes are an IPv4 packet with an offer to that device for that xid. */
bool packet_is_offer(const uint8_t *bytes, size_t length, const uint8_t mac[PACKET_MAC],
                     uint32_t xid, struct packet_offer *offer);

/* Whether length bytes are an IPv4 packet in which a device takes the offer of a DHCP server;
 * *server is whose. Devices say so to everybody, so that servers hear of each other. */
bool packet_is_taking(const uint8_t *bytes, size_t length, uint32_t *server);

/* Appends an ARP probe: who has address? Asked from no address, so that nobody's table changes. */
void packet_arp_probe(struct buf *out, const uint8_t mac[PACKET_MAC], uint32_t address);

/* Whether length bytes are ARP that shows somebody else than own_mac to have address, or to be
 * probing for it; *mac is who. */
bool packet_arp_claims(const uint8_t *bytes, size_t length, const uint8_t own_mac[PACKET_MAC],
                       uint32_t address, uint8_t mac[PACKET_MAC]);

/* Whether length bytes are ARP in which a device shows the address that it has. */
bool packet_arp_shows(const uint8_t *bytes, size_t length, uint32_t *address,
                      uint8_t mac[PACKET_MAC]);

/* aa:bb:cc:dd:ee:ff; out has PACKET_MAC_TEXT bytes. */
void packet_mac_text(const uint8_t mac[PACKET_MAC], char *out);

/* 10.77.0.1; out has 16 bytes. */
void packet_ip_text(uint32_t address, char *out);

#endif
