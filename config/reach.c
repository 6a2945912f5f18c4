#include "config/reach.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct reach *reach, const union listen_address *address)
{
    char host[LISTEN_TEXT_MAX], text[LISTEN_TEXT_MAX + 2];

    listen_host_text(address, host);
    if (address->any.sa_family == AF_INET6)
        snprintf(text, sizeof text, "[%s]", host);
    else
        snprintf(text, sizeof text, "%s", host);
    for (size_t i = 0; i < reach->count; i++)
        if (strcmp(reach->host[i], text) == 0)
            return;
    if (reach->count < REACH_MAX && strlen(text) < LISTEN_TEXT_MAX)
        memcpy(reach->host[reach->count++], text, strlen(text) + 1);
}

static bool is_any(const union listen_address *address)
{
    if (address->any.sa_family == AF_INET)
        return address->in.sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
}

static bool is_useful(const struct ifaddrs *entry, int family)
{
    if (!entry->ifa_addr || entry->ifa_addr->sa_family != family || !(entry->ifa_flags & IFF_UP) ||
        entry->ifa_flags & IFF_LOOPBACK)
        return false;
    if (family == AF_INET)
        return true;
    union listen_address address;
    memcpy(&address.in6, entry->ifa_addr, sizeof address.in6);
    return !IN6_IS_ADDR_LINKLOCAL(&address.in6.sin6_addr);
}

/* Every address of the machine of that family, the LAN's own first. */
static void add_machine(struct reach *reach, const struct config *config, int family)
{
    union listen_address address = {.in = {.sin_family = AF_INET}};
    struct ifaddrs *entries = NULL;

    if (family == AF_INET && *config->lan.interface) {
        address.in.sin_addr.s_addr = htonl(config->lan.address);
        add(reach, &address);
    }
    if (getifaddrs(&entries) < 0)
        return;
    for (const struct ifaddrs *entry = entries; entry; entry = entry->ifa_next) {
        if (!is_useful(entry, family))
            continue;
        memcpy(&address, entry->ifa_addr,
               family == AF_INET ? sizeof address.in : sizeof address.in6);
        add(reach, &address);
    }
    freeifaddrs(entries);
}

static void add_loopback(struct reach *reach)
{
    union listen_address address = {.in = {.sin_family = AF_INET}};

    address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    add(reach, &address);
}

void reach_find(struct reach *reach, const struct config *config, const struct config_list *listens,
                int port)
{
    union listen_address address;
    bool any = false;

    *reach = (struct reach){0};
    for (size_t i = 0; i < listens->count; i++) {
        if (listen_parse(listens->item[i], &address) < 0 || listen_port(&address) != port)
            continue;
        if (is_any(&address))
            add_machine(reach, config, address.any.sa_family);
        else
            add(reach, &address);
        any = any || is_any(&address);
    }
    if (any && reach->count == 0)
        add_loopback(reach);
}

char *reach_url(const char *host, int port)
{
    return port == 80 ? mem_printf("http://%s/", host) : mem_printf("http://%s:%d/", host, port);
}

char *reach_ssh(const char *name, const char *host, int port)
{
    size_t length = strlen(host);
    bool bracketed = host[0] == '[' && length > 2;
    char *bare = bracketed ? mem_dup_bytes(host + 1, length - 2) : mem_dup(host);
    char *line = port == 22 ? mem_printf("ssh %s@%s", name, bare)
                            : mem_printf("ssh -p %d %s@%s", port, name, bare);

    free(bare);
    return line;
}
