#include "identity/person.h"
#include "identity/person_private.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "identity/event.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBJECT_MAX (2 * DIGEST_SHA256_SIZE + 1)
#define REASON_MAX  512

/* The one way to write an address: IPv4-mapped IPv6 as IPv4. 0, or -1 if it is none. */
static int address_normalise(const char *typed, char *out)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, typed, &v4) == 1)
        return inet_ntop(AF_INET, &v4, out, SUBJECT_MAX) ? 0 : -1;
    if (inet_pton(AF_INET6, typed, &v6) != 1)
        return -1;
    if (IN6_IS_ADDR_V4MAPPED(&v6))
        return inet_ntop(AF_INET, &v6.s6_addr[12], out, SUBJECT_MAX) ? 0 : -1;
    return inet_ntop(AF_INET6, &v6, out, SUBJECT_MAX) ? 0 : -1;
}

/* The one way to write a subject of that kind. 0, or -1 if it cannot be one. */
static int subject_normalise(const char *kind, const char *typed, char *out)
{
    uint8_t digest[DIGEST_SHA256_SIZE];
    if (strcmp(kind, "address") == 0)
        return address_normalise(typed, out);
    if (strcmp(kind, "key") == 0) {
        if (strlen(typed) != 2 * sizeof digest || fs_unhex(typed, digest, sizeof digest))
            return -1;
        fs_hex(digest, sizeof digest, out);
        return 0;
    }
    char *end;
    long long id = strtoll(typed, &end, 10);
    if (strcmp(kind, "person") != 0 || id <= 0 || *end)
        return -1;
    snprintf(out, SUBJECT_MAX, "%lld", id);
    return 0;
}

/* The id of a ban. 1, 0, -1. */
static int ban_find(struct store *store, const char *kind, const char *subject, int64_t *id)
{
    return store_int(store, id, "SELECT id FROM ban WHERE kind = ? AND subject = ?", "ss", kind,
                     subject);
}

static int ban_write(struct store *store, const char *kind, const char *subject, const char *reason,
                     int64_t by_id, int64_t until_ms)
{
    struct buf clean;
    int64_t id;
    buf_init(&clean, REASON_MAX);
    text_clean(&clean, reason ? reason : "", reason ? strlen(reason) : 0, TEXT_ONE_LINE);
    int result =
        store_run(store,
                  "INSERT INTO ban (kind, subject, reason, by_id, created_at, until) "
                  "VALUES (?1, ?2, ?3, nullif(?4, 0), ?5, nullif(?6, 0)) "
                  "ON CONFLICT (kind, subject) DO UPDATE SET reason = ?3, "
                  "by_id = nullif(?4, 0), created_at = ?5, until = nullif(?6, 0)",
                  "sssiii", kind, subject, buf_text(&clean), by_id, when_wall_ms(), until_ms);
    buf_done(&clean);
    if (result || ban_find(store, kind, subject, &id) != 1)
        return -1;
    return event_append(store, EVENT_BAN, id);
}

enum person_act ban_set(struct store *store, const char *kind, const char *subject,
                        const char *reason, int64_t by_id, int64_t until_ms)
{
    char normal[SUBJECT_MAX];
    struct person person;
    if (subject_normalise(kind, subject, normal))
        return ACT_BAD_SUBJECT;
    if (store_begin(store, STORE_SYNCED))
        return ACT_FAILED;
    int found = strcmp(kind, "person") ? 1 : person_by_id(store, atoll(normal), &person);
    if (found != 1) {
        store_rollback(store);
        return found == 0 ? ACT_NOBODY : ACT_FAILED;
    }
    int result = ban_write(store, kind, normal, reason, by_id, until_ms);
    return store_end(store, result) ? ACT_FAILED : ACT_DONE;
}

enum person_act ban_lift(struct store *store, const char *kind, const char *subject)
{
    char normal[SUBJECT_MAX];
    int64_t id = 0;
    if (subject_normalise(kind, subject, normal))
        return ACT_BAD_SUBJECT;
    if (store_begin(store, STORE_SYNCED))
        return ACT_FAILED;
    int found = ban_find(store, kind, normal, &id);
    if (found != 1) {
        store_rollback(store);
        return found == 0 ? ACT_NOTHING_TO_DO : ACT_FAILED;
    }
    int result = store_run(store, "DELETE FROM ban WHERE id = ?", "i", id) ? -1 : 0;
    if (result == 0)
        result = event_append(store, EVENT_BAN, id);
    return store_end(store, result) ? ACT_FAILED : ACT_DONE;
}

int ban_holds(struct store *store, int64_t person_id, const uint8_t *key_digest,
              const char *address, char **reason)
{
    char who[24], key[SUBJECT_MAX] = "", from[SUBJECT_MAX] = "";
    snprintf(who, sizeof who, "%lld", (long long)person_id);
    if (key_digest)
        fs_hex(key_digest, DIGEST_SHA256_SIZE, key);
    if (!address || address_normalise(address, from))
        from[0] = '\0';
    struct rows rows;
    rows_open(&rows, store,
              "SELECT reason FROM ban WHERE (until IS NULL OR until > ?4) AND ("
              " (kind = 'person' AND subject = ?1) OR (kind = 'key' AND subject = ?2)"
              " OR (kind = 'address' AND subject = ?3)"
              " OR (kind = 'person' AND subject IN (SELECT CAST(person_id AS TEXT)"
              "     FROM credential WHERE digest = ?5 AND kind = 'key'))) LIMIT 1",
              "sssib", who, key, from, when_wall_ms(), key_digest,
              key_digest ? (size_t)DIGEST_SHA256_SIZE : (size_t)0);
    int found = rows_next(&rows);
    if (found == 1 && reason)
        *reason = mem_dup(rows_text(&rows, 0));
    rows_close(&rows);
    return found;
}

int ban_list(struct store *store, ban_each *each, void *context)
{
    struct rows rows;
    int found;
    rows_open(&rows, store,
              "SELECT ban.id, kind, subject, reason, ban.created_at, until, them.name, who.name "
              "FROM ban LEFT JOIN person AS them ON kind = 'person' "
              "AND them.id = CAST(subject AS INTEGER) LEFT JOIN person AS who ON who.id = by_id "
              "WHERE until IS NULL OR until > ? ORDER BY ban.id",
              "i", when_wall_ms());
    while ((found = rows_next(&rows)) == 1) {
        struct ban ban = {
            .id = rows_int(&rows, 0),
            .reason = rows_text(&rows, 3),
            .created_at = rows_int(&rows, 4),
            .until = rows_int(&rows, 5),
            .name = rows_text(&rows, 6),
            .by = rows_text(&rows, 7),
        };
        FIELD(ban.kind, rows_text(&rows, 1));
        FIELD(ban.subject, rows_text(&rows, 2));
        each(context, &ban);
    }
    rows_close(&rows);
    return found;
}
