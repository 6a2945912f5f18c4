#include "dhcp/packet.h"

#include <stdio.h>
#include <string.h>

/* Lengths and places in the headers: RFC 791, RFC 768, RFC 2131 section 2. */
enum {
    IP_HEAD = 20,
    UDP_HEAD = 8,
    BOOTP_HEAD = 236,
    BOOTP_XID = 4,
    BOOTP_FLAGS = 10,
    BOOTP_YOUR = 16,
    BOOTP_MAC = 28,
    COOKIE = 4,
    PORT_SERVER = 67,
    PORT_CLIENT = 68,
    PROTOCOL_UDP = 17,
    ARP_LENGTH = 28,
};

enum { OPTION_PAD = 0, OPTION_ROUTER = 3, OPTION_TYPE = 53, OPTION_SERVER = 54, OPTION_END = 255 };
enum { TYPE_DISCOVER = 1, TYPE_OFFER = 2, TYPE_REQUEST = 3 };

static const uint8_t cookie[COOKIE] = {99, 130, 83, 99};

static void set16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void set32(uint8_t *at, uint32_t value)
{
    set16(at, value >> 16);
    set16(at + 2, value & 0xFFFF);
}

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/* RFC 1071, over an even number of bytes. */
static unsigned checksum(const uint8_t *bytes, size_t length)
{
    uint32_t sum = 0;

    for (size_t i = 0; i + 1 < length; i += 2)
        sum += get16(bytes + i);
    while (sum > 0xFFFF)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return ~sum & 0xFFFF;
}

void packet_discover(struct buf *out, const uint8_t mac[PACKET_MAC], uint32_t xid)
{
    /* Who we are not: asks for mask, router, name server, as every client does. */
    static const uint8_t options[] = {OPTION_TYPE, 1, TYPE_DISCOVER, 55, 3, 1, 3, 6, OPTION_END};
    /* Some servers want the 300 bytes of old BOOTP. */
    uint8_t packet[IP_HEAD + UDP_HEAD + 300] = {0};
    uint8_t *udp = packet + IP_HEAD, *bootp = udp + UDP_HEAD;

    packet[0] = 0x45;
    set16(packet + 2, sizeof(packet));
    packet[8] = 64;
    packet[9] = PROTOCOL_UDP;
    set32(packet + 16, 0xFFFFFFFF);
    set16(packet + 10, checksum(packet, IP_HEAD));
    set16(udp, PORT_CLIENT);
    set16(udp + 2, PORT_SERVER);
    set16(udp + 4, sizeof(packet) - IP_HEAD); /* UDP's own checksum may be left out: 0 */
    bootp[0] = 1;                             /* a request */
    bootp[1] = 1;                             /* over Ethernet */
    bootp[2] = PACKET_MAC;
    set32(bootp + BOOTP_XID, xid);
    set16(bootp + BOOTP_FLAGS, 0x8000);
    memcpy(bootp + BOOTP_MAC, mac, PACKET_MAC);
    memcpy(bootp + BOOTP_HEAD, cookie, COOKIE);
    memcpy(bootp + BOOTP_HEAD + COOKIE, options, sizeof(options));
    buf_put(out, packet, sizeof(packet));
}

/* The payload of an IPv4 packet with UDP to that port; NULL if it is none. */
static const uint8_t *udp_payload(const uint8_t *bytes, size_t length, unsigned port, size_t *size)
{
    size_t head, whole, udp;

    if (length < IP_HEAD || bytes[0] >> 4 != 4)
        return NULL;
    head = (bytes[0] & 15u) * 4;
    whole = get16(bytes + 2);
    if (head < IP_HEAD || whole > length || whole < head + UDP_HEAD || bytes[9] != PROTOCOL_UDP ||
        (get16(bytes + 6) & 0x3FFF) != 0) /* fragments */
        return NULL;
    udp = get16(bytes + head + 4);
    if (get16(bytes + head + 2) != port || udp < UDP_HEAD || udp > whole - head)
        return NULL;
    *size = udp - UDP_HEAD;
    return bytes + head + UDP_HEAD;
}

/* An option of at least least bytes; NULL if it is not there. */
static const uint8_t *find_option(const uint8_t *options, size_t length, uint8_t wanted,
                                  size_t least)
{
    size_t at = 0;

    while (at < length && options[at] != OPTION_END) {
        size_t size;

        if (options[at] == OPTION_PAD) {
            at++;
            continue;
        }
        if (at + 1 >= length || at + 2 + (size = options[at + 1]) > length)
            return NULL;
        if (options[at] == wanted && size >= least)
            return options + at + 2;
        at += 2 + size;
    }
    return NULL;
}

