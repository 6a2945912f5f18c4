#include "dhcp/leases.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "dhcp/script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Bytes of reports that may wait: some thousands. */
#define QUEUE_BYTES  (4 * 1024 * 1024)
#define SNAPSHOT_MAX (16 * 1024 * 1024)
/* Reports of one transaction: others who write wait no longer than this takes. */
#define BATCH 256
/* A clock that was set, not one that drifts; and how long dnsmasq's script may lag behind it. */
#define JUMP_MS 60000
#define KEEP_MS 10000
#define DAY_MS  (INT64_C(24) * 3600 * 1000)

static int count(struct leases *leases)
{
    return store_int(leases->store, &leases->count, "SELECT count(*) FROM lease", "") < 0 ? -1 : 0;
}

/* How far the box's time and the machine's clock are ahead of the monotonic one. */
static void read_clock(struct leases *leases)
{
    leases->wall_ms = when_wall_ms() - when_monotonic_ms();
    leases->machine_ms = when_machine_ms() - when_monotonic_ms();
}

/* A clock that was a year ahead would keep its addresses from everybody for a year. */
static int shorten(struct store *store, int64_t lease_s)
{
    int64_t last = when_wall_ms() + lease_s * 1000 + DAY_MS, long_ones = 0;

    if (store_int(store, &long_ones, "SELECT count(*) FROM lease WHERE expires_at > ?", "i", last) <
        0)
        return -1;
    return long_ones == 0 ? 0
                          : store_run(store, "UPDATE lease SET expires_at = min(expires_at, ?)",
                                      "i", when_wall_ms() + lease_s * 1000);
}

int leases_open(struct leases *leases, struct store *store, const char *folder, int64_t lease_s)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int queue = QUEUE_BYTES;

    *leases = (struct leases){.fd = -1, .store = store, .folder = mem_dup(folder)};
    if (strlen(folder) + sizeof(SCRIPT_SOCKET) + 1 > sizeof(address.sun_path)) {
        log_error("%s: the path is too long for a socket; choose a shorter [box] state", folder);
        goto out;
    }
    strcat(strcat(strcpy(address.sun_path, folder), "/"), SCRIPT_SOCKET);
    leases->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    unlink(address.sun_path);
    if (leases->fd < 0 || bind(leases->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        log_errno("cannot open %s", address.sun_path);
        goto out;
    }
    setsockopt(leases->fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue));
    read_clock(leases);
    return shorten(store, lease_s) < 0 ? -1 : count(leases);
out:
    leases_close(leases);
    return -1;
}

void leases_close(struct leases *leases)
{
    fs_close(leases->fd);
    free(leases->folder);
    *leases = (struct leases){.fd = -1};
}

/* Reads one report. 1 there it is, 0 none is waiting. */
static int receive(struct leases *leases, struct report *report)
{
    char datagram[SCRIPT_REPORT_MAX];
    ssize_t got;

    while ((got = recv(leases->fd, datagram, sizeof(datagram), MSG_DONTWAIT)) >= 0) {
        if (report_parse(datagram, (size_t)got, when_wall_ms(), report) == 0)
            return 1;
        leases->refused++;
        log_debug("a report of dnsmasq's was not understood");
    }
    return 0;
}

static int write_report(const struct leases *leases, const struct report *report)
{
    if (report->verb != REPORT_DEL)
        return lease_put(leases->store, &report->lease);
    if (when_monotonic_ms() < leases->keep_until_ms)
        return 0;
    return lease_drop(leases->store, report->lease.ip);
}

/* Who sets the clock ends no lease: they are set with it. dnsmasq, which goes by the machine's, has
 * taken them for ended, or is about to. */
static int follow_clock(struct leases *leases, int64_t lease_s)
{
    int64_t wall_ms = leases->wall_ms, machine_ms = leases->machine_ms, jump;

    read_clock(leases);
    if (llabs(leases->machine_ms - machine_ms) >= JUMP_MS) {
        leases->stale = true;
        leases->keep_until_ms = when_monotonic_ms() + KEEP_MS;
    }
    jump = leases->wall_ms - wall_ms;
    if (llabs(jump) < JUMP_MS)
        return 0;
    return store_run(leases->store, "UPDATE lease SET expires_at = min(expires_at + ?, ?)", "ii",
                     jump, when_wall_ms() + lease_s * 1000);
}

