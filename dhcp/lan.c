#include "dhcp/lan.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "dhcp/ports.h"
#include "dhcp/script.h"
#include "dhcp/tell.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRY_AGAIN_MAX  8000
#define CLASH_AGAIN_MS 30000
#define SOON_MS        1000
/* So long may an interface that was just switched on take to find its other end. */
#define CABLE_MS 4000

/* The fact in the store that says that the address on the interface is riad's to remove. */
#define FACT_ADDED "lan.added"
#define FACT_OTHER "lan.other"

/* ---- opening and closing ---- */

static int find_places(struct lan *lan)
{
    char *relative = config_path(lan->config, "run/dhcp");
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self));
    int result = -1;

    if (length < 0 || length == (ssize_t)sizeof(self)) {
        log_errno("cannot find out where this program lies");
        goto out;
    }
    lan->script = mem_dup_bytes(self, (size_t)length);
    if (fs_make_folders(relative, 0750) < 0 || (lan->folder = realpath(relative, NULL)) == NULL) {
        log_errno("cannot make the folder %s", relative);
        goto out;
    }
    lan->environment = mem_printf("%s=%s", SCRIPT_DIR_VARIABLE, lan->folder);
    result = 0;
out:
    free(relative);
    return result;
}

/* What the fact says of our address on our interface; out has 64 bytes. */
static void address_fact(const struct lan *lan, char *out)
{
    char address[16];

    packet_ip_text(lan->link.address, address);
    snprintf(out, 64, "%s %s/%d", lan->link.name, address, lan->link.prefix);
}

/* An earlier riad that was killed left the address to us. */
static void take_over_address(struct lan *lan)
{
    char *fact = store_fact(lan->store, FACT_ADDED, NULL), expected[64];

    address_fact(lan, expected);
    lan->added = fact != NULL && strcmp(fact, expected) == 0 && lan->link.has_address;
    free(fact);
}

int lan_open(struct lan *lan, struct service *service, struct config *config, struct store *store)
{
    *lan = (struct lan){.service = service,
                        .config = config,
                        .store = store,
                        .told = LAN_PHASES, /* nothing yet */
                        .link.fd = -1,
                        .probe.fd = -1,
                        .leases.fd = -1};
    child_init(&lan->child);
    pulse_init(&lan->pulse);
    if (*config->lan.interface == '\0')
        return 0;
    if (find_places(lan) < 0 ||
        leases_open(&lan->leases, store, lan->folder, config->dhcp.lease) < 0 ||
        upstream_open(&lan->upstream, config, lan->folder) < 0 ||
        link_open(&lan->link, config->lan.interface, config->lan.address, config->lan.prefix) < 0) {
        lan_close(lan);
        return -1;
    }
    take_over_address(lan);
    return 0;
}

void lan_close(struct lan *lan)
{
    child_stop(&lan->child);
    if (lan->leases.fd != -1)
        leases_take(&lan->leases, lan->config->dhcp.lease);
    if (lan->added && link_remove_address(&lan->link) == 0) {
        log_info("took the box's address off %s again", lan->link.name);
        store_set_fact(lan->store, FACT_ADDED, "");
    }
    probe_close(&lan->probe);
    pulse_close(&lan->pulse);
    link_close(&lan->link);
    upstream_close(&lan->upstream);
    leases_close(&lan->leases);
    free(lan->folder);
    free(lan->script);
    free(lan->environment);
    lan->folder = lan->script = lan->environment = NULL;
}

/* ---- steps; each returns true when the next may follow ---- */

static bool stay(struct lan *lan, enum lan_phase phase)
{
    lan->phase = phase;
    return false;
}

__attribute__((format(printf, 3, 4))) static bool trouble(struct lan *lan, enum lan_phase phase,
                                                          const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(lan->trouble, sizeof(lan->trouble), format, arguments);
    va_end(arguments);
    /* After 1, 2, 4, then every 8 s. */
    lan->pause_ms = lan->phase != phase ? 1000 : lan->pause_ms * 2;
    if (lan->pause_ms > TRY_AGAIN_MAX)
        lan->pause_ms = TRY_AGAIN_MAX;
    lan->next_try_ms = when_monotonic_ms() + lan->pause_ms;
    return stay(lan, phase);
}

static bool no_rights(struct lan *lan, const char *what)
{
    return trouble(lan, LAN_NO_RIGHTS,
                   "cannot %s: riad-dhcp needs the rights NET_ADMIN, NET_RAW and "
                   "NET_BIND_SERVICE: start the box as root, or empty [lan] interface",
                   what);
}

