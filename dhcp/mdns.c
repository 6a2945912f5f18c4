#include "dhcp/mdns.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/when.h"
#include "dhcp/avahi.h"
#include "dhcp/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT              5353
#define GROUP             0xE00000FBu /* 224.0.0.251 */
#define PROBES            3
#define ANNOUNCEMENTS     2
#define PROBE_PAUSE_MS    250
#define ANNOUNCE_PAUSE_MS 1000
#define LOOK_MS           5000
#define BUDGET            50 /* answers a second: who floods us is not multiplied */
#define AT_ONCE           64 /* packets that are read before others have their turn */
#define NUMBER_MAX        20

/* ---- what we are ---- */

static void add_service(struct mdns_facts *facts, const char *type, int port)
{
    if (port != 0)
        facts->service[facts->service_count++] = (struct mdns_service){type, port};
}

static void find_facts(const struct mdns *mdns, const struct mdns_interface *interface,
                       struct mdns_facts *facts)
{
    *facts = (struct mdns_facts){.host = mdns->host, .instance = mdns->host};
    if (mdns->number == 1 && strlen(mdns->config->box.title) <= 63)
        facts->instance = mdns->config->box.title;
    add_service(facts, "_ssh._tcp", config_ssh_port(mdns->config));
    add_service(facts, "_sftp-ssh._tcp", config_ssh_port(mdns->config));
    add_service(facts, "_http._tcp", config_web_port(mdns->config));
    if (interface != NULL) {
        memcpy(facts->address, interface->address, sizeof(facts->address));
        facts->address_count = interface->address_count;
    }
}

static void set_name(struct mdns *mdns, unsigned number)
{
    mdns->number = number;
    if (number == 1)
        snprintf(mdns->host, sizeof(mdns->host), "%s", mdns->config->box.name);
    else
        snprintf(mdns->host, sizeof(mdns->host), "%.50s-%u", mdns->config->box.name, number);
    mdns->probes = mdns->announcements = 0;
    mdns->next_ms = 0;
}

bool mdns_rename(struct mdns *mdns)
{
    if (mdns->number >= NUMBER_MAX)
        return false;
    set_name(mdns, mdns->number + 1);
    log_info("somebody else is called %s.local here: this box is %s.local by mDNS",
             mdns->config->box.name, mdns->host);
    return true;
}

/* ---- interfaces ---- */

static struct mdns_interface *interface_named(struct mdns_interface *list, size_t *count,
                                              const char *name)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    if (*count == MDNS_MAX_INTERFACES || strlen(name) >= sizeof(list->name))
        return NULL;
    list[*count] = (struct mdns_interface){.index = (int)if_nametoindex(name)};
    strcpy(list[*count].name, name);
    return &list[(*count)++];
}

/* Every interface that is on, speaks multicast and has an IPv4 address, but for loopback. */
static size_t find_interfaces(struct mdns_interface *list)
{
    const unsigned wanted = IFF_UP | IFF_RUNNING | IFF_MULTICAST;
    struct ifaddrs *all;
    size_t count = 0;

    if (getifaddrs(&all) < 0)
        return 0;
    for (struct ifaddrs *entry = all; entry != NULL; entry = entry->ifa_next) {
        const struct sockaddr_in *in = (const void *)entry->ifa_addr;
        struct mdns_interface *one;

        if (in == NULL || in->sin_family != AF_INET || (entry->ifa_flags & wanted) != wanted ||
            (entry->ifa_flags & (IFF_LOOPBACK | IFF_POINTOPOINT)))
            continue;
        one = interface_named(list, &count, entry->ifa_name);
        if (one != NULL && one->address_count < MDNS_ADDRESSES)
            one->address[one->address_count++] = ntohl(in->sin_addr.s_addr);
    }
    freeifaddrs(all);
    return count;
}

