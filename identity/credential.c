#include "identity/credential.h"
#include "identity/person_private.h"

#include "base/when.h"
#include "identity/event.h"

#include <stdio.h>
#include <string.h>

#define USED_EVERY_MS 60000

/* ---- fingerprints ---- */

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void credential_fingerprint(const uint8_t digest[DIGEST_SHA256_SIZE], char *out)
{
    uint8_t bytes[DIGEST_SHA256_SIZE + 2] = {0};
    memcpy(bytes, digest, DIGEST_SHA256_SIZE);
    out += sprintf(out, "SHA256:");
    for (size_t bit = 0; bit < 8 * DIGEST_SHA256_SIZE; bit += 6) {
        unsigned pair = (unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];
        *out++ = base64[pair >> (10 - bit % 8) & 63];
    }
    *out = '\0';
}

int credential_fingerprint_parse(const char *text, uint8_t digest[DIGEST_SHA256_SIZE])
{
    uint8_t bytes[DIGEST_SHA256_SIZE + 2] = {0};
    char again[FINGERPRINT_TEXT];
    if (strncmp(text, "SHA256:", 7) != 0 || strlen(text) != FINGERPRINT_TEXT - 2)
        return -1;
    for (size_t i = 0; text[7 + i]; i++) {
        const char *letter = strchr(base64, text[7 + i]);
        if (!letter)
            return -1;
        size_t bit = i * 6;
        unsigned pair = (unsigned)(letter - base64) << (10 - bit % 8);
        bytes[bit / 8] |= (uint8_t)(pair >> 8);
        bytes[bit / 8 + 1] |= (uint8_t)pair;
    }
    memcpy(digest, bytes, DIGEST_SHA256_SIZE);
    credential_fingerprint(digest, again);
    return strcmp(again, text) == 0 ? 0 : -1;
}

/* ---- credentials ---- */

/* Remembers the use, if the last one is a minute ago. */
static void used(struct store *store, int64_t id, int64_t used_at, const char *address,
                 const struct person *person, int64_t now)
{
    if (now - used_at < USED_EVERY_MS)
        return;
    store_run_soon(store,
                   "UPDATE credential SET used_at = max(used_at, ?), address = ? WHERE id = ?",
                   "isi", now, address ? address : "", id);
    person_seen(store, person->id, now);
}

int credential_person(struct store *store, const char *kind, const uint8_t *digest,
                      const char *address, struct person *person, int64_t *credential_id)
{
    int64_t now = when_wall_ms(), id = 0, used_at = 0;
    bool browser = strcmp(kind, "browser") == 0;
    int64_t idle_since = browser ? now - CREDENTIAL_BROWSER_IDLE_S * 1000LL : 0;
    struct rows rows;
    memset(person, 0, sizeof *person);
    rows_open(&rows, store,
              "SELECT " PERSON_COLUMNS ", credential.id, used_at FROM credential "
              "JOIN person ON person.id = person_id WHERE digest = ? AND kind = ? "
              "AND (expires_at IS NULL OR expires_at > ?) AND used_at >= ? "
              "ORDER BY used_at DESC LIMIT 1",
              "bsii", digest, (size_t)DIGEST_SHA256_SIZE, kind, now, idle_since);
    int found = rows_next(&rows);
    if (found == 1) {
        person_from_rows(&rows, 0, person);
        id = rows_int(&rows, PERSON_COLUMN_COUNT);
        used_at = rows_int(&rows, PERSON_COLUMN_COUNT + 1);
    }
    rows_close(&rows);
    if (found != 1)
        return found;
    int banned = ban_holds(store, person->id, digest, address, NULL);
    if (banned)
        return banned == 1 ? 0 : -1;
    used(store, id, used_at, address, person, now);
    if (credential_id)
        *credential_id = id;
    return 1;
}

int credential_banned(struct store *store, const char *kind, const uint8_t *digest,
                      const char *address, char **reason)
{
    int64_t person_id = 0;
    int found = store_int(store, &person_id,
                          "SELECT person_id FROM credential WHERE digest = ? AND kind = ? "
                          "ORDER BY used_at DESC LIMIT 1",
                          "bs", digest, (size_t)DIGEST_SHA256_SIZE, kind);
    return found == 1 ? ban_holds(store, person_id, digest, address, reason) : found;
}

