#include "identity/person.h"
#include "identity/person_private.h"

#include "base/mem.h"
#include "identity/event.h"

#include <string.h>

const char *person_act_text(enum person_act act)
{
    switch (act) {
    case ACT_FAILED:
        return "The store did not take it; the log of the box says why.";
    case ACT_DONE:
        return "Done.";
    case ACT_NOBODY:
        return "Nobody has that name.";
    case ACT_BAD_NAME:
        return "A name has 1 to 32 of a-z 0-9 . _ -, starts with a letter or digit, and is not "
               "reserved.";
    case ACT_TAKEN:
        return "That name is taken, or looks like one that is.";
    case ACT_NOTHING_TO_DO:
        return "There is nothing to do.";
    case ACT_BAD_SUBJECT:
        return "That is no person, key or address that could be banned.";
    }
    return "";
}

/* Ends the transaction by what its steps returned. */
static enum person_act ended(struct store *store, int result)
{
    return store_end(store, result) ? ACT_FAILED : ACT_DONE;
}

/* Begins, and finds who it is about. ACT_DONE: go on within the transaction. */
static enum person_act begin_with(struct store *store, int64_t id, struct person *person)
{
    if (store_begin(store, STORE_SYNCED))
        return ACT_FAILED;
    int found = person_by_id(store, id, person);
    if (found == 1)
        return ACT_DONE;
    store_rollback(store);
    return found == 0 ? ACT_NOBODY : ACT_FAILED;
}

enum person_act person_rename(struct store *store, int64_t id, const char *typed)
{
    char name[NAME_MAX_BYTES], skeleton[NAME_MAX_BYTES];
    struct person person;
    if (name_check(typed, name) != NAME_GOOD)
        return ACT_BAD_NAME;
    enum person_act act = begin_with(store, id, &person);
    if (act != ACT_DONE)
        return act;
    if (strcmp(person.name, name) == 0) {
        store_rollback(store);
        return ACT_NOTHING_TO_DO;
    }
    name_skeleton(name, skeleton);
    int result = store_run(store, "UPDATE person SET name = ?, skeleton = ? WHERE id = ?", "ssi",
                           name, skeleton, id);
    if (result == STORE_EXISTS) {
        store_rollback(store);
        return ACT_TAKEN;
    }
    return ended(store, result ? -1 : event_append(store, EVENT_PERSON, id));
}

enum person_act person_set_role(struct store *store, int64_t id, enum person_role role)
{
    struct person person;
    enum person_act act = begin_with(store, id, &person);
    if (act != ACT_DONE)
        return act;
    if (person.role == role) {
        store_rollback(store);
        return ACT_NOTHING_TO_DO;
    }
    int result = store_run(store, "UPDATE person SET role = ? WHERE id = ?", "si",
                           person_role_name(role), id);
    return ended(store, result ? -1 : event_append(store, EVENT_PERSON, id));
}

enum person_act person_mute(struct store *store, int64_t id, int64_t until_ms)
{
    struct person person;
    enum person_act act = begin_with(store, id, &person);
    if (act != ACT_DONE)
        return act;
    int result =
        store_run(store, "UPDATE person SET muted_until = ? WHERE id = ?", "ii", until_ms, id);
    return ended(store, result ? -1 : event_append(store, EVENT_PERSON, id));
}

/* Runs statements of one value each, the id. 0 or -1. */
static int each_with(struct store *store, const char *const *statements, int64_t id)
{
    for (; *statements; statements++) {
        if (store_run(store, *statements, "i", id))
            return -1;
    }
    return 0;
}

/* Their words, and what the index of words still remembers of them in its older segments. */
static int forget_words(struct store *store, int64_t id)
{
    static const char *const statements[] = {
        "DELETE FROM message WHERE person_id = ?",
        "DELETE FROM report WHERE about_id = ?1 OR by_id = ?1",
        NULL,
    };
    if (each_with(store, statements, id))
        return -1;
    return store_run(store, "INSERT INTO message_text (message_text) VALUES ('optimize')", "");
}

enum person_act person_forget(struct store *store, int64_t id, bool words_too)
{
    static const char *const statements[] = {
        "DELETE FROM ban WHERE kind = 'person' AND subject = CAST(? AS TEXT)",
        "DELETE FROM person WHERE id = ?", /* and by its references all that is theirs */
        NULL,
    };
    struct person person;
    enum person_act act = begin_with(store, id, &person);
    if (act != ACT_DONE)
        return act;
    int result = words_too ? forget_words(store, id) : 0;
    if (result == 0)
        result = each_with(store, statements, id);
    if (result == 0)
        result = event_append(store, EVENT_PERSON, id);
    act = ended(store, result);
    if (act == ACT_DONE)
        store_empty_log(store); /* where the old pages are */
    return act;
}