static void join(const struct mdns *mdns, const struct mdns_interface *interface)
{
    struct ip_mreqn group = {.imr_multiaddr.s_addr = htonl(GROUP), .imr_ifindex = interface->index};

    if (setsockopt(mdns->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 &&
        errno != EADDRINUSE)
        log_debug("mDNS on %s: %s", interface->name, strerror(errno));
}

static bool same_interface(const struct mdns_interface *one, const struct mdns_interface *other)
{
    return one->index == other->index && strcmp(one->name, other->name) == 0 &&
           one->address_count == other->address_count &&
           memcmp(one->address, other->address, sizeof(one->address)) == 0;
}

/* Whether they are others than before. */
static bool look_at_interfaces(struct mdns *mdns)
{
    struct mdns_interface found[MDNS_MAX_INTERFACES];
    size_t count;
    bool same;

    memset(found, 0, sizeof(found));
    count = find_interfaces(found);
    same = count == mdns->interface_count;
    for (size_t i = 0; same && i < count; i++)
        same = same_interface(&found[i], &mdns->interface[i]);
    if (same)
        return false;
    memcpy(mdns->interface, found, sizeof(found));
    mdns->interface_count = count;
    for (size_t i = 0; mdns->fd != -1 && i < count; i++)
        join(mdns, &mdns->interface[i]);
    set_name(mdns, mdns->number);
    return true;
}

/* ---- sending ---- */

static void send_to(const struct mdns *mdns, const struct mdns_interface *interface,
                    const struct sockaddr_in *to, const struct buf *packet)
{
    struct ip_mreqn out = {.imr_ifindex = interface->index};

    if (packet->len == 0 || packet->overflowed)
        return;
    setsockopt(mdns->fd, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof(out));
    if (sendto(mdns->fd, packet->data, packet->len, MSG_NOSIGNAL, (const struct sockaddr *)to,
               sizeof(*to)) < 0)
        log_debug("mDNS on %s: %s", interface->name, strerror(errno));
}

enum saying { SAY_PROBE, SAY_HERE, SAY_GOODBYE };

static void say_everywhere(const struct mdns *mdns, enum saying saying)
{
    const struct sockaddr_in group = {
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(GROUP)};
    struct buf packet;

    buf_init(&packet, MDNS_MAX);
    for (size_t i = 0; i < mdns->interface_count; i++) {
        struct mdns_facts facts;

        find_facts(mdns, &mdns->interface[i], &facts);
        buf_clear(&packet);
        if (saying == SAY_PROBE)
            mdns_probe(&packet, &facts);
        else
            mdns_announce(&packet, &facts, saying == SAY_HERE ? MDNS_TTL : 0);
        send_to(mdns, &mdns->interface[i], &group, &packet);
    }
    buf_done(&packet);
}

/* ---- receiving ---- */

static const struct mdns_interface *interface_of(const struct mdns *mdns,
                                                 const struct msghdr *message)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL;
         control = CMSG_NXTHDR((struct msghdr *)(uintptr_t)message, control)) {
        struct in_pktinfo info;

        if (control->cmsg_level != IPPROTO_IP || control->cmsg_type != IP_PKTINFO)
            continue;
        memcpy(&info, CMSG_DATA(control), sizeof(info));
        for (size_t i = 0; i < mdns->interface_count; i++)
            if (mdns->interface[i].index == info.ipi_ifindex)
                return &mdns->interface[i];
    }
    return NULL;
}

static bool is_own(const struct mdns *mdns, const struct sockaddr_in *from)
{
    for (size_t i = 0; i < mdns->interface_count; i++)
        for (size_t k = 0; k < mdns->interface[i].address_count; k++)
            if (ntohl(from->sin_addr.s_addr) == mdns->interface[i].address[k])
                return true;
    return false;
}

static void answer(struct mdns *mdns, const struct mdns_interface *interface,
                   const struct sockaddr_in *from, const uint8_t *bytes, size_t length)
{
    struct sockaddr_in to = *from;
    bool legacy = ntohs(from->sin_port) != PORT;
    struct mdns_heard heard;
    struct mdns_facts facts;
    struct buf packet;

    find_facts(mdns, interface, &facts);
    buf_init(&packet, MDNS_MAX);
    if (mdns_answer(bytes, length, &facts, legacy, &heard, &packet) == 0 && packet.len > 0 &&
        mdns->probes == PROBES && mdns->budget++ < BUDGET) {
        if (!legacy && !heard.unicast)
            to.sin_addr.s_addr = htonl(GROUP);
        send_to(mdns, interface, &to, &packet);
    }
    if (heard.conflict && !is_own(mdns, from))
        mdns_rename(mdns);
    buf_done(&packet);
}

