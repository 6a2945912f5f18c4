#include "dhcp/check.h"
#include "base/when.h"
#include "config/config.h"
#include "dhcp/child.h"
#include "dhcp/generate.h"
#include "dhcp/link.h"
#include "dhcp/ports.h"
#include "dhcp/probe.h"
#include "dhcp/tell.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* dhcp-name-match and script-on-renewal came with 2.80. */
#define OLDEST_MINOR 80

static int problems;

__attribute__((format(printf, 1, 2))) static void problem(const char *format, ...)
{
    va_list arguments;

    problems++;
    fputs("problem: ", stdout);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    va_list arguments;

    fputs("note: ", stdout);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

bool check_is_wanted(int argc, char **argv)
{
    return argc >= 2 && strcmp(argv[1], "--check") == 0;
}

static void complain(void *context, const char *sentence)
{
    (void)context;
    fprintf(stderr, "%s\n", sentence);
}

/* Listens to the answers until both questions are over. */
static void ask(struct probe *probe)
{
    int64_t next_ms;

    while ((next_ms = probe_step(probe, when_monotonic_ms())) != PROBE_NEVER) {
        int64_t wait_ms = next_ms - when_monotonic_ms();
        struct pollfd one = {.fd = probe->fd, .events = POLLIN};

        if (poll(&one, 1, wait_ms < 0 ? 0 : (int)wait_ms) > 0)
            probe_receive(probe);
    }
}

static void tell_servers(const struct config *config, const struct probe *probe)
{
    char server[64];

    tell_server(&probe->found, server);
    if (*server != '\0' && config->dhcp.mode == DHCP_ON)
        problem("another DHCP server answers on %s: %s; two of them on one network confuse "
                "everybody: end that one, or set [dhcp] mode = auto",
                config->lan.interface, server);
    else if (*server != '\0')
        note("beside a router: %s serves DHCP on %s, %s", server, config->lan.interface,
             config->dhcp.mode == DHCP_OFF ? "and [dhcp] mode is off" : "riad will stand by");
    else if (config->dhcp.mode != DHCP_OFF && config->dhcp.gateway == 0)
        note("a network of its own: nobody else serves DHCP on %s; guests will have no internet, "
             "unless [dhcp] gateway names a router",
             config->lan.interface);
    else if (config->dhcp.mode != DHCP_OFF)
        note("in place of the router's DHCP: nobody else serves DHCP on %s", config->lan.interface);
    else
        note("nobody serves DHCP on %s, and [dhcp] mode is off: devices will have no address",
             config->lan.interface);
}

static void check_network(const struct config *config, const struct link *link)
{
    struct probe probe;
    char mac[PACKET_MAC_TEXT], ip[16];
    int64_t now_ms = when_monotonic_ms();

    if (probe_open(&probe, link->index, link->mac, link->address) < 0) {
        if (errno == EPERM)
            note("who else is on %s cannot be asked without root", link->name);
        else
            problem("cannot ask on %s: %s", link->name, strerror(errno));
        return;
    }
    probe_ask_servers(&probe, now_ms);
    if (!link->has_address)
        probe_ask_address(&probe, now_ms);
    ask(&probe);
    if (probe.claimed && !link->has_address) {
        packet_ip_text(link->address, ip);
        packet_mac_text(probe.claimed_by, mac);
        problem("another device (%s) has the address %s: choose another for [lan] address", mac,
                ip);
    }
    tell_servers(config, &probe);
    probe_close(&probe);
}

/* `Dnsmasq version 2.90 ...`: older ones do not know all that generate.c writes. */
static void check_version(void)
{
    char command[128];
    int major = 0, minor = 0;
    FILE *output;

    snprintf(command, sizeof(command), "%s --version", child_program());
    output = popen(command, "re");
    if (output != NULL && fscanf(output, "Dnsmasq version %d.%d", &major, &minor) == 2 &&
        (major < 2 || (major == 2 && minor < OLDEST_MINOR)))
        problem("dnsmasq %d.%d is too old, 2.%d is needed: apt install dnsmasq-base", major, minor,
                OLDEST_MINOR);
    if (output != NULL)
        pclose(output);
}

/* Our own dnsmasq has the ports of a running box: its address is on the interface then, and a lock
 * is held; that is for the caller to know. */
static void check_dnsmasq(const struct config *config, const struct link *link)
{
    unsigned duty =
        (config->dns.enabled ? DUTY_DNS : 0u) | (config->dhcp.mode != DHCP_OFF ? DUTY_DHCP : 0u);
    char sentence[400];

    if (duty == DUTY_NONE)
        return;
    if (child_program() == NULL)
        problem("dnsmasq is missing: apt install dnsmasq-base");
    else
        check_version();
    if (ports_taken(link->address, link->name, duty, sentence, sizeof(sentence)))
        problem("%s", sentence);
}

static void check_link(const struct config *config)
{
    struct link link;

    if (link_open(&link, config->lan.interface, config->lan.address, config->lan.prefix) < 0) {
        problem("the network interfaces cannot be looked at");
        return;
    }
    if (link.index == 0)
        problem("there is no interface %s: `ip link` lists them, [lan] interface chooses one",
                link.name);
    else if (link.loopback)
        problem("%s is the loopback interface, where nobody else is", link.name);
    else if (!link.up)
        note("%s is switched off; riad will switch it on", link.name);
    else if (!link.cable)
        problem("no cable on %s (or the other end is off)", link.name);
    else
        check_network(config, &link);
    check_dnsmasq(config, &link);
    link_close(&link);
}

int check_run(int argc, char **argv)
{
    const char *file = argc == 4 && strcmp(argv[2], "-c") == 0 ? argv[3] : NULL;
    struct config config;

    if (argc != 2 && file == NULL) {
        fprintf(stderr, "usage: riad-dhcp --check [-c FILE]\n");
        return 2;
    }
    if (config_load(&config, file, complain, NULL) < 0)
        return 2;
    if (*config.lan.interface != '\0')
        check_link(&config);
    config_done(&config);
    return problems > 0 ? 1 : 0;
}