/* What changes hands; where both have the same, the other's goes with them. */
static const char *const merges[] = {
    "UPDATE OR IGNORE credential SET person_id = ?1 WHERE person_id = ?2",
    "UPDATE message SET person_id = ?1 WHERE person_id = ?2",
    "UPDATE message SET to_id = ?1 WHERE to_id = ?2",
    "UPDATE file SET person_id = ?1 WHERE person_id = ?2",
    "UPDATE folder SET person_id = ?1 WHERE person_id = ?2",
    "UPDATE arrival SET person_id = ?1 WHERE person_id = ?2",
    "UPDATE report SET by_id = ?1 WHERE by_id = ?2",
    "UPDATE report SET about_id = ?1 WHERE about_id = ?2",
    "UPDATE OR IGNORE member SET person_id = ?1 WHERE person_id = ?2",
    "UPDATE OR IGNORE setting SET person_id = ?1 WHERE person_id = ?2",
    "UPDATE OR IGNORE ignored SET person_id = ?1 WHERE person_id = ?2 AND ignored_id <> ?1",
    "UPDATE OR IGNORE ignored SET ignored_id = ?1 WHERE ignored_id = ?2 AND person_id <> ?1",
    "UPDATE session SET person_id = ?1 WHERE person_id = ?2",
    "UPDATE ban SET by_id = ?1 WHERE by_id = ?2",
    "UPDATE OR IGNORE ban SET subject = CAST(?1 AS TEXT)"
    " WHERE kind = 'person' AND subject = CAST(?2 AS TEXT)",
    "UPDATE person SET created_at = min(created_at, (SELECT created_at FROM person WHERE id = ?2)),"
    " seen_at = max(seen_at, (SELECT seen_at FROM person WHERE id = ?2)) WHERE id = ?1",
};

/* So that nobody reads what was private to one by the credentials of the other. */
static int part_from_private(struct store *store, int64_t id)
{
    static const char *const statements[] = {
        "DELETE FROM message WHERE to_id = ?",
        "UPDATE message SET person_id = NULL WHERE person_id = ? AND room_id IS NULL",
        NULL,
    };
    return each_with(store, statements, id);
}

enum person_act person_merge(struct store *store, int64_t id, int64_t other, bool keep_private)
{
    struct person person, absorbed;
    if (id == other)
        return ACT_NOTHING_TO_DO;
    enum person_act act = begin_with(store, id, &person);
    if (act != ACT_DONE)
        return act;
    int found = person_by_id(store, other, &absorbed);
    int result = found == 1 ? 0 : -1;
    if (result == 0 && !keep_private)
        result = part_from_private(store, id) || part_from_private(store, other) ? -1 : 0;
    for (size_t i = 0; result == 0 && i < sizeof merges / sizeof *merges; i++)
        result = store_run(store, merges[i], "ii", id, other) ? -1 : 0;
    if (result == 0)
        result = store_run(store, "DELETE FROM person WHERE id = ?", "i", other) ? -1 : 0;
    if (result == 0)
        result = event_append(store, EVENT_PERSON, other);
    if (result == 0)
        result = event_append(store, EVENT_PERSON, id);
    act = ended(store, result);
    return found == 0 ? ACT_NOBODY : act;
}

/* ---- settings, and whom one does not want to read ---- */

char *setting_get(struct store *store, int64_t person_id, const char *name)
{
    char *value = NULL;
    store_text(store, &value, "SELECT value FROM setting WHERE person_id = ? AND name = ?", "is",
               person_id, name);
    return value;
}

int setting_set(struct store *store, int64_t person_id, const char *name, const char *value)
{
    return store_run(store,
                     "INSERT INTO setting (person_id, name, value) VALUES (?1, ?2, ?3) "
                     "ON CONFLICT (person_id, name) DO UPDATE SET value = ?3",
                     "iss", person_id, name, value)
               ? -1
               : 0;
}

int ignore_is(struct store *store, int64_t person_id, int64_t other)
{
    int64_t one;
    return store_int(store, &one, "SELECT 1 FROM ignored WHERE person_id = ? AND ignored_id = ?",
                     "ii", person_id, other);
}

int ignore_set(struct store *store, int64_t person_id, int64_t other, bool yes)
{
    const char *sql = yes ? "INSERT OR IGNORE INTO ignored (person_id, ignored_id) VALUES (?, ?)"
                          : "DELETE FROM ignored WHERE person_id = ? AND ignored_id = ?";
    return store_run(store, sql, "ii", person_id, other) ? -1 : 0;
}
