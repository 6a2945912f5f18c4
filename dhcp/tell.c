#include "dhcp/tell.h"
#include "base/log.h"
#include "base/mem.h"
#include "identity/lease.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void tell_server(const struct probe_server *server, char *out)
{
    char ip[16], mac[PACKET_MAC_TEXT];

    out[0] = '\0';
    if (server->address == 0)
        return;
    packet_ip_text(server->address, ip);
    packet_mac_text(server->mac, mac);
    snprintf(out, 64, "%s (%s)", ip, mac);
}

/* What DNS adds to a sentence. */
static const char *dns_part(const struct lan *lan)
{
    if (!(lan->duty & DUTY_DNS))
        return "";
    return lan->upstream.reachable ? "; answers DNS"
                                   : "; answers DNS for this network only (no "
                                     "resolver outside answers)";
}

static void tell_serving(const struct lan *lan, char *out)
{
    const struct config_dhcp *dhcp = &lan->config->dhcp;
    char other[64], warning[128] = "", first[16], last[16], gateway[16], way[96];
    bool full = lan->leases.count > (int64_t)dhcp->last - dhcp->first ||
                lan->leases.count >= GENERATE_MAX_LEASES;

    packet_ip_text(dhcp->first, first);
    packet_ip_text(dhcp->last, last);
    packet_ip_text(dhcp->gateway, gateway);
    tell_server(&lan->others.server, other);
    if (*other != '\0')
        snprintf(warning, sizeof(warning), "; BEWARE: %s serves DHCP here, too", other);
    if (dhcp->gateway != 0)
        snprintf(way, sizeof(way), "in place of the router's DHCP, which is %s", gateway);
    else
        snprintf(way, sizeof(way), "a network of its own (no gateway: guests have no internet)");
    snprintf(out, SERVICE_SAY_MAX, "serves DHCP on %s, %s to %s: %s; %" PRId64 " lease%s%s%s%s",
             lan->link.name, first, last, way, lan->leases.count, lan->leases.count == 1 ? "" : "s",
             full ? ", and no address is left: a wider [dhcp] range, or a shorter lease" : "",
             dns_part(lan), warning);
}

static void tell_beside(const struct lan *lan, char *out)
{
    char other[64], address[16];

    packet_ip_text(lan->link.address, address);
    tell_server(&lan->others.server, other);
    if (lan->phase == LAN_STANDING_BY)
        snprintf(out, SERVICE_SAY_MAX,
                 "stands by beside a router: %s serves DHCP on %s; the box is %s there%s", other,
                 lan->link.name, address, dns_part(lan));
    else
        snprintf(out, SERVICE_SAY_MAX, "beside a router on %s, where the box is %s: DHCP is off%s",
                 lan->link.name, address, dns_part(lan));
}

static void tell_listening(const struct lan *lan, char *out)
{
    const char *what = lan->config->dhcp.mode == DHCP_ON ? "for devices that have addresses already"
                                                         : "for other DHCP servers";

    snprintf(out, SERVICE_SAY_MAX, "listens %s on %s before it gives addresses%s", what,
             lan->link.name, dns_part(lan));
}

static void tell_clash(const struct lan *lan, char *out)
{
    char mac[PACKET_MAC_TEXT], address[16];

    packet_ip_text(lan->link.address, address);
    packet_mac_text(lan->probe.claimed_by, mac);
    snprintf(out, SERVICE_SAY_MAX,
             "another device (%s) has the address %s on %s: give the box another with [lan] "
             "address, or the device",
             mac, address, lan->link.name);
}

/* Those phases that always say the same: before and behind the interface's name. */
static const struct {
    bool up;
    const char *before, *behind;
} sentences[LAN_PHASES] = {
    [LAN_OFF] = {true,  "leaves the network alone: [lan] interface is empty", ""},
    [LAN_ABSENT] = {false, "there is no interface ",
                 ": `ip link` lists them, [lan] interface chooses one"          },
    [LAN_UNPLUGGED] = {false, "waits for a cable on ",                              ""},
    [LAN_ASKING] = {true,  "asks whether its address is free on ",               ""},
    [LAN_STARTING] = {true,  "starts dnsmasq on ",                                 ""},
};

bool tell_text(const struct lan *lan, char *out)
{
    switch (lan->phase) {
    case LAN_SERVING:
        if (lan->duty & DUTY_DHCP)
            tell_serving(lan, out);
        else
            tell_beside(lan, out);
        return true;
    case LAN_LISTENING:
        tell_listening(lan, out);
        return true;
    case LAN_STANDING_BY:
    case LAN_QUIET:
        tell_beside(lan, out);
        return true;
    case LAN_CLASH:
        tell_clash(lan, out);
        return false;
    case LAN_NO_RIGHTS:
    case LAN_TROUBLE:
        snprintf(out, SERVICE_SAY_MAX, "%s", lan->trouble);
        return false;
    default:
        snprintf(out, SERVICE_SAY_MAX, "%s%s%s", sentences[lan->phase].before, lan->link.name,
                 sentences[lan->phase].behind);
        return sentences[lan->phase].up;
    }
}

void tell_page(const struct lan *lan, char *out)
{
    char address[16];

    out[0] = '\0';
    if (lan->others.server.address == 0)
        return;
    packet_ip_text(lan->others.server.address, address);
    if (lan->phase == LAN_STANDING_BY)
        snprintf(out, SERVICE_SAY_MAX, "%s gives the addresses on this network; the box stands by.",
                 address);
    else if (lan->phase == LAN_SERVING && (lan->duty & DUTY_DHCP))
        snprintf(out, SERVICE_SAY_MAX,
                 "Two DHCP servers give addresses here, the box and %s: tell a host if your device "
                 "finds nobody.",
                 address);
}

void tell(struct lan *lan)
{
    char sentence[SERVICE_SAY_MAX], page[SERVICE_SAY_MAX];
    bool up = tell_text(lan, sentence);

    tell_page(lan, page);
    if (strcmp(page, lan->page) != 0 || lan->told == LAN_PHASES) {
        strcpy(lan->page, page);
        store_set_fact(lan->store, LAN_FACT_PAGE, page);
    }
    if (lan->phase != lan->told && lan_is_settled(lan)) {
        lan->told = lan->phase;
        if (up && lan->service->said[0] != 'D') /* else service_say logs it */
            log_info("%s", sentence);
        store_set_fact(lan->store, "lan.setup", sentence);
    }
    service_say(lan->service, up, "%s", sentence);
}
