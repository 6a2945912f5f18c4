/* A datagram to riad-dhcp's socket: what is taken is fit for the store and for dnsmasq. */
#include "dhcp/script.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct report report;
    struct buf line;

    if (report_parse(data, size, 1, &report) < 0)
        return 0;
    assert(strspn(report.lease.host, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
           strlen(report.lease.host));
    assert(strspn(report.lease.client_id, "0123456789abcdefABCDEF:") ==
           strlen(report.lease.client_id));
    buf_init(&line, 4096);
    assert(snapshot_put(&line, &report.lease, 0) == 0);
    assert(strchr(buf_text(&line), '\n') == buf_text(&line) + line.len - 1);
    buf_done(&line);
    return 0;
}
