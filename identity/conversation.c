#include "identity/conversation.h"
#include "identity/person_private.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "identity/event.h"

#include <string.h>

#define READ_MAX  1000
#define WORDS_MAX 512 /* bytes of a search, as typed */

static const char *const kinds[] = {
    [MESSAGE_SAY] = "say",   [MESSAGE_ME] = "me",         [MESSAGE_TOPIC] = "topic",
    [MESSAGE_FILE] = "file", [MESSAGE_NOTICE] = "notice",
};

const char *message_kind_name(enum message_kind kind)
{
    return kinds[kind];
}

static enum message_kind kind_parse(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(name, kinds[i]) == 0)
            return (enum message_kind)i;
    }
    return MESSAGE_SAY;
}

/* ---- saying ---- */

/* Now, but never before what was said last: order in time is order of ids, whatever the clock
 * does. -1 failed. */
static int64_t time_to_say(struct store *store)
{
    int64_t now = when_wall_ms(), last = 0;
    if (store_int(store, &last, "SELECT at FROM message ORDER BY id DESC LIMIT 1", "") == -1)
        return -1;
    return now > last ? now : last;
}

/* Writes one message, within a transaction. Its id, or -1. */
static int64_t say(struct store *store, const struct message_new *message, int64_t at)
{
    struct buf clean;
    buf_init(&clean, MESSAGE_MAX_TEXT);
    text_clean(&clean, message->text, strlen(message->text), TEXT_MANY_LINES);
    int result = -1;
    if (clean.len > 0 || message->kind == MESSAGE_TOPIC)
        result = store_run(store,
                           "INSERT INTO message (at, room_id, person_id, to_id, kind, text) "
                           "VALUES (?, nullif(?, 0), nullif(?, 0), nullif(?, 0), ?, ?)",
                           "iiiiss", at, message->room_id, message->person_id, message->to_id,
                           kinds[message->kind], buf_text(&clean));
    buf_done(&clean);
    if (result)
        return -1;
    int64_t id = store_last_id(store);
    return event_append(store, EVENT_MESSAGE, id) ? -1 : id;
}

int conversation_say(struct store *store, const struct message_new *messages, size_t count,
                     int64_t *ids)
{
    if (store_begin(store, STORE_SOON))
        return -1;
    int64_t at = time_to_say(store);
    int result = at == -1 ? -1 : 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        int64_t id = say(store, &messages[i], at);
        if (id == -1)
            result = -1;
        else if (ids)
            ids[i] = id;
    }
    return store_end(store, result);
}

int message_put(struct store *store, const struct message_new *message)
{
    int64_t at = time_to_say(store);
    return at == -1 || say(store, message, at) == -1 ? -1 : 0;
}

int conversation_notice(struct store *store, enum message_kind kind, int64_t person_id,
                        const char *text)
{
    struct message_new message = {
        .room_id = ROOM_LOBBY, .person_id = person_id, .kind = kind, .text = text};
    return message_put(store, &message);
}

/* ---- reading ---- */

#define COLUMNS                                                                                    \
    "m.id, m.at, m.room_id, m.person_id, m.to_id, m.kind, m.removed_by IS NOT NULL, "              \
    "room.name, author.name, other.name, m.text"
#define JOINS                                                                                      \
    " LEFT JOIN room ON room.id = m.room_id"                                                       \
    " LEFT JOIN person AS author ON author.id = m.person_id"                                       \
    " LEFT JOIN person AS other ON other.id = m.to_id"

static void hand_over(struct rows *rows, message_each *each, void *context)
{
    struct message message = {
        .id = rows_int(rows, 0),
        .at = rows_int(rows, 1),
        .room_id = rows_int(rows, 2),
        .person_id = rows_int(rows, 3),
        .to_id = rows_int(rows, 4),
        .kind = kind_parse(rows_text(rows, 5)),
        .removed = rows_int(rows, 6) != 0,
        .text = rows_text(rows, 10),
    };
    FIELD(message.room, rows_text(rows, 7));
    FIELD(message.name, rows_text(rows, 8));
    FIELD(message.to, rows_text(rows, 9));
    each(context, &message);
}

