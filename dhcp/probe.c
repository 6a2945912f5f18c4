#include "dhcp/probe.h"
#include "base/fs.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_TRIES    3
#define SERVER_PAUSE_MS 2000
#define SERVER_END_MS   6000
#define ARP_TRIES       3
#define ARP_PAUSE_MS    250
#define ARP_END_MS      1000

/* ARP, and IPv4 UDP to port 68, not in fragments: what else passes by does not wake us. */
static int filter_packets(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 7, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 7),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 5),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 68, 0, 2),
        BPF_STMT(BPF_RET | BPF_K, PACKET_MAX),
        BPF_STMT(BPF_RET | BPF_K, PACKET_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int probe_open(struct probe *probe, int index, const uint8_t own_mac[PACKET_MAC],
               uint32_t own_address)
{
    struct sockaddr_ll here = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index};

    *probe = (struct probe){.fd = -1, .index = index, .own_address = own_address};
    memcpy(probe->own_mac, own_mac, PACKET_MAC);
    fs_random(probe->mac, PACKET_MAC);
    probe->mac[0] = (uint8_t)((probe->mac[0] & 0xFC) | 2); /* of nobody's: locally administered */
    probe->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe->fd >= 0 && filter_packets(probe->fd) == 0 &&
        bind(probe->fd, (struct sockaddr *)&here, sizeof(here)) == 0)
        return 0;
    probe_close(probe);
    return -1;
}

void probe_close(struct probe *probe)
{
    fs_close(probe->fd);
    probe->fd = -1;
    probe->server.asking = probe->address.asking = false;
}

static void begin(struct probe_question *question, int64_t now_ms, int64_t last_ms)
{
    *question =
        (struct probe_question){.asking = true, .next_ms = now_ms, .end_ms = now_ms + last_ms};
}

void probe_ask_servers(struct probe *probe, int64_t now_ms)
{
    probe->found = (struct probe_server){0};
    fs_random(&probe->xid, sizeof(probe->xid));
    begin(&probe->server, now_ms, SERVER_END_MS);
}

void probe_ask_address(struct probe *probe, int64_t now_ms)
{
    probe->claimed = false;
    begin(&probe->address, now_ms, ARP_END_MS);
}

static void send_packet(const struct probe *probe, const struct buf *packet, uint16_t protocol)
{
    struct sockaddr_ll everybody = {.sll_family = AF_PACKET,
                                    .sll_protocol = htons(protocol),
                                    .sll_ifindex = probe->index,
                                    .sll_halen = PACKET_MAC};

    memset(everybody.sll_addr, 0xFF, PACKET_MAC);
    if (sendto(probe->fd, packet->data, packet->len, 0, (struct sockaddr *)&everybody,
               sizeof(everybody)) < 0)
        log_debug("a question to the network could not be sent: %s", strerror(errno));
}

static void send_discover(const struct probe *probe)
{
    struct buf packet;

    buf_init(&packet, PACKET_MAX);
    packet_discover(&packet, probe->mac, probe->xid);
    send_packet(probe, &packet, ETH_P_IP);
    buf_done(&packet);
}

static void send_arp(const struct probe *probe)
{
    struct buf packet;

    buf_init(&packet, PACKET_MAX);
    packet_arp_probe(&packet, probe->own_mac, probe->own_address);
    send_packet(probe, &packet, ETH_P_ARP);
    buf_done(&packet);
}

static void hear_offer(struct probe *probe, const uint8_t *bytes, size_t length,
                       const struct sockaddr_ll *from)
{
    struct packet_offer offer;

    if (!packet_is_offer(bytes, length, probe->mac, probe->xid, &offer) ||
        offer.server == probe->own_address ||
        memcmp(from->sll_addr, probe->own_mac, PACKET_MAC) == 0)
        return;
    probe->found = (struct probe_server){.address = offer.server, .router = offer.router};
    memcpy(probe->found.mac, from->sll_addr, PACKET_MAC);
    probe->server.asking = false;
}

void probe_receive(struct probe *probe)
{
    uint8_t bytes[PACKET_MAX] = {0}, mac[PACKET_MAC];
    struct sockaddr_ll from = {0};
    socklen_t size = sizeof(from);
    ssize_t got;

    while ((got = recvfrom(probe->fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size)) >=
           0) {
        size = sizeof(from);
        if (from.sll_pkttype == PACKET_OUTGOING)
            continue;
        if (ntohs(from.sll_protocol) == ETH_P_IP && probe->server.asking)
            hear_offer(probe, bytes, (size_t)got, &from);
        else if (ntohs(from.sll_protocol) == ETH_P_ARP &&
                 packet_arp_claims(bytes, (size_t)got, probe->own_mac, probe->own_address, mac)) {
            probe->claimed = true;
            memcpy(probe->claimed_by, mac, PACKET_MAC);
        }
    }
}

/* Moves one question on. Returns when it wants to be moved again. */
static int64_t step(const struct probe *probe, struct probe_question *question, int64_t now_ms,
                    unsigned tries, int64_t pause_ms, void (*send_one)(const struct probe *probe))
{
    if (!question->asking)
        return PROBE_NEVER;
    if (now_ms >= question->end_ms) {
        question->asking = false;
        return PROBE_NEVER;
    }
    if (question->sent < tries && now_ms >= question->next_ms) {
        send_one(probe);
        question->sent++;
        question->next_ms += pause_ms;
    }
    return question->sent < tries ? question->next_ms : question->end_ms;
}

int64_t probe_step(struct probe *probe, int64_t now_ms)
{
    int64_t server, address;

    if (probe->fd == -1)
        return PROBE_NEVER;
    server = step(probe, &probe->server, now_ms, SERVER_TRIES, SERVER_PAUSE_MS, send_discover);
    address = step(probe, &probe->address, now_ms, ARP_TRIES, ARP_PAUSE_MS, send_arp);
    return server < address ? server : address;
}