static void receive(struct mdns *mdns)
{
    uint8_t bytes[MDNS_MAX];
    struct sockaddr_in from;
    union {
        struct cmsghdr align;
        char bytes[256];
    } control;
    struct iovec part = {bytes, sizeof(bytes)};
    struct msghdr message;
    ssize_t got;

    for (int count = 0; count < AT_ONCE; count++) {
        const struct mdns_interface *interface;

        message = (struct msghdr){.msg_name = &from,
                                  .msg_namelen = sizeof(from),
                                  .msg_iov = &part,
                                  .msg_iovlen = 1,
                                  .msg_control = &control,
                                  .msg_controllen = sizeof(control)};
        got = recvmsg(mdns->fd, &message, MSG_DONTWAIT);
        if (got < 0)
            return;
        interface = interface_of(mdns, &message);
        if (interface != NULL)
            answer(mdns, interface, &from, bytes, (size_t)got);
    }
}

/* ---- life ---- */

static int open_socket(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int yes = 1, no = 0, ttl = 255;

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
        setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &yes, sizeof(yes)) == 0 &&
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &no, sizeof(no)) == 0 &&
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)) == 0 &&
        setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)) == 0 &&
        bind(fd, (struct sockaddr *)&here, sizeof(here)) == 0)
        return fd;
    log_info("no mDNS: port 5353: %s", strerror(errno));
    fs_close(fd);
    return -1;
}

void mdns_open(struct mdns *mdns, const struct config *config)
{
    *mdns = (struct mdns){.fd = -1, .config = config};
    set_name(mdns, 1);
    if (avahi_runs())
        log_info("Avahi runs here: it publishes %s.local", mdns->host);
    else
        mdns->fd = open_socket();
}

void mdns_close(struct mdns *mdns)
{
    if (mdns->fd != -1 && mdns->announcements > 0)
        say_everywhere(mdns, SAY_GOODBYE);
    avahi_stop(mdns);
    fs_close(mdns->fd);
    mdns->fd = -1;
}

const char *mdns_name(const struct mdns *mdns)
{
    return mdns->announcements > 0 || mdns->publisher_count > 0 ? mdns->host : "";
}

size_t mdns_fds(const struct mdns *mdns, struct pollfd fds[MDNS_MAX_FDS])
{
    if (mdns->fd == -1)
        return 0;
    fds[0] = (struct pollfd){.fd = mdns->fd, .events = POLLIN};
    return 1;
}

/* First asks whether the name is free, then says it twice. */
static void speak(struct mdns *mdns, int64_t now_ms)
{
    if (mdns->interface_count == 0) {
        mdns->next_ms = PROBE_NEVER;
    } else if (mdns->probes < PROBES) {
        say_everywhere(mdns, SAY_PROBE);
        mdns->probes++;
        mdns->next_ms = now_ms + PROBE_PAUSE_MS;
    } else if (mdns->announcements < ANNOUNCEMENTS) {
        say_everywhere(mdns, SAY_HERE);
        mdns->announcements++;
        mdns->next_ms = now_ms + ANNOUNCE_PAUSE_MS;
    } else {
        mdns->next_ms = PROBE_NEVER;
    }
}

int64_t mdns_step(struct mdns *mdns)
{
    int64_t now_ms = when_monotonic_ms();
    bool look = now_ms >= mdns->look_ms, changed = false;

    if (look) {
        changed = look_at_interfaces(mdns);
        mdns->look_ms = now_ms + LOOK_MS;
    }
    if (mdns->fd == -1) {
        if (changed)
            avahi_stop(mdns); /* it was given an address that may be gone, or none yet */
        if (look)
            avahi_publish(mdns, now_ms);
        return mdns->look_ms;
    }
    if (now_ms >= mdns->budget_ms) {
        mdns->budget = 0;
        mdns->budget_ms = now_ms + 1000;
    }
    receive(mdns);
    if (now_ms >= mdns->next_ms)
        speak(mdns, now_ms);
    return mdns->next_ms < mdns->look_ms ? mdns->next_ms : mdns->look_ms;
}