static bool failed(struct lan *lan, const char *what)
{
    if (errno == EPERM || errno == EACCES)
        return no_rights(lan, what);
    return trouble(lan, LAN_TROUBLE, "cannot %s: %s", what, strerrordesc_np(errno));
}

/* Ends what depends on the network that we were in. */
static void forget_network(struct lan *lan)
{
    probe_close(&lan->probe);
    lan->address_free = lan->swept = false;
    others_interrupt(&lan->others);
    if (lan->config->dhcp.mode == DHCP_AUTO) {
        others_forget(&lan->others);
        child_stop(&lan->child);
    }
}

static bool want_interface(struct lan *lan, int64_t now_ms)
{
    if (lan->link.index == 0) {
        forget_network(lan);
        child_stop(&lan->child);
        return stay(lan, LAN_ABSENT);
    }
    if (!lan->link.up) {
        if (link_switch_on(&lan->link) < 0)
            return failed(lan, "switch the interface on");
        lan->cable_ms = now_ms + CABLE_MS;
    }
    if (!lan->link.cable && now_ms < lan->cable_ms)
        return stay(lan, LAN_ASKING);
    if (!lan->link.cable) {
        forget_network(lan);
        return stay(lan, LAN_UNPLUGGED);
    }
    return true;
}

static bool want_probe(struct lan *lan)
{
    if (lan->probe.fd != -1)
        return true;
    if (probe_open(&lan->probe, lan->link.index, lan->link.mac, lan->link.address) == 0)
        return true;
    return failed(lan, "ask the network");
}

static bool add_address(struct lan *lan)
{
    char fact[64];

    address_fact(lan, fact);
    /* First the note, then the deed: who is killed between removes nothing that is not his. */
    if (store_set_fact(lan->store, FACT_ADDED, fact) < 0)
        return trouble(lan, LAN_TROUBLE, "cannot write to the store");
    if (link_add_address(&lan->link) < 0 && errno != EEXIST)
        return failed(lan, "add the box's address");
    lan->added = true;
    log_info("gave %s", fact);
    return true;
}

static bool want_address(struct lan *lan, int64_t now_ms)
{
    if (lan->link.has_address)
        return true;
    if (!lan->address_free) {
        if (now_ms < lan->next_try_ms && lan->phase == LAN_CLASH)
            return false;
        if (!want_probe(lan))
            return false;
        probe_ask_address(&lan->probe, now_ms);
        lan->address_free = true; /* unless an answer comes */
    }
    if (lan->probe.claimed) {
        lan->probe.claimed = lan->address_free = false;
        lan->next_try_ms = now_ms + CLASH_AGAIN_MS;
        return stay(lan, LAN_CLASH);
    }
    if (lan->probe.address.asking)
        return stay(lan, LAN_ASKING);
    return add_address(lan);
}

/* Takes what a question for other servers has found, and says what is new. */
static void note_servers(struct lan *lan, int64_t now_ms)
{
    struct others *others = &lan->others;
    char text[64] = "", was[64] = "";

    tell_server(&others->server, was);
    tell_server(&lan->probe.found, text);
    if (*text != '\0' && strcmp(was, text) != 0)
        log_warn("another DHCP server answers on %s: %s", lan->link.name, text);
    else if (*was != '\0' && *text == '\0')
        log_info("%s no longer answers on %s", was, lan->link.name);
    if (strcmp(was, text) != 0 || !others->decided)
        store_set_fact(lan->store, FACT_OTHER, text);
    others_found(others, &lan->probe.found, now_ms);
}

/* Asks for other servers when that is due. */
static bool want_decision(struct lan *lan, int64_t now_ms)
{
    struct others *others = &lan->others;

    if (lan->config->dhcp.mode == DHCP_OFF)
        return true;
    if (lan->probe.rival != 0) {
        lan->probe.rival = 0;
        others_rival(others, now_ms);
    }
    if (others->asking && !lan->probe.server.asking)
        note_servers(lan, now_ms);
    if (now_ms < others->next_ms || others->asking)
        return true;
    if (!want_probe(lan))
        return false;
    if (others_due(others, now_ms))
        probe_ask_servers(&lan->probe, now_ms);
    return true;
}

/* Whether DHCP is to be served, as far as it is known who else does. */
static bool wants_dhcp(const struct lan *lan)
{
    enum config_dhcp_mode mode = lan->config->dhcp.mode;

    return mode == DHCP_ON ||
           (mode == DHCP_AUTO && (!lan->others.decided || lan->others.server.address == 0));
}

