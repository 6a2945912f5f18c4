#include "supervisor/check_firewall.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
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

/* ---- reading rules ---- */

static bool ends_with(const char *line, const char *word)
{
    size_t length = strlen(line), size = strlen(word);

    return length >= size && strcmp(line + length - size, word) == 0 &&
           (length == size || line[length - size - 1] == ' ');
}

/* A rule that ends what came so far, whatever it is: no match stands before its verdict. */
static bool ends_everything(const char *line)
{
    return strcmp(line, "drop") == 0 || strncmp(line, "reject", 6) == 0 ||
           (strncmp(line, "counter packets ", 16) == 0 &&
            (ends_with(line, "drop") || strstr(line, " reject") != NULL));
}

/* Whether `80`, `{ 22, 80 }` or `1-1024` behind `tcp dport` holds the port. */
static bool names_port(const char *line, const struct firewall_port *port)
{
    char *match = mem_printf("%s dport ", port->protocol);
    const char *at = strstr(line, match), *end;
    bool found = false;

    if (at == NULL && (at = strstr(line, "th dport ")) != NULL)
        at += strlen("th dport ");
    else if (at != NULL)
        at += strlen(match);
    free(match);
    if (at == NULL)
        return false;
    end = *at == '{' ? at + strcspn(at, "}") : at + strcspn(at, " ");
    while (at < end && !found) {
        char *behind;
        long first = strtol(at + strcspn(at, "0123456789"), &behind, 10), last = first;

        if (*behind == '-')
            last = strtol(behind + 1, &behind, 10);
        found = port->port >= first && port->port <= last;
        at = behind + strcspn(behind, ",}");
        at += *at != '\0' && at < end;
    }
    return found;
}

/* A rule that lets everything in that comes by the interface. */
static bool opens_interface(const char *line, const char *interface)
{
    char *name = mem_printf("\"%s\"", interface);
    bool opens = *interface != '\0' && strncmp(line, "iif", 3) == 0 && strstr(line, name) != NULL &&
                 strstr(line, "dport") == NULL && ends_with(line, "accept");

    free(name);
    return opens;
}

/* What has been read so far. */
struct ruleset {
    char table[80], chain[80], closed[180]; /* `inet filter`, `input`; the first that drops */
    bool input, open;
    bool accepted[FIREWALL_MAX_PORTS];
};

static void read_rule(struct ruleset *set, const char *line, const char *interface,
                      const struct firewall_port *ports, size_t count)
{
    if (sscanf(line, "table %78[^{]", set->table) == 1)
        text_trim(set->table);
    if (sscanf(line, "chain %78s", set->chain) == 1)
        set->input = false;
    set->input |= strncmp(line, "type filter hook input", 22) == 0;
    if (set->input && *set->closed == '\0' &&
        (ends_everything(line) || strstr(line, "policy drop") != NULL))
        snprintf(set->closed, sizeof set->closed, "%s %s", set->table, set->chain);
    set->open |= opens_interface(line, interface);
    for (size_t i = 0; i < count; i++)
        set->accepted[i] |= ends_with(line, "accept") && names_port(line, &ports[i]);
}

static void put_ports(struct buf *out, const struct ruleset *set, const char *protocol,
                      const struct firewall_port *ports, size_t count)
{
    const char *before = "";

    for (size_t i = 0; i < count; i++) {
        if (set->accepted[i] || strcmp(ports[i].protocol, protocol) != 0)
            continue;
        buf_printf(out, "%s%d", before, ports[i].port);
        before = ", ";
    }
}

/* Why a port is wanted where nothing listens. */
static const char *reason(const struct ruleset *set, const struct firewall_port *ports,
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ports[i].port == HTTPS && !set->accepted[i])
            return " (443, too: nothing listens there, but browsers that try https first go on "
                   "only when they are refused)";
    return "";
}

char *firewall_find(const char *ruleset, const char *interface, const struct firewall_port *ports,
                    size_t count)
{
    static const char *const protocols[] = {"tcp", "udp"};
    char *copy = mem_dup(ruleset), *rest = copy, *line;
    struct ruleset set = {0};
    struct buf shut, commands;

    while ((line = strsep(&rest, "\n")) != NULL)
        read_rule(&set, text_trim(line), interface, ports, count);
    free(copy);
    if (*set.closed == '\0' || set.open)
        return NULL;
    buf_init(&shut, 1000);
    buf_init(&commands, 4000);
    for (size_t i = 0; i < 2; i++) {
        size_t before = shut.len;
        struct buf list;

        buf_init(&list, 500);
        put_ports(&list, &set, protocols[i], ports, count);
        if (list.len > 0) {
            buf_printf(&shut, "%s%s %s", before ? " and " : "", protocols[i], buf_text(&list));
            buf_printf(&commands, "%snft insert rule %s %s dport '{ %s }' accept",
                       before ? "; " : "", set.closed, protocols[i], buf_text(&list));
        }
        buf_done(&list);
    }
    line = shut.len == 0
               ? NULL
               : mem_printf("the firewall (chain %s) drops what comes for %s: guests see nothing "
                            "there, and wait; let it in%s: %s",
                            set.closed, buf_text(&shut), reason(&set, ports, count),
                            buf_text(&commands));
    buf_done(&shut);
    buf_done(&commands);
    return line;
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
    return text;
}
