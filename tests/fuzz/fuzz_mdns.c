/* A multicast DNS packet: the answer, if there is one, is within bounds and no question itself. */
#include "dhcp/mdns_packet.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mdns_facts facts = {
        .host = "riad",
        .instance = "Tea. House",
        .service = {{"_ssh._tcp", 22}, {"_sftp-ssh._tcp", 22}, {"_http._tcp", 80}},
        .service_count = 3,
        .address = {0x0A4D0001,                 0xC0A80102                             },
        .address_count = 2
    };
    struct mdns_heard heard;
    struct buf out;

    if (size == 0)
        return 0;
    buf_init(&out, MDNS_MAX);
    if (mdns_answer(data + 1, size - 1, &facts, data[0] & 1, &heard, &out) == 0 && out.len > 0)
        assert(out.len >= 12 && out.len <= MDNS_MAX && (out.data[2] & 0x80) && !heard.response);
    buf_done(&out);
    return 0;
}