/* Whether a search can find this character: letters and digits, not signs and pictures. */
static bool is_word(uint32_t code)
{
    if (code < 0x80)
        return (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') ||
               (code >= 'a' && code <= 'z');
    return code >= 0xC0 && code != 0xD7 && code != 0xF7 && !(code >= 0x2000 && code <= 0x2BFF) &&
           !(code >= 0x3000 && code <= 0x3004) && !(code >= 0xFE00 && code <= 0xFE0F) &&
           code != TEXT_REPLACEMENT && !(code >= 0x1F000 && code <= 0x1FAFF);
}

/*
 * What FTS5 is asked for what somebody typed: every word quoted, so that nothing in it is syntax;
 * the last one may be the beginning of a word. Whether there is any word at all.
 */
static bool words_put(struct buf *out, const char *typed)
{
    const uint8_t *bytes = (const uint8_t *)typed;
    size_t left = strnlen(typed, WORDS_MAX);
    bool within = false;
    while (left > 0) {
        uint32_t code;
        size_t taken = text_decode(bytes, left, &code);
        bool word = is_word(code);
        if (word != within)
            buf_puts(out, word ? "\"" : "\" ");
        if (word)
            text_encode(out, code);
        within = word;
        bytes += taken;
        left -= taken;
    }
    if (within)
        buf_puts(out, "\"*");
    return out->len > 0;
}

/*
 * The first message that was said at a time or later, by halves over the ids, since times never
 * run backwards along them; one behind the last if there is none. -1 failed.
 */
static int64_t first_since(struct store *store, int64_t at_ms)
{
    int64_t low = 0, high = conversation_newest(store) + 1;
    if (high == 0)
        return -1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        struct rows rows;
        int64_t id = high, at = at_ms;
        rows_open(&rows, store, "SELECT id, at FROM message WHERE id >= ? ORDER BY id LIMIT 1", "i",
                  middle);
        int found = rows_next(&rows);
        if (found == 1) {
            id = rows_int(&rows, 0);
            at = rows_int(&rows, 1);
        }
        rows_close(&rows);
        if (found == -1)
            return -1;
        if (at >= at_ms)
            high = middle;
        else
            low = id + 1;
    }
    return low;
}

/* Narrows after and before by the query's times. 0 or -1. */
static int bound_by_time(struct store *store, const struct message_query *query, int64_t *after,
                         int64_t *before)
{
    if (query->from_ms) {
        int64_t first = first_since(store, query->from_ms);
        if (first == -1)
            return -1;
        if (first - 1 > *after)
            *after = first - 1;
    }
    if (query->until_ms) {
        int64_t first = first_since(store, query->until_ms);
        if (first == -1)
            return -1;
        if (first < *before)
            *before = first;
    }
    return 0;
}

#define MINE "(m.person_id = ?1 OR m.to_id = ?1)"

/* The SELECT for a query. Every value has a number of its own; those that no condition mentions are
 * bound, too, and mean nothing:
 * ?1 reader, ?2 room, ?3 with, ?4 person, ?5 after, ?6 before, ?7 words, ?8 limit. */
static void select_put(struct buf *sql, const struct message_query *query)
{
    const char *id = query->words ? "f.rowid" : "m.id";
    buf_puts(sql, "SELECT " COLUMNS " FROM ");
    buf_puts(sql, query->words ? "message_text AS f CROSS JOIN message AS m ON m.id = f.rowid"
                               : "message AS m");
    buf_printf(sql, JOINS " WHERE %s > ?5 AND %s < ?6", id, id);
    if (query->words)
        buf_puts(sql, " AND message_text MATCH ?7");
    if (query->room_id > 0)
        buf_puts(sql, " AND m.room_id = ?2");
    else if (query->room_id == 0)
        buf_puts(sql, " AND (m.room_id IS NOT NULL OR " MINE ")");
    else if (query->room_id == ROOM_PUBLIC)
        buf_puts(sql, " AND m.room_id IS NOT NULL");
    else /* by the two small indexes rather than past everything that was ever said */
        buf_puts(sql, " AND m.id IN (SELECT id FROM message WHERE to_id = ?1 AND room_id IS NULL"
                      " UNION SELECT id FROM message WHERE person_id = ?1 AND room_id IS NULL)");
    if (query->with_id)
        buf_puts(sql, " AND m.room_id IS NULL AND ((m.person_id = ?1 AND m.to_id = ?3)"
                      " OR (m.person_id = ?3 AND m.to_id = ?1))");
    if (query->person_id)
        buf_puts(sql, " AND m.person_id = ?4");
    buf_printf(sql, " ORDER BY %s %s LIMIT ?8", id, query->newest ? "DESC" : "ASC");
}

/* The newest are found from the end and handed over in order. */
static void select_in_order(struct buf *sql, const struct message_query *query)
{
    if (query->newest)
        buf_puts(sql, "SELECT * FROM (");
    select_put(sql, query);
    if (query->newest)
        buf_puts(sql, ") ORDER BY 1");
}

int conversation_read(struct store *store, const struct message_query *query, message_each *each,
                      void *context)
{
    int64_t limit = query->limit < READ_MAX ? query->limit : READ_MAX;
    int64_t after = query->after, before = query->before ? query->before : INT64_MAX;
    struct buf sql, words;
    struct rows rows = {0};
    int found = 0;
    if (bound_by_time(store, query, &after, &before))
        return -1;
    buf_init(&sql, 4096);
    buf_init(&words, 4 * WORDS_MAX);
    if (!query->words || words_put(&words, query->words)) {
        select_in_order(&sql, query);
        rows_open(&rows, store, buf_text(&sql), "iiiiiisi", query->reader_id, query->room_id,
                  query->with_id, query->person_id, after, before, buf_text(&words), limit);
        while ((found = rows_next(&rows)) == 1)
            hand_over(&rows, each, context);
        rows_close(&rows);
    }
    buf_done(&sql);
    buf_done(&words);
    return found;
}