/* Finds out which addresses are in use. It need not be over for the next step: see wanted_duty. */
static bool want_sweep(struct lan *lan, int64_t now_ms)
{
    struct probe_sweep *sweep = &lan->probe.sweep;
    const struct config_dhcp *dhcp = &lan->config->dhcp;

    if (lan->swept || sweep->asking || !wants_dhcp(lan))
        return true;
    if (dhcp->last - dhcp->first >= PROBE_SWEEP_MAX) { /* dnsmasq asks for each that it gives */
        lan->swept = true;
        return true;
    }
    if (sweep->round == 0) {
        if (!want_probe(lan))
            return false;
        probe_ask_range(&lan->probe, dhcp->first, dhcp->last, now_ms);
        return true;
    }
    lan->swept = leases_adopt(&lan->leases, sweep->device, sweep->count, dhcp->lease) >= 0;
    sweep->round = 0;
    return lan->swept || trouble(lan, LAN_TROUBLE, "cannot write to the store");
}

static unsigned wanted_duty(const struct lan *lan)
{
    bool decided = lan->others.decided || lan->config->dhcp.mode == DHCP_ON;

    return (lan->config->dns.enabled ? DUTY_DNS : 0u) |
           (decided && lan->swept && wants_dhcp(lan) ? DUTY_DHCP : 0u);
}

/* ---- dnsmasq ---- */

/* Whether it answers DNS only because it is not known yet who else gives addresses: its leases are
 * good, and their names are answered meanwhile. */
static bool is_waiting(const struct lan *lan, unsigned duty)
{
    return !(duty & DUTY_DHCP) && wants_dhcp(lan);
}

static int write_config(const struct lan *lan, unsigned duty, const char *path)
{
    struct generate what = {.config = lan->config,
                            .duty = duty,
                            .folder = lan->folder,
                            .script = lan->script,
                            .names = is_waiting(lan, duty) ? LEASES_NAMES : NULL,
                            .as_root = geteuid() == 0};
    struct buf text;
    int result;

    buf_init(&text, 65536);
    generate_config(&text, &what);
    result = fs_replace_file(path, text.data, text.len, 0640);
    buf_done(&text);
    return result;
}

static bool start(struct lan *lan, unsigned duty)
{
    char *path = mem_printf("%s/" CHILD_CONFIG, lan->folder), *why = NULL, sentence[300];
    bool good = false;

    if (child_program() == NULL)
        trouble(lan, LAN_TROUBLE, "dnsmasq is missing: apt install dnsmasq-base");
    else if (ports_taken(lan->link.address, lan->link.name, duty, sentence, sizeof(sentence)))
        trouble(lan, LAN_TROUBLE, "%s", sentence);
    else if (write_config(lan, duty, path) < 0 || leases_write_snapshot(&lan->leases) < 0 ||
             leases_write_names(&lan->leases) < 0)
        trouble(lan, LAN_TROUBLE, "cannot write to %s", lan->folder);
    else if (child_test(lan->folder, &why) < 0)
        trouble(lan, LAN_TROUBLE, "dnsmasq refuses its configuration: %s", why);
    else if (child_start(&lan->child, lan->folder, lan->environment) < 0)
        trouble(lan, LAN_TROUBLE, "dnsmasq could not be started");
    else
        good = true;
    lan->leases.stale &= !good;
    free(why);
    free(path);
    return good;
}

static bool want_dnsmasq(struct lan *lan, int64_t now_ms)
{
    unsigned duty = wanted_duty(lan);

    if (lan->child.pid > 0 && (lan->duty != duty || lan->leases.stale))
        child_stop(&lan->child);
    lan->duty = duty;
    if (duty == DUTY_NONE)
        return true;
    if (lan->child.pid < 0) {
        if ((lan->phase == LAN_TROUBLE && now_ms < lan->next_try_ms) ||
            now_ms < lan->child.retry_ms || !start(lan, duty))
            return false;
        lan->phase = LAN_STARTING;
    }
    return lan->child.serves || stay(lan, LAN_STARTING);
}

static void bury(struct lan *lan)
{
    char last[sizeof(lan->child.last)];

    child_listen(&lan->child);
    memcpy(last, lan->child.last, sizeof(last));
    child_bury(&lan->child, when_monotonic_ms());
    if (lan->child.failures > 1)
        trouble(lan, LAN_TROUBLE, "dnsmasq ends again and again: %s", last);
    lan->next_try_ms = lan->child.retry_ms;
    lan->swept = false;
}