int credential_entered(struct store *store, const char *kind, const uint8_t *digest,
                       const char *address, const struct person *person, int64_t *credential_id)
{
    int64_t used_at = 0;
    struct rows rows;
    rows_open(&rows, store,
              "SELECT id, used_at FROM credential WHERE digest = ? AND kind = ? AND person_id = ?",
              "bsi", digest, (size_t)DIGEST_SHA256_SIZE, kind, person->id);
    int found = rows_next(&rows);
    if (found == 1) {
        *credential_id = rows_int(&rows, 0);
        used_at = rows_int(&rows, 1);
    }
    rows_close(&rows);
    if (found == 1)
        used(store, *credential_id, used_at, address, person, when_wall_ms());
    return found;
}

int credential_add(struct store *store, int64_t person_id, const char *kind, const uint8_t *digest,
                   const char *label, const char *address, int64_t life_s)
{
    int64_t now = when_wall_ms();
    char shown[LABEL_SIZE];
    label_clean(label, shown);
    if (store_begin(store, STORE_SYNCED))
        return -1;
    int result = store_run(store,
                           "INSERT INTO credential (person_id, kind, digest, label, address, "
                           "created_at, used_at, expires_at) "
                           "VALUES (nullif(?1, 0), ?2, ?3, ?4, ?5, ?6, ?6, nullif(?7, 0))",
                           "isbssii", person_id, kind, digest, (size_t)DIGEST_SHA256_SIZE, shown,
                           address ? address : "", now, life_s ? now + life_s * 1000 : (int64_t)0);
    if (result == 0 && person_id)
        result = event_append(store, EVENT_PERSON, person_id);
    int ended = store_end(store, result);
    return result == STORE_EXISTS ? STORE_EXISTS : ended;
}

int credential_list(struct store *store, int64_t person_id, const char *kind, credential_each *each,
                    void *context)
{
    struct rows rows;
    int found;
    rows_open(&rows, store,
              "SELECT id, person_id, kind, digest, label, address, created_at, used_at, expires_at "
              "FROM credential WHERE person_id = ?1 AND (?2 IS NULL OR kind = ?2) "
              "AND (expires_at IS NULL OR expires_at > ?3) ORDER BY id",
              "isi", person_id, kind, when_wall_ms());
    while ((found = rows_next(&rows)) == 1) {
        struct credential credential = {
            .id = rows_int(&rows, 0),
            .person_id = rows_int(&rows, 1),
            .created_at = rows_int(&rows, 6),
            .used_at = rows_int(&rows, 7),
            .expires_at = rows_int(&rows, 8),
        };
        size_t length;
        const void *digest = rows_bytes(&rows, 3, &length);
        if (length == sizeof credential.digest)
            memcpy(credential.digest, digest, length);
        FIELD(credential.kind, rows_text(&rows, 2));
        FIELD(credential.label, rows_text(&rows, 4));
        FIELD(credential.address, rows_text(&rows, 5));
        each(context, &credential);
    }
    rows_close(&rows);
    return found;
}

/* Whether without it they could not come back: their last key, and no browser. 1, 0, -1. */
static int is_last_door(struct store *store, int64_t person_id, int64_t id)
{
    int64_t other;
    int found = store_int(store, &other,
                          "SELECT id FROM credential WHERE person_id = ?1 AND id <> ?2 "
                          "AND kind IN ('key', 'browser') LIMIT 1",
                          "ii", person_id, id);
    if (found)
        return found == 1 ? 0 : -1;
    return store_int(store, &other, "SELECT id FROM credential WHERE id = ? AND kind = 'key'", "i",
                     id);
}

enum person_act credential_remove(struct store *store, int64_t person_id, int64_t id)
{
    int64_t theirs;
    if (store_begin(store, STORE_SYNCED))
        return ACT_FAILED;
    int found = store_int(store, &theirs, "SELECT 1 FROM credential WHERE id = ? AND person_id = ?",
                          "ii", id, person_id);
    int last = found == 1 ? is_last_door(store, person_id, id) : 0;
    if (found != 1 || last) {
        store_rollback(store);
        return found == -1 || last == -1 ? ACT_FAILED : ACT_NOTHING_TO_DO;
    }
    int result = store_run(store, "DELETE FROM credential WHERE id = ?", "i", id) ? -1 : 0;
    if (result == 0)
        result = event_append(store, EVENT_REVOKED, id);
    return store_end(store, result) ? ACT_FAILED : ACT_DONE;
}

