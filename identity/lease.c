#include "identity/lease.h"
#include "identity/person_private.h"

#include "base/when.h"
#include "identity/event.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

/* Bytes in hexadecimal with colons: `aa:bb:...`, as dnsmasq writes them. */
static bool is_hex_bytes(const char *text)
{
    for (;;) {
        if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
            return false;
        text += 2;
        if (*text == '\0')
            return true;
        if (*text++ != ':')
            return false;
    }
}

static bool is_mac(const char *mac)
{
    /* `06-` before the address: a hardware type other than Ethernet */
    if (isxdigit((unsigned char)mac[0]) && isxdigit((unsigned char)mac[1]) && mac[2] == '-')
        mac += 3;
    return is_hex_bytes(mac);
}

/* One label of a host name (RFC 1123), in the case in which it came. */
static bool is_label(const char *host)
{
    size_t length = strlen(host);
    if (length == 0 || length > 63 || host[0] == '-' || host[length - 1] == '-')
        return false;
    for (; *host; host++) {
        if (!isalnum((unsigned char)*host) && *host != '-')
            return false;
    }
    return true;
}

static bool is_address(const char *ip)
{
    uint8_t parsed[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, ip, parsed) == 1 || inet_pton(AF_INET6, ip, parsed) == 1;
}

static bool is_sound(const struct lease *lease)
{
    return is_address(lease->ip) && is_mac(lease->mac) &&
           (!lease->client_id[0] || is_hex_bytes(lease->client_id));
}

int lease_put(struct store *store, const struct lease *lease)
{
    if (!is_sound(lease))
        return -1;
    const char *host = is_label(lease->host) ? lease->host : "";
    if (store_run(store,
                  "INSERT INTO lease (ip, mac, client_id, host, started_at, expires_at) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (ip) DO UPDATE SET "
                  "started_at = iif(mac = ?2, started_at, ?5), mac = ?2, client_id = ?3, "
                  "host = ?4, expires_at = ?6",
                  "ssssii", lease->ip, lease->mac, lease->client_id, host, lease->started_at,
                  lease->expires_at))
        return -1;
    return event_append(store, EVENT_LEASE, 0);
}

int lease_drop(struct store *store, const char *ip)
{
    if (store_run(store, "DELETE FROM lease WHERE ip = ?", "s", ip))
        return -1;
    return store_changes(store) > 0 ? event_append(store, EVENT_LEASE, 0) : 0;
}

int lease_expire(struct store *store, int64_t now_ms)
{
    if (store_run(store, "DELETE FROM lease WHERE expires_at <= ?", "i", now_ms))
        return -1;
    return store_changes(store) > 0 ? event_append(store, EVENT_LEASE, 0) : 0;
}

static void lease_from_rows(struct rows *rows, struct lease *lease)
{
    *lease = (struct lease){.started_at = rows_int(rows, 4), .expires_at = rows_int(rows, 5)};
    FIELD(lease->ip, rows_text(rows, 0));
    FIELD(lease->mac, rows_text(rows, 1));
    FIELD(lease->client_id, rows_text(rows, 2));
    FIELD(lease->host, rows_text(rows, 3));
    if (!is_label(lease->host))
        lease->host[0] = '\0';
}

#define COLUMNS "ip, mac, client_id, host, started_at, expires_at"

int lease_list(struct store *store, lease_each *each, void *context)
{
    struct rows rows;
    struct lease lease;
    int found;
    rows_open(&rows, store, "SELECT " COLUMNS " FROM lease ORDER BY started_at, ip", "");
    while ((found = rows_next(&rows)) == 1) {
        lease_from_rows(&rows, &lease);
        if (is_sound(&lease))
            each(context, &lease);
    }
    rows_close(&rows);
    return found;
}

int lease_by_ip(struct store *store, const char *ip, struct lease *lease)
{
    struct rows rows;
    memset(lease, 0, sizeof *lease);
    rows_open(&rows, store, "SELECT " COLUMNS " FROM lease WHERE ip = ? AND expires_at > ?", "si",
              ip, when_wall_ms());
    int found = rows_next(&rows);
    if (found == 1)
        lease_from_rows(&rows, lease);
    rows_close(&rows);
    return found;
}
