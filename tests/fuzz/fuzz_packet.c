/* A packet from the LAN: the first byte chooses who reads it. */
#include "dhcp/packet.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t mac[PACKET_MAC] = {2, 0, 0, 0, 0, 1};
    struct packet_offer offer;
    uint8_t who[PACKET_MAC];
    uint32_t address;

    if (size == 0)
        return 0;
    if (data[0] & 1) {
        packet_is_offer(data + 1, size - 1, mac, 0x01020304, &offer);
        packet_is_taking(data + 1, size - 1, &address);
    } else {
        packet_arp_claims(data + 1, size - 1, mac, 0x0A4D0001, who);
        packet_arp_shows(data + 1, size - 1, &address, who);
    }
    return 0;
}
