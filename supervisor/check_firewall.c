#include "supervisor/check_firewall.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "supervisor/ruleset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULESET_MAX (1024 * 1024)

/* Nothing listens there, and whoever tries is refused at once, unless a firewall swallows it. */
#define HTTPS 443

static void add(struct firewall_port *ports, size_t *count, const char *protocol, int port)
{
    for (size_t i = 0; i < *count; i++)
        if (ports[i].port == port && strcmp(ports[i].protocol, protocol) == 0)
            return;
    if (*count < FIREWALL_MAX_PORTS)
        ports[(*count)++] = (struct firewall_port){protocol, port};
}

static void add_listens(struct firewall_port *ports, size_t *count, const struct config_list *list)
{
    union listen_address address;

    for (size_t i = 0; i < list->count; i++)
        if (listen_parse(list->item[i], &address) == 0)
            add(ports, count, "tcp", listen_port(&address));
}

size_t firewall_ports(const struct config *config, struct firewall_port ports[FIREWALL_MAX_PORTS])
{
    bool lan = *config->lan.interface != '\0';
    size_t count = 0;

    if (config->chat.enabled)
        add_listens(ports, &count, &config->chat.listen);
    if (config->web.enabled) {
        add_listens(ports, &count, &config->web.listen);
        add(ports, &count, "tcp", HTTPS);
    }
    if (lan && config->dns.enabled) {
        add(ports, &count, "udp", 53);
        add(ports, &count, "tcp", 53);
    }
    if (lan && config->dhcp.mode != DHCP_OFF)
        add(ports, &count, "udp", 67);
    add(ports, &count, "udp", 5353);
    return count;
}

/* ---- what the rules keep out ---- */

static const char *destination(const struct firewall_port *port)
{
    return port->port == 67 ? "broadcast" : port->port == 5353 ? "multicast" : "local";
}

/* Keeps those ports that do not come in; returns how many. chain gets the first that says so. */
static size_t find_shut(const struct ruleset *set, const char *interface,
                        const struct firewall_port *ports, size_t count,
                        struct firewall_port shut[FIREWALL_MAX_PORTS], char *chain, size_t size)
{
    size_t found = 0;

    for (size_t i = 0; i < count && found < FIREWALL_MAX_PORTS; i++) {
        struct ruleset_packet packet = {interface, ports[i].protocol, destination(&ports[i]),
                                        ports[i].port};
        char name[160];
        enum ruleset_verdict verdict = ruleset_judge(set, &packet, name, sizeof(name));

        if (verdict == RULESET_DROP || (verdict == RULESET_REJECT && ports[i].port != HTTPS)) {
            if (found == 0)
                snprintf(chain, size, "%s", name);
            shut[found++] = ports[i];
        }
    }
    return found;
}

/* The ports of one protocol, with that between them. */
static void put_ports(struct buf *out, const struct firewall_port *ports, size_t count,
                      const char *protocol, const char *between)
{
    const char *before = "";

    for (size_t i = 0; i < count; i++) {
        if (strcmp(ports[i].protocol, protocol) != 0)
            continue;
        buf_printf(out, "%s%d", before, ports[i].port);
        before = between;
    }
}

/* The command that lets the ports of one protocol in, in the words of whoever made the rules:
 * what others put between theirs is lost, or locks their program out. */
static void put_command(struct buf *out, enum ruleset_maker maker, const char *protocol,
                        const struct firewall_port *ports, size_t count, const char *chain)
{
    bool udp = strcmp(protocol, "udp") == 0;

    switch (maker) {
    case RULESET_NFT:
        buf_printf(out, "nft insert rule %s %s dport '{ ", chain, protocol);
        put_ports(out, ports, count, protocol, ", ");
        buf_puts(out, " }' accept");
        break;
    case RULESET_IPTABLES:
        buf_printf(out, "iptables -I INPUT -p %s -m multiport --dports ", protocol);
        put_ports(out, ports, count, protocol, ",");
        buf_puts(out, " -j ACCEPT");
        break;
    case RULESET_UFW:
        buf_puts(out, "ufw allow ");
        put_ports(out, ports, count, protocol, ",");
        buf_printf(out, "/%s", protocol);
        break;
    case RULESET_FIREWALLD:
        buf_puts(out, "firewall-cmd --add-port=");
        put_ports(out, ports, count, protocol, udp ? "/udp --add-port=" : "/tcp --add-port=");
        buf_printf(out, "/%s", protocol);
        break;
    }
}

