#include "identity/person.h"
#include "identity/person_private.h"

#include "base/text.h"
#include "base/when.h"
#include "identity/event.h"

#include <string.h>

#define SEEN_EVERY_MS 60000

static const char *const roles[] = {
    [ROLE_WAITING] = "waiting",
    [ROLE_PERSON] = "person",
    [ROLE_HOST] = "host",
};

const char *person_role_name(enum person_role role)
{
    return roles[role];
}

enum person_role person_role_parse(const char *name)
{
    return strcmp(name, "host") == 0     ? ROLE_HOST
           : strcmp(name, "person") == 0 ? ROLE_PERSON
                                         : ROLE_WAITING;
}

void field_copy(char *out, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);
    memcpy(out, text, length);
    out[length] = '\0';
}

void label_clean(const char *label, char out[LABEL_SIZE])
{
    struct buf clean;
    buf_init(&clean, LABEL_SIZE - 1);
    if (label)
        text_clean(&clean, label, strlen(label), TEXT_ONE_LINE);
    field_copy(out, LABEL_SIZE, buf_text(&clean));
    buf_done(&clean);
}

void person_from_rows(struct rows *rows, int first, struct person *person)
{
    person->id = rows_int(rows, first);
    FIELD(person->name, rows_text(rows, first + 1));
    person->role = person_role_parse(rows_text(rows, first + 2));
    person->created_at = rows_int(rows, first + 3);
    person->seen_at = rows_int(rows, first + 4);
    person->muted_until = rows_int(rows, first + 5);
}

/* The one row that was asked for; closes. 1, 0, -1. */
static int one_person(struct rows *rows, struct person *person)
{
    memset(person, 0, sizeof *person);
    int found = rows_next(rows);
    if (found == 1)
        person_from_rows(rows, 0, person);
    rows_close(rows);
    return found;
}

int person_by_name(struct store *store, const char *name, struct person *person)
{
    char folded[NAME_MAX_BYTES];
    struct rows rows;
    memset(person, 0, sizeof *person);
    enum name_verdict verdict = name_check(name, folded);
    if (verdict != NAME_GOOD && verdict != NAME_RESERVED)
        return 0;
    rows_open(&rows, store, "SELECT " PERSON_COLUMNS " FROM person WHERE name = ?", "s", folded);
    return one_person(&rows, person);
}

int person_by_id(struct store *store, int64_t id, struct person *person)
{
    struct rows rows;
    rows_open(&rows, store, "SELECT " PERSON_COLUMNS " FROM person WHERE id = ?", "i", id);
    return one_person(&rows, person);
}

/* Who has a name that looks like this one. 1, 0, -1. */
static int person_by_skeleton(struct store *store, const char *name, struct person *person)
{
    char skeleton[NAME_MAX_BYTES];
    struct rows rows;
    name_skeleton(name, skeleton);
    rows_open(&rows, store, "SELECT " PERSON_COLUMNS " FROM person WHERE skeleton = ?", "s",
              skeleton);
    return one_person(&rows, person);
}

int person_list(struct store *store, int role, person_each *each, void *context)
{
    struct rows rows;
    struct person person;
    int found;
    rows_open(&rows, store,
              "SELECT " PERSON_COLUMNS " FROM person WHERE ?1 IS NULL OR role = ?1 ORDER BY name",
              "s", role < 0 ? NULL : roles[role]);
    while ((found = rows_next(&rows)) == 1) {
        person_from_rows(&rows, 0, &person);
        each(context, &person);
    }
    rows_close(&rows);
    return found;
}

/* ---- entering ---- */

/* Whether that credential is one of this person's. 1, 0, -1. */
static int holds(struct store *store, int64_t person_id, const struct person_attempt *attempt)
{
    int64_t id;
    return store_int(store, &id,
                     "SELECT id FROM credential WHERE digest = ? AND kind = ? AND person_id = ?",
                     "bsi", attempt->digest, sizeof attempt->digest, attempt->kind, person_id);
}

/* Whom a browser signs in already. 1, 0, -1. */
static int browser_is(struct store *store, const struct person_attempt *attempt,
                      struct person *person)
{
    struct rows rows;
    rows_open(&rows, store,
              "SELECT " PERSON_COLUMNS
              " FROM credential JOIN person ON person.id = credential.person_id "
              "WHERE credential.digest = ? AND credential.kind = 'browser'",
              "b", attempt->digest, sizeof attempt->digest);
    return one_person(&rows, person);
}