int conversation_get(struct store *store, int64_t id, message_each *each, void *context)
{
    struct rows rows;
    rows_open(&rows, store, "SELECT " COLUMNS " FROM message AS m" JOINS " WHERE m.id = ?", "i",
              id);
    int found = rows_next(&rows);
    if (found == 1)
        hand_over(&rows, each, context);
    rows_close(&rows);
    return found;
}

int64_t conversation_newest(struct store *store)
{
    int64_t id = 0;
    return store_int(store, &id, "SELECT max(id) FROM message", "") == -1 ? -1 : id;
}

int conversation_last_of(struct store *store, int64_t person_id, int64_t room_id, int64_t *id)
{
    if (room_id)
        return store_int(store, id,
                         "SELECT id FROM message WHERE person_id = ? AND room_id = ? "
                         "AND kind IN ('say', 'me') AND removed_by IS NULL "
                         "ORDER BY id DESC LIMIT 1",
                         "ii", person_id, room_id);
    return store_int(store, id,
                     "SELECT id FROM message WHERE person_id = ? AND kind IN ('say', 'me') "
                     "AND removed_by IS NULL ORDER BY id DESC LIMIT 1",
                     "i", person_id);
}

/* ---- taking back, and forgetting ---- */

enum person_act conversation_remove(struct store *store, int64_t id, int64_t by)
{
    if (store_begin(store, STORE_SYNCED))
        return ACT_FAILED;
    int result = store_run(store,
                           "UPDATE message SET text = '', removed_by = ? WHERE id = ? "
                           "AND removed_by IS NULL AND kind IN ('say', 'me')",
                           "ii", by, id);
    if (result == 0 && store_changes(store) == 0) {
        store_rollback(store);
        return ACT_NOTHING_TO_DO;
    }
    if (result == 0)
        result = event_append(store, EVENT_MESSAGE, id);
    return store_end(store, result) ? ACT_FAILED : ACT_DONE;
}

#define FORGET_AT_ONCE 500

int64_t conversation_forget(struct store *store, int64_t before_ms, int64_t at_most)
{
    int64_t end = first_since(store, before_ms), gone = 0, portion;
    if (end == -1)
        return -1;
    do { /* nobody who wants to say something waits long; each word leaves its index, too */
        portion = at_most - gone < FORGET_AT_ONCE ? at_most - gone : FORGET_AT_ONCE;
        if (store_run_soon(store,
                           "DELETE FROM message WHERE id IN "
                           "(SELECT id FROM message WHERE id < ? ORDER BY id LIMIT ?)",
                           "ii", end, portion))
            return -1;
        gone += store_changes(store);
    } while (store_changes(store) == FORGET_AT_ONCE);
    return gone;
}

int report_make(struct store *store, int64_t by_id, int64_t about_id, const char *text)
{
    if (store_begin(store, STORE_SYNCED))
        return -1;
    int result = store_run(store,
                           "INSERT INTO report (at, by_id, about_id, text) "
                           "VALUES (?, nullif(?, 0), nullif(?, 0), ?)",
                           "iiis", when_wall_ms(), by_id, about_id, text);
    if (result == 0)
        result = event_append(store, EVENT_REPORT, store_last_id(store));
    return store_end(store, result);
}

int report_list(struct store *store, int64_t after, report_each *each, void *context)
{
    struct rows rows;
    int found;
    rows_open(&rows, store,
              "SELECT report.id, at, one.name, other.name, text FROM report "
              "LEFT JOIN person AS one ON one.id = by_id "
              "LEFT JOIN person AS other ON other.id = about_id WHERE report.id > ? "
              "ORDER BY report.id",
              "i", after);
    while ((found = rows_next(&rows)) == 1) {
        struct report report = {
            .id = rows_int(&rows, 0), .at = rows_int(&rows, 1), .text = rows_text(&rows, 4)};
        FIELD(report.by, rows_text(&rows, 2));
        FIELD(report.about, rows_text(&rows, 3));
        each(context, &report);
    }
    rows_close(&rows);
    return found;
}

/* ---- as JSON ---- */

/* An id and its name, or null for nobody and nothing. */
static void json_who(struct buf *out, const char *id_key, int64_t id, const char *key,
                     const char *name)
{
    if (id == 0)
        json_null(out, id_key);
    else
        json_int(out, id_key, id);
    json_string(out, key, *name ? name : NULL);
}

void message_json(struct buf *out, const struct message *message)
{
    char time[WHEN_MAX];
    when_rfc3339(message->at, time);
    json_object(out, NULL);
    json_int(out, "id", message->id);
    json_int(out, "at", message->at);
    json_string(out, "time", time);
    json_who(out, "room_id", message->room_id, "room", message->room);
    json_who(out, "person_id", message->person_id, "name", message->name);
    json_who(out, "to_id", message->to_id, "to", message->to);
    json_string(out, "kind", message_kind_name(message->kind));
    json_string(out, "text", message->removed ? "" : message->text);
    json_bool(out, "removed", message->removed);
    json_close(out, '}');
}
