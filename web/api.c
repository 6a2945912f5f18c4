#include "web/door.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/when.h"
#include "identity/lease.h"
#include "identity/presence.h"
#include "web/listing.h"
#include "web/web.h"

#include <stdlib.h>
#include <string.h>

#define STATUS_MAX  (256 * 1024)
#define PEOPLE_MAX  (1024 * 1024)
#define FILES_MAX   (2 * 1024 * 1024)
#define FILES_PAGE  1000                /* entries of one answer, unless it asks for fewer */
#define FILES_FULL  (FILES_MAX / 2)     /* bytes from which on no further file is told, */
#define COMING_FULL (FILES_MAX / 4 * 3) /* and no further arrival */

void api_health(struct call *call)
{
    reply_text(call->http, 200, "ok");
}

/* ---- status ---- */

/* Where the JSON value at text ends: its bracket's partner. */
static const char *value_end(const char *text)
{
    int depth = 0;
    bool quoted = false;
    for (; *text != '\0'; text++) {
        if (quoted && *text == '\\' && text[1] != '\0')
            text++;
        else if (*text == '"')
            quoted = !quoted;
        else if (!quoted && *text == '{')
            depth++;
        else if (!quoted && *text == '}' && --depth == 0)
            return text + 1;
    }
    return NULL;
}

/* What the keeper published about the services, as it stands; null when there is none. */
static void put_services(const struct config *config, struct buf *out)
{
    static const char key[] = "\"services\":";
    struct buf file;
    char *path = config_path(config, "run/status.json");
    buf_init(&file, STATUS_MAX / 4);
    const char *from = fs_read_file(path, &file) == 0 ? strstr(buf_text(&file), key) : NULL;
    const char *to = from == NULL ? NULL : value_end(from + sizeof key - 1);
    if (to != NULL) {
        buf_putc(out, ',');
        buf_put(out, from, (size_t)(to - from));
    } else {
        json_null(out, "services");
    }
    buf_done(&file);
    free(path);
}

static void put_drop(struct drop *drop, struct buf *out)
{
    int64_t files = 0, bytes = 0;
    drop_totals(drop, &files, &bytes);
    json_object(out, "drop");
    json_int(out, "files", files);
    json_int(out, "bytes", bytes);
    json_int(out, "space", drop_space(drop));
    json_close(out, '}');
}

void api_status(struct call *call)
{
    struct buf out;
    buf_init(&out, STATUS_MAX);
    json_object(&out, NULL);
    json_string(&out, "name", call->config->box.name);
    json_string(&out, "title", call->config->box.title);
    json_string(&out, "version", RIAD_VERSION);
    json_int(&out, "now", when_wall_ms());
    json_int(&out, "started_at",
             call->config->facts.started_ms > 0 ? call->config->facts.started_ms
                                                : call->web->started_ms);
    json_string(&out, "host_key", call->config->facts.host_key);
    json_int(&out, "people", presence_count(call->store));
    put_drop(call->drop, &out);
    struct mirror *mirror = call->web->mirror;
    if (mirror != NULL) {
        json_object(&out, "mirror");
        mirror_report(mirror, call->store, &out);
        json_close(&out, '}');
    } else {
        json_null(&out, "mirror");
    }
    put_services(call->config, &out);
    json_close(&out, '}');
    reply_json(call->http, 200, &out);
    buf_done(&out);
}

/* ---- people ---- */

static void put_presence(void *context, const struct presence *presence)
{
    struct buf *out = context;
    if (presence->person_id == 0)
        return;
    json_object(out, NULL);
    json_int(out, "person_id", presence->person_id);
    json_string(out, "name", presence->name);
    json_string(out, "role", person_role_name(presence->role));
    json_string(out, "door", presence->door);
    json_string(out, "room", presence->room);
    json_string(out, "away", presence->away);
    json_int(out, "since", presence->since);
    json_int(out, "seen_at", presence->seen_at);
    json_close(out, '}');
}

void api_people(struct call *call)
{
    struct buf out;
    buf_init(&out, PEOPLE_MAX);
    json_object(&out, NULL);
    json_array(&out, "people");
    int result = presence_list(call->store, put_presence, &out);
    json_close(&out, ']');
    json_close(&out, '}');
    call_release(call);
    if (result < 0)
        reply_error(call->http, 500, "Who is here cannot be read just now.");
    else
        reply_json(call->http, 200, &out);
    buf_done(&out);
}

/* ---- files ---- */

