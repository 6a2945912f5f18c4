#include "dhcp/script.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SNAPSHOT_MAX (16 * 1024 * 1024)
#define FIELDS       6

static const char *const verbs[] = {
    [REPORT_ADD] = "add", [REPORT_OLD] = "old", [REPORT_DEL] = "del"};

bool script_is_wanted(int argc, char **argv)
{
    /* Newer versions of dnsmasq have more verbs; all of them are small words, no options. */
    return argc >= 2 && argv[1][0] != '-' && getenv(SCRIPT_DIR_VARIABLE) != NULL;
}

/* ---- at dnsmasq's side ---- */

static void print_snapshot(const char *folder)
{
    char *path = mem_printf("%s/%s", folder, SCRIPT_SNAPSHOT);
    struct buf leases;

    buf_init(&leases, SNAPSHOT_MAX);
    if (fs_read_file(path, &leases) < 0)
        log_errno("cannot read %s: dnsmasq starts without the leases that it gave", path);
    else if (fs_write_all(STDOUT_FILENO, leases.data, leases.len) < 0)
        log_errno("cannot hand the leases to dnsmasq");
    buf_done(&leases);
    free(path);
}

static void send_report(const char *folder, const struct buf *report)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 2};

    if (strlen(folder) + sizeof(SCRIPT_SOCKET) + 1 > sizeof(to.sun_path)) {
        errno = ENAMETOOLONG;
    } else {
        strcat(strcat(strcpy(to.sun_path, folder), "/"), SCRIPT_SOCKET);
        /* A full queue is waited for, but not for ever: dnsmasq's other reports wait behind. */
        if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
            sendto(fd, report->data, report->len, 0, (struct sockaddr *)&to, sizeof(to)) >= 0) {
            fs_close(fd);
            return;
        }
    }
    log_errno("a lease could not be reported");
    fs_close(fd);
}

int script_run(int argc, char **argv)
{
    const char *folder = getenv(SCRIPT_DIR_VARIABLE);
    struct buf report;

    log_open("dhcp", LOG_LEVEL_WARN);
    if (folder == NULL || argc < 2)
        return 0;
    if (strcmp(argv[1], "init") == 0) {
        print_snapshot(folder);
        return 0;
    }
    if (argc < 4)
        return 0;
    buf_init(&report, SCRIPT_REPORT_MAX);
    if (report_put(&report, argv[1], argv[2], argv[3], argc > 4 ? argv[4] : NULL,
                   getenv("DNSMASQ_TIME_REMAINING"), getenv("DNSMASQ_CLIENT_ID")) == 0)
        send_report(folder, &report);
    buf_done(&report);
    return 0;
}

int report_put(struct buf *out, const char *verb, const char *mac, const char *ip, const char *host,
               const char *remaining, const char *client_id)
{
    const char *const fields[FIELDS] = {verb, mac, ip, host, remaining, client_id};

    for (size_t i = 0; i < FIELDS; i++)
        if (buf_puts(out, fields[i] != NULL ? fields[i] : "") < 0 || buf_putc(out, '\0') < 0)
            return -1;
    return 0;
}

/* ---- at riad-dhcp's side ---- */

/* Pairs of hexadecimal digits with colons between. */
static bool is_hex(const char *text)
{
    for (;; text += 3) {
        uint8_t byte;

        if (fs_unhex(text, &byte, 1) < 0)
            return false;
        if (text[2] == '\0')
            return true;
        if (text[2] != ':')
            return false;
    }
}

/* Behind the hardware type, unless that is Ethernet: `20-00:...` */
static bool is_hardware(const char *text)
{
    uint8_t byte;

    if (strlen(text) > 3 && fs_unhex(text, &byte, 1) == 0 && text[2] == '-')
        text += 3;
    return is_hex(text);
}

static bool is_label(const char *text)
{
    size_t length = strlen(text);

    return length >= 1 && length <= 63 && text[0] != '-' && text[length - 1] != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static int parse_verb(const char *word, enum report_verb *verb)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(word, verbs[i]) == 0) {
            *verb = (enum report_verb)i;
            return 0;
        }
    }
    return -1;
}

/* Seconds from now on as a moment. dnsmasq writes an unsigned int, also of less than nothing. */
static int parse_remaining(const char *text, int64_t now_ms, int64_t *expires_ms)
{
    size_t length = strlen(text);
    long long seconds;

    if (length == 0 || length > 10 || strspn(text, "0123456789") != length)
        return -1;
    seconds = strtoll(text, NULL, 10);
    *expires_ms = now_ms + seconds * 1000;
    return seconds <= INT32_MAX ? 0 : -1;
}

/* Copies a field that may be this long with its NUL. */
static int keep(char *to, size_t size, const char *field)
{
    if (strlen(field) >= size)
        return -1;
    strcpy(to, field);
    return 0;
}

int report_parse(const void *bytes, size_t length, int64_t now_ms, struct report *report)
{
    const char *at = bytes, *end = at + length, *fields[FIELDS];
    struct lease *lease = &report->lease;
    struct in_addr address;

    for (size_t i = 0; i < FIELDS; i++) {
        const char *nul = at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;

        if (nul == NULL)
            return -1;
        fields[i] = at;
        at = nul + 1;
    }
    *report = (struct report){.lease.started_at = now_ms};
    if (at != end || parse_verb(fields[0], &report->verb) < 0 ||
        keep(lease->mac, sizeof(lease->mac), fields[1]) < 0 || !is_hardware(lease->mac) ||
        keep(lease->ip, sizeof(lease->ip), fields[2]) < 0 ||
        inet_pton(AF_INET, lease->ip, &address) != 1)
        return -1;
    if (keep(lease->host, sizeof(lease->host), fields[3]) == 0)
        text_lower(lease->host);
    if (!is_label(lease->host))
        lease->host[0] = '\0';
    if (report->verb != REPORT_DEL && parse_remaining(fields[4], now_ms, &lease->expires_at) < 0)
        return -1;
    if (*fields[5] != '\0' && (keep(lease->client_id, sizeof(lease->client_id), fields[5]) < 0 ||
                               !is_hex(lease->client_id)))
        return -1;
    return 0;
}

int snapshot_put(struct buf *out, const struct lease *lease, int64_t ahead_ms)
{
    return buf_printf(out, "%" PRId64 " %s %s %s %s\n", (lease->expires_at - ahead_ms) / 1000,
                      lease->mac, lease->ip, *lease->host != '\0' ? lease->host : "*",
                      *lease->client_id != '\0' ? lease->client_id : "*");
}
