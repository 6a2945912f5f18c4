#include "dhcp/link.h"
#include "base/fs.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int link_open(struct link *link, const char *name, uint32_t address, int prefix)
{
    struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
                                 .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR};

    *link = (struct link){.fd = -1, .address = address, .prefix = prefix};
    snprintf(link->name, sizeof(link->name), "%s", name);
    link->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (link->fd < 0 || bind(link->fd, (struct sockaddr *)&groups, sizeof(groups)) < 0) {
        log_errno("cannot watch the network interfaces");
        link_close(link);
        return -1;
    }
    return link_look(link);
}

void link_close(struct link *link)
{
    fs_close(link->fd);
    link->fd = -1;
}

/* Asks the kernel one thing about the interface. */
static bool ask(int fd, const char *name, unsigned long what, struct ifreq *request)
{
    memset(request, 0, sizeof(*request));
    memcpy(request->ifr_name, name, strlen(name));
    return ioctl(fd, what, request) == 0;
}

static void look_at_interface(struct link *link, int fd)
{
    struct ifreq request;
    bool there = ask(fd, link->name, SIOCGIFINDEX, &request);
    unsigned flags = 0;

    link->index = there ? request.ifr_ifindex : 0;
    if (there && ask(fd, link->name, SIOCGIFFLAGS, &request))
        flags = (unsigned short)request.ifr_flags;
    link->up = flags & IFF_UP;
    link->cable = flags & IFF_RUNNING;
    link->loopback = flags & IFF_LOOPBACK;
    if (there && ask(fd, link->name, SIOCGIFHWADDR, &request))
        memcpy(link->mac, request.ifr_hwaddr.sa_data, PACKET_MAC);
}

static bool is_ours(const struct link *link, const struct ifaddrs *entry)
{
    const struct sockaddr_in *in = (const void *)entry->ifa_addr;

    return in != NULL && in->sin_family == AF_INET && strcmp(entry->ifa_name, link->name) == 0 &&
           ntohl(in->sin_addr.s_addr) == link->address;
}

static int look_at_addresses(struct link *link)
{
    struct ifaddrs *all;

    link->has_address = false;
    if (getifaddrs(&all) < 0)
        return -1;
    for (struct ifaddrs *entry = all; entry != NULL; entry = entry->ifa_next)
        link->has_address |= is_ours(link, entry);
    freeifaddrs(all);
    return 0;
}

int link_look(struct link *link)
{
    char message[8192];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = -1;

    while (recv(link->fd, message, sizeof(message), 0) > 0 || errno == ENOBUFS)
        continue;
    if (fd >= 0) {
        look_at_interface(link, fd);
        result = look_at_addresses(link);
    }
    if (result < 0)
        log_errno("cannot look at the network interface %s", link->name);
    fs_close(fd);
    return result;
}

int link_switch_on(struct link *link)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request;
    int result = -1;

    if (fd >= 0 && ask(fd, link->name, SIOCGIFFLAGS, &request)) {
        request.ifr_flags |= IFF_UP;
        result = ioctl(fd, SIOCSIFFLAGS, &request);
    }
    fs_close(fd);
    return result;
}

/* ---- changing the address ---- */

struct address_request {
    struct nlmsghdr head;
    struct ifaddrmsg body;
    uint8_t attributes[64];
};

static void put_attribute(struct address_request *request, unsigned short type, uint32_t address)
{
    struct rtattr *attribute = (void *)((uint8_t *)request + NLMSG_ALIGN(request->head.nlmsg_len));
    uint32_t value = htonl(address);

    attribute->rta_type = type;
    attribute->rta_len = RTA_LENGTH(sizeof(value));
    memcpy(RTA_DATA(attribute), &value, sizeof(value));
    request->head.nlmsg_len = NLMSG_ALIGN(request->head.nlmsg_len) + attribute->rta_len;
}

/* Sends a request and takes the kernel's answer. 0, or -1 with errno. */
static int carry_out(struct address_request *request)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct {
        struct nlmsghdr head;
        struct nlmsgerr body;
        uint8_t rest[1024];
    } answer;
    ssize_t got = -1;

    if (fd >= 0 && send(fd, request, request->head.nlmsg_len, 0) > 0)
        got = recv(fd, &answer, sizeof(answer), 0);
    fs_close(fd);
    if (got < 0)
        return -1;
    if ((size_t)got < NLMSG_LENGTH(sizeof(int)) || answer.head.nlmsg_type != NLMSG_ERROR) {
        errno = EPROTO;
        return -1;
    }
    errno = -answer.body.error;
    return answer.body.error == 0 ? 0 : -1;
}

static int change_address(struct link *link, unsigned short type, unsigned short flags)
{
    struct address_request request = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg)),
                 .nlmsg_type = type,
                 .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags)},
        .body = {.ifa_family = AF_INET,
                 .ifa_prefixlen = (uint8_t)link->prefix,
                 .ifa_index = (unsigned)link->index                                }
    };

    put_attribute(&request, IFA_LOCAL, link->address);
    put_attribute(&request, IFA_ADDRESS, link->address);
    if (type == RTM_NEWADDR)
        put_attribute(&request, IFA_BROADCAST, link->address | UINT32_MAX >> link->prefix);
    return carry_out(&request);
}

int link_add_address(struct link *link)
{
    int result = change_address(link, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);

    link->has_address |= result == 0;
    return result;
}

int link_remove_address(struct link *link)
{
    return change_address(link, RTM_DELADDR, 0);
}
