#include "web/host.h"

#include "base/text.h"
#include "base/when.h"
#include "config/portal.h"
#include "web/share.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define FRESH_MS 5000

struct own {
    struct in_addr address, mask;
};

static struct {
    pthread_mutex_t lock;
    int fd; /* any socket of the address family, to ask by */
    int64_t at_ms;
    struct own own[HOST_ADDRESSES];
    size_t count;
} box = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static struct in_addr address_of(const struct ifreq *row)
{
    struct sockaddr_in in = {0};
    memcpy(&in, &row->ifr_addr, sizeof in);
    return in.sin_addr;
}

/* By ioctl on a socket that is open anyway: getifaddrs(3) opens one, which the sandbox forbids. */
static void look(void)
{
    struct ifreq rows[HOST_ADDRESSES] = {0};
    struct ifconf list = {.ifc_len = sizeof rows, .ifc_req = rows};
    box.at_ms = when_monotonic_ms();
    if (box.fd < 0 || ioctl(box.fd, SIOCGIFCONF, &list) < 0)
        return;
    box.count = 0;
    for (size_t i = 0; i < (size_t)list.ifc_len / sizeof *rows; i++) {
        struct ifreq mask = rows[i];
        if (rows[i].ifr_addr.sa_family != AF_INET)
            continue;
        box.own[box.count] = (struct own){.address = address_of(&rows[i])};
        if (ioctl(box.fd, SIOCGIFNETMASK, &mask) == 0)
            box.own[box.count].mask = address_of(&mask);
        box.count++;
    }
}

static size_t addresses(struct own *out)
{
    pthread_mutex_lock(&box.lock);
    if (box.at_ms == 0 || when_monotonic_ms() - box.at_ms > FRESH_MS)
        look();
    memcpy(out, box.own, sizeof box.own);
    size_t count = box.count;
    pthread_mutex_unlock(&box.lock);
    return count;
}

void host_watch(int fd)
{
    pthread_mutex_lock(&box.lock);
    box.fd = fd;
    box.at_ms = 0;
    pthread_mutex_unlock(&box.lock);
}

int host_name(const char *header, char out[HOST_MAX])
{
    size_t length = strcspn(header, ":");
    if (length >= HOST_MAX || strchr(header, '[') != NULL ||
        strspn(header + length, ":0123456789") != strlen(header + length))
        return -1;
    memcpy(out, header, length);
    out[length] = '\0';
    if (length > 0 && out[length - 1] == '.')
        out[--length] = '\0';
    for (const char *at = out; *at != '\0'; at++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._", *at) ==
            NULL)
            return -1;
    text_lower(out);
    return 0;
}

static bool is_name(const struct config *config, const char *name)
{
    static const char *const below[] = {"chat", "files", "opam", "mirror"};
    char own[2 * HOST_MAX];
    if (strcmp(name, config->box.name) == 0 || strcmp(name, "localhost") == 0)
        return true;
    snprintf(own, sizeof own, "%s.local", config->box.name);
    if (strcmp(name, own) == 0)
        return true;
    snprintf(own, sizeof own, "%s.%s", config->box.name, config->box.domain);
    if (strcmp(name, own) == 0)
        return true;
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        snprintf(own, sizeof own, "%s.%s", below[i], config->box.domain);
        if (strcmp(name, own) == 0)
            return true;
    }
    for (size_t i = 0; i < config->web.hosts.count; i++) {
        char other[HOST_MAX];
        if (host_name(config->web.hosts.item[i], other) == 0 && strcmp(name, other) == 0)
            return true;
    }
    return false;
}

bool host_is_probe(const char *header)
{
    char name[HOST_MAX];
    if (host_name(header, name) < 0)
        return false;
    for (const char *const *at = portal_names; *at != NULL; at++)
        if (strcmp(name, *at) == 0)
            return true;
    return false;
}

bool host_is_ours(const struct config *config, const char *header)
{
    char name[HOST_MAX];
    struct in_addr asked;
    struct own own[HOST_ADDRESSES];
    if (*header == '\0')
        return true;
    if (host_name(header, name) < 0)
        return false;
    if (inet_pton(AF_INET, name, &asked) != 1)
        return is_name(config, name);
    if (ntohl(asked.s_addr) >> 24 == 127 || ntohl(asked.s_addr) == config->lan.address)
        return true;
    for (size_t i = 0, count = addresses(own); i < count; i++)
        if (own[i].address.s_addr == asked.s_addr)
            return true;
    return is_name(config, name);
}

void host_for(const struct config *config, const char *client, char out[HOST_MAX])
{
    struct own own[HOST_ADDRESSES];
    struct in_addr from = share_address(client), best = {.s_addr = htonl(INADDR_LOOPBACK)};
    size_t count = addresses(own);
    bool near = false;
    for (size_t i = count; i-- > 0 && !near;) {
        near = own[i].mask.s_addr != 0 &&
               ((own[i].address.s_addr ^ from.s_addr) & own[i].mask.s_addr) == 0;
        if (near || ntohl(own[i].address.s_addr) >> 24 != 127)
            best = own[i].address;
    }
    if (!near && *config->lan.interface != '\0')
        best.s_addr = htonl(config->lan.address);
    inet_ntop(AF_INET, &best, out, HOST_MAX);
}
