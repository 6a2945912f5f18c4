#include "web/address.h"

#include "identity/lease.h"
#include "web/host.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

__attribute__((format(printf, 2, 3))) static void add_name(struct address *address,
                                                           const char *format, ...)
{
    size_t length = strlen(address->names);
    char *way = address->way[address->way_count++];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(way, ADDRESS_MAX, format, arguments);
    va_end(arguments);
    snprintf(address->names + length, sizeof address->names - length, "%s%.145s",
             length > 0 ? ", " : "", way);
}

/* The plain address is the first way; then the names that are answered somewhere: by the box's own
 * DNS, by mDNS. */
static void names_make(const struct config *config, const char *local, const char *port,
                       struct address *address)
{
    strcpy(address->way[address->way_count++], address->origin);
    if (config->lan.interface[0] != '\0' && config->dns.enabled)
        add_name(address, "http://%.64s.%.64s%s", config->box.name, config->box.domain, port);
    if (local[0] != '\0')
        add_name(address, "http://%.64s.local%s", local, port);
}

void address_make(const struct config *config, const char *asked_host, const char *local,
                  const char *name, struct address *address)
{
    memset(address, 0, sizeof *address);
    char port[16];
    host_of(config, asked_host, address->host, 255);
    port_text(config_web_port(config), 80, port, sizeof port);
    snprintf(address->origin, sizeof address->origin, "http://%.255s%s", address->host, port);
    names_make(config, local, port, address);
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
    char *local = store_fact(call->store, LAN_FACT_LOCAL, NULL);
    address_make(call->config, host, local != NULL ? local : "",
                 call->visitor.known ? call->visitor.person.name : "NAME", address);
    free(local);
}
