#include "dhcp/ports.h"
#include "base/fs.h"
#include "dhcp/generate.h"
#include "dhcp/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Binds as dnsmasq would, also where the address is not there yet. True: somebody has it. */
static bool is_taken(int type, uint32_t address, uint16_t port, const char *interface)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), yes = 1;
    bool taken;

    if (fd < 0)
        return false;
    /* UDP's SO_REUSEADDR would let two of them have it. */
    if (type == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &yes, sizeof(yes));
    if (interface != NULL)
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface));
    taken = bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 && errno == EADDRINUSE;
    fs_close(fd);
    return taken;
}

static bool resolved_runs(void)
{
    struct stat st;

    return stat("/run/systemd/resolve/stub-resolv.conf", &st) == 0;
}

bool ports_taken(uint32_t address, const char *interface, unsigned duty, char *out, size_t size)
{
    char ip[16];

    packet_ip_text(address, ip);
    if ((duty & DUTY_DNS) &&
        (is_taken(SOCK_DGRAM, address, 53, NULL) || is_taken(SOCK_STREAM, address, 53, NULL))) {
        snprintf(out, size,
                 "port 53 of %s is taken by another program (`ss -lnp sport = :53` says which): "
                 "end it, %sor set [dns] enabled = no",
                 ip,
                 resolved_runs() ? "if it is systemd-resolved with DNSStubListener=no and without "
                                   "DNSStubListenerExtra in /etc/systemd/resolved.conf and a "
                                   "restart of it, "
                                 : "");
        return true;
    }
    if ((duty & DUTY_DHCP) && is_taken(SOCK_DGRAM, INADDR_ANY, 67, interface)) {
        snprintf(out, size,
                 "port 67 is taken by another DHCP server on this machine (`ss -lunp sport = :67` "
                 "says which): end it, or set [dhcp] mode = off");
        return true;
    }
    return false;
}