/* ---- one turn ---- */

static void walk(struct lan *lan, int64_t now_ms)
{
    /* What has failed is tried again, but not in every turn. */
    if (lan->phase == LAN_NO_RIGHTS && now_ms < lan->next_try_ms)
        return;
    if (!want_interface(lan, now_ms) || !want_address(lan, now_ms) || !want_decision(lan, now_ms) ||
        !want_sweep(lan, now_ms) || !want_dnsmasq(lan, now_ms))
        return;
    if (lan->duty & DUTY_DHCP)
        lan->phase = LAN_SERVING;
    else if (wants_dhcp(lan))
        lan->phase = LAN_LISTENING;
    else if (lan->config->dhcp.mode == DHCP_AUTO)
        lan->phase = LAN_STANDING_BY;
    else
        lan->phase = lan->duty == DUTY_NONE ? LAN_QUIET : LAN_SERVING;
}

/* No more is asked than is needed: a socket that hears everything wakes us for everything. */
static void rest_probe(struct lan *lan)
{
    if (lan->probe.fd == -1 || probe_is_asking(&lan->probe) || lan->others.asking ||
        lan->phase == LAN_ASKING || (!lan->swept && wants_dhcp(lan)))
        return;
    if (lan->duty & DUTY_DHCP)
        probe_watch(&lan->probe);
    else
        probe_close(&lan->probe);
}

static bool is_readable(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};

    return fd != -1 && poll(&one, 1, 0) == 1;
}

static void receive(struct lan *lan)
{
    if (is_readable(lan->link.fd))
        link_look(&lan->link);
    if (lan->probe.fd != -1)
        probe_receive(&lan->probe);
    if (is_readable(lan->leases.fd))
        leases_take(&lan->leases, lan->config->dhcp.lease);
    if (is_readable(lan->child.log_fd))
        child_listen(&lan->child);
    if (is_readable(lan->child.process_fd))
        bury(lan);
    upstream_receive(&lan->upstream);
}

int64_t lan_step(struct lan *lan)
{
    int64_t now_ms = when_monotonic_ms(), probe_ms;
    enum lan_phase was = lan->phase;

    if (*lan->config->lan.interface == '\0') {
        lan->phase = LAN_OFF;
        tell(lan);
        return PROBE_NEVER;
    }
    receive(lan);
    probe_ms = probe_step(&lan->probe, now_ms);
    walk(lan, now_ms);
    if (lan->probe.fd != -1)
        probe_ms = probe_step(&lan->probe, now_ms); /* what walk has begun to ask */
    rest_probe(lan);
    tell(lan);
    if (was != lan->phase)
        return now_ms; /* the next thing may be due already */
    return probe_ms < now_ms + SOON_MS ? probe_ms : now_ms + SOON_MS;
}

/* Where its questions go astray it is not to blame. */
static void feel_pulse(struct lan *lan)
{
    if (lan->child.serves && lan->child.pid > 0 && (lan->duty & DUTY_DNS) &&
        lan->link.has_address && lan->link.cable)
        pulse_step(&lan->pulse, &lan->child, lan->link.address, lan->config->box.name,
                   when_monotonic_ms());
    else
        pulse_close(&lan->pulse);
}

void lan_tick(struct lan *lan)
{
    if (lan->phase == LAN_OFF)
        return;
    feel_pulse(lan);
    if (upstream_step(&lan->upstream, lan->config, when_monotonic_ms()))
        child_reload(&lan->child);
    leases_look(&lan->leases, lan->config->dhcp.lease);
    lan->swept &= !lan->leases.stale;
}

bool lan_is_settled(const struct lan *lan)
{
    return lan->phase != LAN_ASKING && lan->phase != LAN_STARTING;
}

size_t lan_fds(const struct lan *lan, struct pollfd fds[LAN_MAX_FDS])
{
    const int own[] = {lan->link.fd, lan->probe.fd, lan->leases.fd, lan->child.log_fd,
                       lan->child.process_fd};
    size_t count = 0;

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (own[i] != -1)
            fds[count++] = (struct pollfd){.fd = own[i], .events = POLLIN};
    for (size_t i = 0; i < lan->upstream.count; i++)
        if (lan->upstream.server[i].fd != -1)
            fds[count++] = (struct pollfd){.fd = lan->upstream.server[i].fd, .events = POLLIN};
    return count;
}