/* The options of a DHCP packet of that type and operation (1 asks, 2 answers), *bootp before them;
 * NULL if it is none. */
static const uint8_t *dhcp_options(const uint8_t *bytes, size_t length, unsigned port,
                                   uint8_t operation, uint8_t type, const uint8_t **bootp,
                                   size_t *size)
{
    const uint8_t *options, *is;

    *bootp = udp_payload(bytes, length, port, size);
    if (*bootp == NULL || *size < BOOTP_HEAD + COOKIE || **bootp != operation ||
        memcmp(*bootp + BOOTP_HEAD, cookie, COOKIE) != 0)
        return NULL;
    options = *bootp + BOOTP_HEAD + COOKIE;
    *size -= BOOTP_HEAD + COOKIE;
    is = find_option(options, *size, OPTION_TYPE, 1);
    return is != NULL && *is == type ? options : NULL;
}

bool packet_is_offer(const uint8_t *bytes, size_t length, const uint8_t mac[PACKET_MAC],
                     uint32_t xid, struct packet_offer *offer)
{
    const uint8_t *bootp, *server, *router, *options;
    size_t size;

    options = dhcp_options(bytes, length, PORT_CLIENT, 2, TYPE_OFFER, &bootp, &size);
    if (options == NULL || get32(bootp + BOOTP_XID) != xid ||
        memcmp(bootp + BOOTP_MAC, mac, PACKET_MAC) != 0)
        return false;
    server = find_option(options, size, OPTION_SERVER, 4);
    router = find_option(options, size, OPTION_ROUTER, 4);
    *offer = (struct packet_offer){.server = get32(server != NULL ? server : bytes + 12),
                                   .address = get32(bootp + BOOTP_YOUR),
                                   .router = router != NULL ? get32(router) : 0};
    return true;
}

bool packet_is_taking(const uint8_t *bytes, size_t length, uint32_t *server)
{
    const uint8_t *bootp, *whose = NULL, *options;
    size_t size;

    options = dhcp_options(bytes, length, PORT_SERVER, 1, TYPE_REQUEST, &bootp, &size);
    if (options != NULL)
        whose = find_option(options, size, OPTION_SERVER, 4);
    if (whose != NULL)
        *server = get32(whose);
    return whose != NULL;
}

void packet_arp_probe(struct buf *out, const uint8_t mac[PACKET_MAC], uint32_t address)
{
    uint8_t packet[ARP_LENGTH] = {0, 1, 8, 0, PACKET_MAC, 4, 0, 1};

    memcpy(packet + 8, mac, PACKET_MAC);
    set32(packet + 24, address);
    buf_put(out, packet, sizeof(packet));
}

/* Ethernet's ARP for IPv4. */
static bool is_arp(const uint8_t *bytes, size_t length)
{
    static const uint8_t head[] = {0, 1, 8, 0, PACKET_MAC, 4};

    return length >= ARP_LENGTH && memcmp(bytes, head, sizeof(head)) == 0;
}

bool packet_arp_claims(const uint8_t *bytes, size_t length, const uint8_t own_mac[PACKET_MAC],
                       uint32_t address, uint8_t mac[PACKET_MAC])
{
    uint32_t sender, target;

    if (!is_arp(bytes, length) || memcmp(bytes + 8, own_mac, PACKET_MAC) == 0)
        return false;
    sender = get32(bytes + 14);
    target = get32(bytes + 24);
    if (sender != address && !(sender == 0 && target == address))
        return false;
    memcpy(mac, bytes + 8, PACKET_MAC);
    return true;
}

bool packet_arp_shows(const uint8_t *bytes, size_t length, uint32_t *address,
                      uint8_t mac[PACKET_MAC])
{
    if (!is_arp(bytes, length) || get32(bytes + 14) == 0)
        return false;
    *address = get32(bytes + 14);
    memcpy(mac, bytes + 8, PACKET_MAC);
    return true;
}

void packet_mac_text(const uint8_t mac[PACKET_MAC], char *out)
{
    snprintf(out, PACKET_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
}

void packet_ip_text(uint32_t address, char *out)
{
    snprintf(out, 16, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
             address & 255);
}
