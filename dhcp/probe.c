#include "dhcp/probe.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_TRIES    3
#define SERVER_PAUSE_MS 2000
#define SERVER_END_MS   6000
#define ARP_TRIES       3
#define ARP_PAUSE_MS    250
#define ARP_END_MS      1000
/* Twice over the range; phones that sleep take a while to answer. */
#define SWEEP_ROUNDS   2
#define SWEEP_PAUSE_MS 400
#define SWEEP_BATCH    64
#define SWEEP_BATCH_MS 10

/* IPv4 UDP to that port, not in fragments, and ARP if wanted: what else passes by does not wake us.
 */
static int filter_packets(int fd, uint32_t port, bool arp)
{
    const uint32_t arp_type = arp ? ETH_P_ARP : 0;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arp_type, 7, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 7),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 5),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 2),
        BPF_STMT(BPF_RET | BPF_K, PACKET_MAX),
        BPF_STMT(BPF_RET | BPF_K, PACKET_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int hear_answers(struct probe *probe)
{
    probe->watching = false;
    return filter_packets(probe->fd, 68, true);
}

int probe_open(struct probe *probe, int index, const uint8_t own_mac[PACKET_MAC],
               uint32_t own_address)
{
    struct sockaddr_ll here = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index};

    *probe = (struct probe){.fd = -1, .index = index, .own_address = own_address};
    memcpy(probe->own_mac, own_mac, PACKET_MAC);
    memcpy(probe->mac, own_mac, PACKET_MAC);
    probe->mac[0] = (uint8_t)((own_mac[0] & 0xFC) | 2); /* of nobody's: locally administered */
    probe->mac[3] ^= 0x80;                              /* as ours may be */
    probe->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe->fd >= 0 && hear_answers(probe) == 0 &&
        bind(probe->fd, (struct sockaddr *)&here, sizeof(here)) == 0)
        return 0;
    probe_close(probe);
    return -1;
}

void probe_close(struct probe *probe)
{
    fs_close(probe->fd);
    free(probe->sweep.device);
    probe->fd = -1;
    probe->server.asking = probe->address.asking = false;
    probe->sweep = (struct probe_sweep){0};
}

static void begin(struct probe *probe, struct probe_question *question, int64_t now_ms,
                  int64_t last_ms)
{
    if (probe->watching)
        hear_answers(probe);
    *question =
        (struct probe_question){.asking = true, .next_ms = now_ms, .end_ms = now_ms + last_ms};
}

void probe_ask_servers(struct probe *probe, int64_t now_ms)
{
    probe->found = (struct probe_server){0};
    fs_random(&probe->xid, sizeof(probe->xid));
    begin(probe, &probe->server, now_ms, SERVER_END_MS);
}

void probe_ask_address(struct probe *probe, int64_t now_ms)
{
    probe->claimed = false;
    begin(probe, &probe->address, now_ms, ARP_END_MS);
}

void probe_ask_range(struct probe *probe, uint32_t first, uint32_t last, int64_t now_ms)
{
    free(probe->sweep.device);
    probe->sweep = (struct probe_sweep){
        .asking = true, .first = first, .last = last, .next = first, .next_ms = now_ms};
    if (probe->watching)
        hear_answers(probe);
}

bool probe_is_asking(const struct probe *probe)
{
    return probe->server.asking || probe->address.asking || probe->sweep.asking;
}

void probe_watch(struct probe *probe)
{
    if (probe->watching || filter_packets(probe->fd, 67, false) < 0)
        return;
    probe->watching = true;
    probe->rival = 0;
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

static void send_arp_for(const struct probe *probe, uint32_t address)
{
    struct buf packet;

    buf_init(&packet, PACKET_MAX);
    packet_arp_probe(&packet, probe->own_mac, address);
    send_packet(probe, &packet, ETH_P_ARP);
    buf_done(&packet);
}

static void send_arp(const struct probe *probe)
{
    send_arp_for(probe, probe->own_address);
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

/* Notes a device that has one of the addresses that are being asked for. */
static void hear_device(struct probe *probe, const uint8_t *bytes, size_t length)
{
    struct probe_sweep *sweep = &probe->sweep;
    struct probe_device device;

    if (!sweep->asking || !packet_arp_shows(bytes, length, &device.address, device.mac) ||
        device.address < sweep->first || device.address > sweep->last ||
        device.address == probe->own_address)
        return;
    for (size_t i = 0; i < sweep->count; i++)
        if (sweep->device[i].address == device.address)
            return;
    if (sweep->count == sweep->room) {
        sweep->room = sweep->room == 0 ? 64 : 2 * sweep->room;
        sweep->device = mem_resize(sweep->device, sweep->room, sizeof(device));
    }
    sweep->device[sweep->count++] = device;
}

static void hear_arp(struct probe *probe, const uint8_t *bytes, size_t length)
{
    uint8_t mac[PACKET_MAC];

    hear_device(probe, bytes, length);
    if (packet_arp_claims(bytes, length, probe->own_mac, probe->own_address, mac)) {
        probe->claimed = true;
        memcpy(probe->claimed_by, mac, PACKET_MAC);
    }
}

void probe_receive(struct probe *probe)
{
    uint8_t bytes[PACKET_MAX] = {0};
    struct sockaddr_ll from = {0};
    socklen_t size = sizeof(from);
    uint32_t server;
    ssize_t got;

    while ((got = recvfrom(probe->fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size)) >=
           0) {
        size = sizeof(from);
        if (from.sll_pkttype == PACKET_OUTGOING)
            continue;
        if (ntohs(from.sll_protocol) == ETH_P_ARP)
            hear_arp(probe, bytes, (size_t)got);
        else if (probe->server.asking)
            hear_offer(probe, bytes, (size_t)got, &from);
        else if (probe->watching && packet_is_taking(bytes, (size_t)got, &server) &&
                 server != probe->own_address)
            probe->rival = server;
    }
}

/* Asks for the next addresses. Returns when it wants to be moved again. */
static int64_t step_sweep(const struct probe *probe, struct probe_sweep *sweep, int64_t now_ms)
{
    if (!sweep->asking)
        return PROBE_NEVER;
    if (now_ms < sweep->next_ms)
        return sweep->next_ms;
    if (sweep->round == SWEEP_ROUNDS) {
        sweep->asking = false;
        return PROBE_NEVER;
    }
    for (unsigned i = 0; i < SWEEP_BATCH && sweep->next <= sweep->last; i++, sweep->next++)
        if (sweep->next != probe->own_address)
            send_arp_for(probe, sweep->next);
    sweep->next_ms = now_ms + SWEEP_BATCH_MS;
    if (sweep->next > sweep->last) {
        sweep->next = sweep->first;
        sweep->next_ms = now_ms + SWEEP_PAUSE_MS;
        sweep->round++;
    }
    return sweep->next_ms;
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
    int64_t server, address, sweep, next;

    if (probe->fd == -1)
        return PROBE_NEVER;
    server = step(probe, &probe->server, now_ms, SERVER_TRIES, SERVER_PAUSE_MS, send_discover);
    address = step(probe, &probe->address, now_ms, ARP_TRIES, ARP_PAUSE_MS, send_arp);
    sweep = step_sweep(probe, &probe->sweep, now_ms);
    next = server < address ? server : address;
    return sweep < next ? sweep : next;
}
