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

int leases_open(struct leases *leases, struct store *store, const char *folder)
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
    return leases_look(leases);
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

static int write_report(struct store *store, const struct report *report)
{
    if (report->verb == REPORT_DEL)
        return lease_drop(store, report->lease.ip);
    return lease_put(store, &report->lease);
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
        result = write_report(leases->store, &report);
    } while (result == 0 && ++taken < BATCH && receive(leases, &report) == 1);
    result = store_end(leases->store, result);
    return result < 0 ? -1 : taken == BATCH;
}

int leases_take(struct leases *leases)
{
    int more;

    while ((more = take_batch(leases)) == 1)
        continue;
    return more < 0 ? -1 : leases_look(leases);
}

int leases_look(struct leases *leases)
{
    int64_t ended = 0;
    int result;

    /* Most looks find nothing to do, and write nothing. */
    if (store_int(leases->store, &ended, "SELECT count(*) FROM lease WHERE expires_at <= ?", "i",
                  when_wall_ms()) < 0)
        return -1;
    if (ended > 0) {
        if (store_begin(leases->store, STORE_SYNCED) < 0)
            return -1;
        result = lease_expire(leases->store, when_wall_ms());
        if (store_end(leases->store, result) < 0)
            return -1;
    }
    return store_int(leases->store, &leases->count, "SELECT count(*) FROM lease", "") < 0 ? -1 : 0;
}

static void put_line(void *context, const struct lease *lease)
{
    snapshot_put(context, lease);
}

int leases_write_snapshot(struct leases *leases)
{
    char *path = mem_printf("%s/%s", leases->folder, SCRIPT_SNAPSHOT);
    struct buf lines;
    int result;

    buf_init(&lines, SNAPSHOT_MAX);
    result = lease_list(leases->store, put_line, &lines);
    if (result == 0)
        result = fs_replace_file(path, lines.data, lines.len, 0600);
    buf_done(&lines);
    free(path);
    return result;
}