/* One transaction. 1 there may be more, 0 no, -1 failed. */
static int take_batch(struct leases *leases)
{
    struct report report;
    int taken = 0, result = 0;

    if (receive(leases, &report) == 0)
        return 0;
    if (store_begin(leases->store, STORE_SYNCED) < 0)
        return -1;
    do {
        log_debug("lease: %s %s", report.lease.ip, report.lease.mac);
        result = write_report(leases, &report);
    } while (result == 0 && ++taken < BATCH && receive(leases, &report) == 1);
    result = store_end(leases->store, result);
    return result < 0 ? -1 : taken == BATCH;
}

int leases_take(struct leases *leases, int64_t lease_s)
{
    int more;

    if (follow_clock(leases, lease_s) < 0)
        return -1;
    while ((more = take_batch(leases)) == 1)
        continue;
    return more < 0 ? -1 : count(leases);
}

/* Within a transaction. 1 written, 0 it has a lease, -1 failed. */
static int adopt(struct store *store, const struct probe_device *device, int64_t lease_s)
{
    struct lease lease = {.started_at = when_wall_ms()}, known;
    int found;

    packet_ip_text(device->address, lease.ip);
    packet_mac_text(device->mac, lease.mac);
    lease.expires_at = lease.started_at + lease_s * 1000;
    found = lease_by_ip(store, lease.ip, &known);
    if (found == 1 && strcmp(known.mac, lease.mac) != 0)
        log_warn("%s is the address of %s, but %s has it: two devices with one address", lease.ip,
                 known.mac, lease.mac);
    if (found != 0)
        return found < 0 ? -1 : 0;
    log_info("%s is in use by %s, without a lease that is known: it is theirs from now on",
             lease.ip, lease.mac);
    return lease_put(store, &lease) < 0 ? -1 : 1;
}

int leases_adopt(struct leases *leases, const struct probe_device *device, size_t devices,
                 int64_t lease_s)
{
    int result = 0, adopted = 0;

    if (devices == 0)
        return 0;
    if (store_begin(leases->store, STORE_SYNCED) < 0)
        return -1;
    for (size_t i = 0; i < devices && result >= 0; i++) {
        result = adopt(leases->store, &device[i], lease_s);
        adopted += result == 1;
    }
    if (store_end(leases->store, result < 0 ? -1 : 0) < 0 || count(leases) < 0)
        return -1;
    return adopted;
}

/* Most looks find nothing to do, and write nothing. */
static int expire(struct leases *leases)
{
    int64_t ended = 0;

    if (store_int(leases->store, &ended, "SELECT count(*) FROM lease WHERE expires_at <= ?", "i",
                  when_wall_ms()) < 0)
        return -1;
    if (ended == 0)
        return 0;
    if (store_begin(leases->store, STORE_SYNCED) < 0)
        return -1;
    return store_end(leases->store, lease_expire(leases->store, when_wall_ms()));
}

int leases_look(struct leases *leases, int64_t lease_s)
{
    int64_t before = leases->count;

    if (follow_clock(leases, lease_s) < 0 || count(leases) < 0)
        return -1;
    leases->stale |= leases->count < before; /* nobody but `riad reset` takes any away */
    return expire(leases) < 0 ? -1 : count(leases);
}

static void put_line(void *context, const struct lease *lease)
{
    snapshot_put(context, lease, when_wall_ms() - when_machine_ms());
}

static void put_name(void *context, const struct lease *lease)
{
    if (*lease->host != '\0')
        buf_printf(context, "%s %s\n", lease->ip, lease->host);
}

static int write_list(struct leases *leases, const char *name, lease_each *put)
{
    char *path = mem_printf("%s/%s", leases->folder, name);
    struct buf lines;
    int result;

    buf_init(&lines, SNAPSHOT_MAX);
    result = lease_list(leases->store, put, &lines);
    if (result == 0)
        result = fs_replace_file(path, lines.data, lines.len, 0600);
    buf_done(&lines);
    free(path);
    return result;
}

int leases_write_names(struct leases *leases)
{
    return write_list(leases, LEASES_NAMES, put_name);
}

int leases_write_snapshot(struct leases *leases)
{
    return write_list(leases, SCRIPT_SNAPSHOT, put_line);
}