static void put_file(void *context, const struct drop_file *file)
{
    struct buf *out = context;
    if (out->len < FILES_FULL)
        folder_put_file(out, file);
}

static void put_coming(void *context, const struct drop_coming *coming)
{
    struct buf *out = context;
    if (out->len > COMING_FULL)
        return;
    json_object(out, NULL);
    json_string(out, "path", coming->path);
    json_string(out, "owner", *coming->owner == '\0' ? NULL : coming->owner);
    if (coming->size >= 0)
        json_int(out, "size", coming->size);
    else
        json_null(out, "size");
    json_int(out, "received", coming->received);
    json_int(out, "started_at", coming->started_at);
    json_int(out, "touched_at", coming->touched_at);
    json_bool(out, "active", coming->active);
    json_close(out, '}');
}

/* The texts that a query points into. */
struct files_texts {
    char words[256], after[DROP_PATH_MAX];
};

/* A text of the query, NULL if it is not asked for. 0, or -1 with the answer given. */
static int query_text(struct call *call, const char *name, char *out, size_t size,
                      const char **text)
{
    int found = http_query(call->http, name, out, size);
    *text = found == 1 ? out : NULL;
    if (found < 0)
        reply_error(call->http, 400, "`%s` is too long, or not UTF-8.", name);
    return found < 0 ? -1 : 0;
}

/* The query's filters: words, person, day, after, limit, newest. 0, or -1 with the answer given. */
static int files_query(struct call *call, struct drop_query *query, struct files_texts *texts)
{
    char name[NAME_MAX_BYTES], day[16];
    struct person person;
    int64_t limit = FILES_PAGE;
    if (http_query_int(call->http, "limit", &limit) < 0)
        return reply_error(call->http, 400, "`limit` is a number."), -1;
    query->limit = limit > 0 && limit < FILES_PAGE ? limit : FILES_PAGE;
    query->newest = http_query_has(call->http, "newest");
    if (query_text(call, "words", texts->words, sizeof texts->words, &query->words) < 0 ||
        query_text(call, "after", texts->after, sizeof texts->after, &query->after) < 0)
        return -1;
    if (http_query(call->http, "person", name, sizeof name) == 1) {
        bool may = visitor_may_listen(&call->visitor, call->config);
        bool found = may && person_by_name(call->store, name, &person) == 1;
        if (!found && may && call->visitor.known)
            return reply_error(call->http, 404, "Nobody has that name."), -1;
        query->person_id = found ? person.id : PERSON_NOBODY;
    }
    if (http_query(call->http, "day", day, sizeof day) == 1 &&
        when_day_range(day, &query->from_ms, &query->until_ms) < 0)
        return reply_error(call->http, 400, "A day is written as in 2026-11-22."), -1;
    return 0;
}

void api_files(struct call *call)
{
    struct files_texts texts;
    struct drop_query query = {0};
    struct buf out;
    if (files_query(call, &query, &texts) < 0)
        return;
    buf_init(&out, FILES_MAX);
    json_object(&out, NULL);
    json_array(&out, "files");
    int result = drop_list(call->drop, &query, put_file, &out);
    json_close(&out, ']');
    json_array(&out, "arriving");
    if (result == 0)
        result =
            drop_coming_list(call->drop, &call->visitor.actor, LISTING_COMING, put_coming, &out);
    json_close(&out, ']');
    json_close(&out, '}');
    call_release(call);
    if (result < 0)
        reply_error(call->http, 500, "The list of files cannot be read just now.");
    else
        reply_json(call->http, 200, &out);
    buf_done(&out);
}

/* ---- leases ---- */

static void put_lease(void *context, const struct lease *lease)
{
    struct buf *out = context;
    json_object(out, NULL);
    json_string(out, "ip", lease->ip);
    json_string(out, "mac", lease->mac);
    json_string(out, "host", lease->host);
    json_int(out, "started_at", lease->started_at);
    json_int(out, "expires_at", lease->expires_at);
    json_close(out, '}');
}

void api_leases(struct call *call)
{
    struct buf out;
    buf_init(&out, PEOPLE_MAX);
    json_object(&out, NULL);
    json_array(&out, "leases");
    int result = lease_list(call->store, put_lease, &out);
    json_close(&out, ']');
    json_close(&out, '}');
    if (result < 0)
        reply_error(call->http, 500, "The leases cannot be read just now.");
    else
        reply_json(call->http, 200, &out);
    buf_done(&out);
}
