#include "web/address.h"

#include "web/host.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* `:PORT` unless it is the usual one. */
static void port_text(int port, int usual, char *out, size_t size)
{
    out[0] = '\0';
    if (port != usual && port != 0)
        snprintf(out, size, ":%d", port);
}

/* The host without its port; that of the box's network comes first. */
static void host_of(const struct config *config, const char *asked_host, char *out, size_t size)
{
    if (config->lan.interface[0] != '\0' && config->lan.address != 0) {
        struct in_addr address = {.s_addr = htonl(config->lan.address)};
        inet_ntop(AF_INET, &address, out, (socklen_t)size);
        return;
    }
    const char *host = asked_host[0] != '\0' ? asked_host : "localhost";
    const char *bracket = host[0] == '[' ? strchr(host, ']') : NULL;
    size_t length = bracket != NULL ? (size_t)(bracket + 1 - host) : strcspn(host, ":");
    snprintf(out, size, "%.*s", (int)length, host);
}

/* The plain address is the first way; with a network of its own the box has names, too. */
static void names_make(const struct config *config, const char *port, struct address *address)
{
    const char *name = config->box.name;
    strcpy(address->way[address->way_count++], address->origin);
    if (config->lan.interface[0] == '\0')
        return;
    snprintf(address->way[address->way_count++], ADDRESS_MAX, "http://%.64s.%.64s%s", name,
             config->box.domain, port);
    snprintf(address->way[address->way_count++], ADDRESS_MAX, "http://%.64s.local%s", name, port);
    snprintf(address->names, sizeof address->names, "%.140s, %.140s", address->way[1],
             address->way[2]);
}

void address_make(const struct config *config, const char *asked_host, const char *name,
                  struct address *address)
{
    memset(address, 0, sizeof *address);
    char port[16];
    host_of(config, asked_host, address->host, 255);
    port_text(config_web_port(config), 80, port, sizeof port);
    snprintf(address->origin, sizeof address->origin, "http://%.255s%s", address->host, port);
    names_make(config, port, address);
    int ssh = config_ssh_port(config);
    if (ssh == 0)
        return;
    char option[16] = "";
    if (ssh != 22)
        snprintf(option, sizeof option, "-p %d ", ssh);
    snprintf(address->ssh, sizeof address->ssh, "ssh %s%s@%.200s", option, name, address->host);
    if (ssh != 22)
        option[1] = 'P';
    snprintf(address->scp, sizeof address->scp, "scp %sslides.pdf %s@%.200s:", option, name,
             address->host);
}

/* Whether host, with its port, is numbers. */
static bool is_plain(const char *host)
{
    return host[0] != '\0' && host[strspn(host, "0123456789.:")] == '\0';
}

void address_of(const struct call *call, struct address *address)
{
    char reached[HOST_MAX];
    const char *host = call->http->host;
    if (!is_plain(host)) {
        host_for(call->config, call->http->address, reached);
        host = reached;
    }
    address_make(call->config, host, call->visitor.known ? call->visitor.person.name : "NAME",
                 address);
}