/* Everything that can be said without writing; CLAIM_MADE: the name is free for this attempt. */
static enum person_claim look(struct store *store, const struct person_attempt *attempt,
                              const char *name, struct person *person)
{
    int yours = strcmp(attempt->kind, "browser") == 0 ? browser_is(store, attempt, person) : 0;
    /* One look for the name and for what looks like it: between two, somebody may claim it. */
    int found = yours ? yours : person_by_skeleton(store, name, person);
    bool same = found == 1 && strcmp(person->name, name) == 0;
    if (same && !yours)
        yours = holds(store, person->id, attempt);
    if (found == -1 || yours == -1)
        return CLAIM_FAILED;
    int banned = ban_holds(store, yours ? person->id : 0, attempt->digest, attempt->address, NULL);
    if (banned && !yours)
        memset(person, 0, sizeof *person);
    if (banned)
        return banned == 1 ? CLAIM_BANNED : CLAIM_FAILED;
    if (yours)
        return CLAIM_IS_YOURS;
    if (found)
        return same ? CLAIM_TAKEN : CLAIM_LOOKS_LIKE;
    return attempt->newcomers == NEWCOMERS_CLOSED ? CLAIM_CLOSED : CLAIM_MADE;
}

/* Writes the newcomer, within the caller's transaction. 0 or -1. */
static int admit(struct store *store, const struct person_attempt *attempt, const char *name,
                 struct person *person)
{
    char skeleton[NAME_MAX_BYTES], label[LABEL_SIZE];
    int64_t now = when_wall_ms();
    name_skeleton(name, skeleton);
    label_clean(attempt->label, label);
    *person = (struct person){.created_at = now, .seen_at = now};
    person->role = attempt->newcomers == NEWCOMERS_ASK ? ROLE_WAITING : ROLE_PERSON;
    FIELD(person->name, name);
    if (store_run(store,
                  "INSERT INTO person (name, skeleton, role, created_at, seen_at) "
                  "VALUES (?1, ?2, ?3, ?4, ?4)",
                  "sssi", name, skeleton, roles[person->role], now))
        return -1;
    person->id = store_last_id(store);
    if (store_run(store,
                  "INSERT INTO credential (person_id, kind, digest, label, address, created_at, "
                  "used_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
                  "isbssi", person->id, attempt->kind, attempt->digest, sizeof attempt->digest,
                  label, attempt->address ? attempt->address : "", now))
        return -1;
    return event_append(store, EVENT_PERSON, person->id);
}

enum person_claim person_enter(struct store *store, const struct person_attempt *attempt,
                               struct person *person)
{
    char name[NAME_MAX_BYTES];
    memset(person, 0, sizeof *person);
    if (name_check(attempt->name, name) != NAME_GOOD)
        return CLAIM_BAD_NAME;
    enum person_claim claim = look(store, attempt, name, person);
    if (claim != CLAIM_MADE || !attempt->claim)
        return claim;
    /* Somebody else may have been faster: look again where nobody can be. */
    if (store_begin(store, attempt->later ? STORE_SOON : STORE_SYNCED))
        return CLAIM_FAILED;
    claim = look(store, attempt, name, person);
    if (claim != CLAIM_MADE) {
        store_rollback(store);
        return claim;
    }
    if (store_end(store, admit(store, attempt, name, person)))
        return CLAIM_FAILED;
    return CLAIM_MADE;
}

void person_seen(struct store *store, int64_t id, int64_t now_ms)
{
    int64_t seen = 0;
    if (store_int(store, &seen, "SELECT seen_at FROM person WHERE id = ?", "i", id) != 1 ||
        now_ms - seen < SEEN_EVERY_MS)
        return;
    store_run_soon(store, "UPDATE person SET seen_at = max(seen_at, ?) WHERE id = ?", "ii", now_ms,
                   id);
}

/* ---- counts ---- */

static int64_t count(struct store *store, const char *sql)
{
    int64_t value = 0;
    return store_int(store, &value, sql, "") == -1 ? -1 : value;
}

int64_t person_count(struct store *store)
{
    return count(store, "SELECT count(*) FROM person");
}

int64_t person_host_count(struct store *store)
{
    return count(store, "SELECT count(*) FROM person WHERE role = 'host'");
}

int person_holdings(struct store *store, int64_t id, struct person_holdings *holdings)
{
    struct rows rows;
    rows_open(&rows, store,
              "SELECT (SELECT count(*) FROM credential WHERE person_id = ?1 AND kind = 'key'),"
              " (SELECT count(*) FROM credential WHERE person_id = ?1 AND kind = 'browser'),"
              " (SELECT count(*) FROM credential WHERE person_id = ?1 AND kind = 'token'),"
              " (SELECT count(*) FROM message WHERE person_id = ?1 AND room_id IS NOT NULL"
              "  AND kind IN ('say', 'me') AND removed_by IS NULL),"
              " (SELECT count(*) FROM file WHERE person_id = ?1),"
              " (SELECT coalesce(sum(size), 0) FROM file WHERE person_id = ?1)",
              "i", id);
    int found = rows_next(&rows);
    if (found == 1)
        *holdings = (struct person_holdings){
            .keys = rows_int(&rows, 0),
            .browsers = rows_int(&rows, 1),
            .tokens = rows_int(&rows, 2),
            .messages = rows_int(&rows, 3),
            .files = rows_int(&rows, 4),
            .file_bytes = rows_int(&rows, 5),
        };
    rows_close(&rows);
    return found == 1 ? 0 : -1;
}