/* What must be done for it to hold after the next start, too. */
static const char *const lasting[] = {
    [RULESET_NFT] = " (and the same in /etc/nftables.conf, to last)",
    [RULESET_IPTABLES] = " (and save the rules, to last)",
    [RULESET_UFW] = "",
    [RULESET_FIREWALLD] = "; firewall-cmd --runtime-to-permanent",
};

static bool has_protocol(const struct firewall_port *ports, size_t count, const char *protocol)
{
    while (count > 0 && strcmp(ports[count - 1].protocol, protocol) != 0)
        count--;
    return count > 0;
}

/* Why a port is wanted where nothing listens. */
static const char *reason(const struct firewall_port *shut, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (shut[i].port == HTTPS)
            return " (443, too: nothing listens there, but browsers that try https first go on "
                   "only when they are refused)";
    return "";
}

static char *sentence(enum ruleset_maker maker, const char *chain, const struct firewall_port *shut,
                      size_t count)
{
    static const char *const protocols[] = {"tcp", "udp"};
    struct buf what, commands;
    char *text;

    buf_init(&what, 1000);
    buf_init(&commands, 4000);
    for (size_t i = 0; i < 2; i++) {
        if (!has_protocol(shut, count, protocols[i]))
            continue;
        buf_printf(&what, "%s%s ", what.len > 0 ? " and " : "", protocols[i]);
        put_ports(&what, shut, count, protocols[i], ", ");
        buf_puts(&commands, commands.len > 0 ? "; " : "");
        put_command(&commands, maker, protocols[i], shut, count, chain);
    }
    text = mem_printf("the firewall (chain %s) keeps out what comes for %s: guests see nothing "
                      "there; let it in%s: %s%s",
                      chain, buf_text(&what), reason(shut, count), buf_text(&commands),
                      lasting[maker]);
    buf_done(&what);
    buf_done(&commands);
    return text;
}

char *firewall_find(const char *ruleset, const char *interface, const struct firewall_port *ports,
                    size_t count)
{
    struct ruleset *set = ruleset_parse(ruleset);
    struct firewall_port shut[FIREWALL_MAX_PORTS];
    char chain[160], *text = NULL;
    size_t found = find_shut(set, interface, ports, count, shut, chain, sizeof(chain));

    if (found > 0)
        text = sentence(ruleset_made_by(set), chain, shut, found);
    ruleset_free(set);
    return text;
}

/* Rules of the kernel's older packet filter, which nft does not show. */
static char *find_legacy(void)
{
    struct buf tables;
    char *text = NULL;

    buf_init(&tables, 4096);
    if (fs_read_file("/proc/net/ip_tables_names", &tables) == 0 &&
        strstr(buf_text(&tables), "filter") != NULL)
        text = mem_dup("rules of iptables-legacy may keep guests out, which riad does not read: "
                       "`iptables-legacy -S INPUT` lists them");
    buf_done(&tables);
    return text;
}

char *check_firewall(const struct config *config)
{
    struct firewall_port ports[FIREWALL_MAX_PORTS];
    size_t count = firewall_ports(config, ports);
    FILE *nft = popen("PATH=/usr/sbin:/sbin:/usr/bin:/bin nft list ruleset 2>/dev/null", "re");
    struct buf ruleset;
    char *text = NULL;

    if (nft == NULL)
        return NULL;
    buf_init(&ruleset, RULESET_MAX);
    if (fs_read_all(fileno(nft), &ruleset) == 0)
        text = firewall_find(buf_text(&ruleset), config->lan.interface, ports, count);
    pclose(nft);
    buf_done(&ruleset);
    return text != NULL ? text : find_legacy();
}