int credential_tidy(struct store *store)
{
    int64_t now = when_wall_ms();
    if (store_run_soon(store,
                       "DELETE FROM credential WHERE expires_at <= ?1 OR (kind = 'browser' AND "
                       "used_at < ?2)",
                       "ii", now, now - CREDENTIAL_BROWSER_IDLE_S * 1000LL))
        return -1;
    return store_run_soon(store, "DELETE FROM code WHERE expires_at <= ?", "i", now) ? -1 : 0;
}

/* ---- codes ---- */

static bool is_web(const char *kind)
{
    return strcmp(kind, "web") == 0;
}

/* The digest of a code as typed. 0, or -1 if it cannot be one of that kind. */
static int code_digest(const char *kind, const char *typed, uint8_t digest[DIGEST_SHA256_SIZE])
{
    char normal[CODE_TEXT];
    if (is_web(kind)) {
        if (strlen(typed) != SECRET_TEXT - 1)
            return -1;
        secret_digest(typed, digest);
        return 0;
    }
    if (code_normalise(typed, normal))
        return -1;
    secret_digest(normal, digest);
    return 0;
}

int code_make(struct store *store, int64_t person_id, const char *kind, char *out)
{
    uint8_t digest[DIGEST_SHA256_SIZE];
    int64_t now = when_wall_ms();
    if (is_web(kind))
        secret_new(out);
    else
        code_new(out);
    secret_digest(out, digest);
    if (store_begin(store, STORE_SYNCED))
        return -1;
    int result = store_run(store, "DELETE FROM code WHERE person_id = ? AND kind = ?", "is",
                           person_id, kind);
    if (result == 0)
        result = store_run(store,
                           "INSERT INTO code (digest, kind, person_id, created_at, expires_at) "
                           "VALUES (?, ?, ?, ?, ?)",
                           "bsiii", digest, sizeof digest, kind, person_id, now,
                           now + (is_web(kind) ? CODE_LIFE_S : CODE_KEY_LIFE_S) * 1000LL);
    return store_end(store, result);
}

/* Both ends of a code's life: a clock that was set back by more than a minute ends it, too. */
#define ALIVE " expires_at > ?3 AND created_at <= ?3 + 60000"

int code_is_open(struct store *store, int64_t person_id, const char *kind)
{
    int64_t one;
    return store_int(store, &one, "SELECT 1 FROM code WHERE person_id = ?1 AND kind = ?2 AND" ALIVE,
                     "isi", person_id, kind, when_wall_ms());
}

/* Fills in the person whose id a statement found; closes. 1, 0, -1. */
static int whose(struct rows *rows, struct store *store, struct person *person)
{
    int64_t id = 0;
    int found = rows_next(rows);
    if (found == 1)
        id = rows_int(rows, 0);
    rows_close(rows);
    memset(person, 0, sizeof *person);
    return found == 1 ? person_by_id(store, id, person) : found;
}

int code_look(struct store *store, const char *kind, const char *code, struct person *person)
{
    uint8_t digest[DIGEST_SHA256_SIZE];
    struct rows rows;
    memset(person, 0, sizeof *person);
    if (code_digest(kind, code, digest))
        return 0;
    rows_open(&rows, store, "SELECT person_id FROM code WHERE digest = ?1 AND kind = ?2 AND" ALIVE,
              "bsi", digest, sizeof digest, kind, when_wall_ms());
    return whose(&rows, store, person);
}

int code_use(struct store *store, const char *kind, const char *code, struct person *person)
{
    uint8_t digest[DIGEST_SHA256_SIZE];
    memset(person, 0, sizeof *person);
    if (code_digest(kind, code, digest))
        return 0;
    if (store_begin(store, STORE_SYNCED))
        return -1;
    int found = code_look(store, kind, code, person);
    int result = found == 1 ? 0 : -1;
    if (result == 0)
        result = store_run(store, "DELETE FROM code WHERE digest = ?", "b", digest, sizeof digest);
    if (store_end(store, result) && found == 1)
        return -1;
    return found;
}
