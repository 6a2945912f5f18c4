#include "identity/roll.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/when.h"
#include "identity/credential.h"
#include "identity/lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- who is here ---- */

static void keep(void *context, const struct presence *presence)
{
    struct roll *roll = context;
    if (roll->count == roll->room) {
        roll->room = roll->room ? 2 * roll->room : 64;
        roll->list = mem_resize(roll->list, roll->room, sizeof *roll->list);
    }
    roll->list[roll->count++] = *presence;
}

int roll_open(struct roll *roll, struct store *store, bool live)
{
    *roll = (struct roll){.store = store};
    return live ? presence_list(store, keep, roll) : 0;
}

void roll_close(struct roll *roll)
{
    free(roll->list);
    *roll = (struct roll){0};
}

void roll_doors(const struct roll *roll, int64_t person_id, char out[ROLL_DOORS_MAX])
{
    out[0] = '\0';
    for (size_t i = 0; i < roll->count; i++) {
        const struct presence *presence = &roll->list[i];
        if (presence->person_id != person_id || strstr(out, presence->door))
            continue;
        size_t length = strlen(out);
        snprintf(out + length, ROLL_DOORS_MAX - length, "%s%s", length ? " " : "", presence->door);
    }
}

void roll_device(struct store *store, const char *address, char out[ROLL_DEVICE_MAX])
{
    struct lease lease;
    out[0] = '\0';
    if (address[0] && lease_by_ip(store, address, &lease) == 1)
        snprintf(out, ROLL_DEVICE_MAX, "%s", lease.host[0] ? lease.host : lease.mac);
}

/* ---- the list ---- */

static bool is_banned(struct store *store, int64_t person_id)
{
    return ban_holds(store, person_id, NULL, NULL, NULL) == 1;
}

struct listing {
    const struct roll *roll;
    bool waiting; /* this time those who wait; else the others */
    roll_each *each;
    void *context;
};

static void list_person(void *context, const struct person *person)
{
    const struct listing *listing = context;
    char doors[ROLL_DOORS_MAX];
    if ((person->role == ROLE_WAITING) != listing->waiting)
        return;
    roll_doors(listing->roll, person->id, doors);
    const struct roll_row row = {
        .person = person,
        .banned = is_banned(listing->roll->store, person->id),
        .muted = person->muted_until > when_wall_ms(),
        .doors = doors,
    };
    listing->each(listing->context, &row);
}

int roll_list(const struct roll *roll, roll_each *each, void *context)
{
    struct listing listing = {.roll = roll, .waiting = true, .each = each, .context = context};
    if (person_list(roll->store, ROLE_WAITING, list_person, &listing))
        return -1;
    listing.waiting = false;
    return person_list(roll->store, -1, list_person, &listing);
}

static void put_person(struct buf *out, const struct person *person)
{
    json_int(out, "id", person->id);
    json_string(out, "name", person->name);
    json_string(out, "role", person_role_name(person->role));
    json_int(out, "created_at", person->created_at);
    json_int(out, "seen_at", person->seen_at);
    json_int(out, "muted_until", person->muted_until);
}

static void put_row(void *context, const struct roll_row *row)
{
    struct buf *out = context;
    char doors[ROLL_DOORS_MAX], *rest = doors;
    snprintf(doors, sizeof doors, "%s", row->doors);
    json_object(out, NULL);
    put_person(out, row->person);
    json_bool(out, "banned", row->banned);
    json_bool(out, "here", doors[0] != '\0');
    json_array(out, "doors");
    for (const char *door = strtok_r(doors, " ", &rest); door; door = strtok_r(NULL, " ", &rest))
        json_string(out, NULL, door);
    json_close(out, ']');
    json_close(out, '}');
}

int roll_list_json(const struct roll *roll, struct buf *out)
{
    json_array(out, NULL);
    int result = roll_list(roll, put_row, out);
    json_close(out, ']');
    return result;
}

/* ---- one person ---- */

struct one {
    const struct roll *roll;
    const struct person *person;
    struct person_holdings holdings;
    char *banned; /* why; NULL: not banned */
    struct buf *out;
};

static int one_open(struct one *one, const struct roll *roll, const struct person *person,
                    struct buf *out)
{
    *one = (struct one){.roll = roll, .person = person, .out = out};
    if (person_holdings(roll->store, person->id, &one->holdings))
        return -1;
    return ban_holds(roll->store, person->id, NULL, NULL, &one->banned) == -1 ? -1 : 0;
}

static void put_device(struct one *one, const char *address)
{
    char device[ROLL_DEVICE_MAX];
    roll_device(one->roll->store, address, device);
    if (device[0])
        json_string(one->out, "device", device);
    else
        json_null(one->out, "device");
}

static void credential_json(void *context, const struct credential *credential)
{
    struct one *one = context;
    struct buf *out = one->out;
    char fingerprint[FINGERPRINT_TEXT] = "";
    if (strcmp(credential->kind, "key") == 0)
        credential_fingerprint(credential->digest, fingerprint);
    json_object(out, NULL);
    json_int(out, "id", credential->id);
    json_string(out, "kind", credential->kind);
    json_string(out, "label", credential->label);
    json_string(out, "fingerprint", fingerprint[0] ? fingerprint : NULL);
    json_string(out, "address", credential->address);
    put_device(one, credential->address);
    json_int(out, "created_at", credential->created_at);
    json_int(out, "used_at", credential->used_at);
    if (credential->expires_at)
        json_int(out, "expires_at", credential->expires_at);
    else
        json_null(out, "expires_at");
    json_close(out, '}');
}

static void session_json(struct one *one, const struct presence *presence)
{
    struct buf *out = one->out;
    json_object(out, NULL);
    json_string(out, "door", presence->door);
    json_string(out, "address", presence->address);
    put_device(one, presence->address);
    json_string(out, "room", presence->room[0] ? presence->room : NULL);
    json_string(out, "away", presence->away);
    json_int(out, "since", presence->since);
    json_int(out, "seen_at", presence->seen_at);
    json_close(out, '}');
}

static void credential_text(void *context, const struct credential *credential)
{
    struct one *one = context;
    char seen[WHEN_MAX], device[ROLL_DEVICE_MAX], fingerprint[FINGERPRINT_TEXT] = "";
    roll_device(one->roll->store, credential->address, device);
    if (strcmp(credential->kind, "key") == 0)
        credential_fingerprint(credential->digest, fingerprint);
    bool twice = strstr(credential->label, fingerprint) != NULL;
    when_rfc3339(credential->used_at, seen);
    buf_printf(one->out, "  %-8s %s%s%s, last used %s%s%s%s%s\n", credential->kind,
               credential->label, twice ? "" : " ", twice ? "" : fingerprint, seen,
               credential->address[0] ? " from " : "", credential->address, device[0] ? " " : "",
               device);
}

static void session_text(struct one *one, const struct presence *presence)
{
    char since[WHEN_MAX], device[ROLL_DEVICE_MAX];
    roll_device(one->roll->store, presence->address, device);
    when_rfc3339(presence->since, since);
    buf_printf(one->out, "  %-8s from %s%s%s since %s%s%s\n", presence->door, presence->address,
               device[0] ? " " : "", device, since, presence->room[0] ? " in " : "",
               presence->room);
}

static void sessions(struct one *one, void (*put)(struct one *one, const struct presence *presence))
{
    for (size_t i = 0; i < one->roll->count; i++) {
        if (one->roll->list[i].person_id == one->person->id)
            put(one, &one->roll->list[i]);
    }
}

int roll_show(const struct roll *roll, const struct person *person, const struct roll_style *style,
              struct buf *out)
{
    char since[WHEN_MAX], seen[WHEN_MAX], size[WHEN_MAX], muted[WHEN_MAX];
    struct one one;
    int result = one_open(&one, roll, person, out);
    if (result == 0) {
        when_rfc3339(person->created_at, since);
        when_rfc3339(person->seen_at, seen);
        when_rfc3339(person->muted_until, muted);
        when_size_text(one.holdings.file_bytes, size);
        buf_printf(out, "%s%s%s  %s\n", style->bold, person->name, style->plain,
                   person_role_name(person->role));
        if (one.banned)
            buf_printf(out, "  %sbanned%s%s%s\n", style->bad, style->plain,
                       one.banned[0] ? ": " : "", one.banned);
        if (person->muted_until > when_wall_ms())
            buf_printf(out, "  muted    until %s\n", muted);
        buf_printf(out,
                   "  since    %s\n  seen     %s\n  said     %lld message%s\n"
                   "  dropped  %lld file%s, %s\n",
                   since, seen, (long long)one.holdings.messages,
                   one.holdings.messages == 1 ? "" : "s", (long long)one.holdings.files,
                   one.holdings.files == 1 ? "" : "s", size);
        result = credential_list(roll->store, person->id, NULL, credential_text, &one);
        sessions(&one, session_text);
    }
    free(one.banned);
    return result;
}

int roll_show_json(const struct roll *roll, const struct person *person, struct buf *out)
{
    struct one one;
    int result = one_open(&one, roll, person, out);
    if (result == 0) {
        json_object(out, NULL);
        put_person(out, person);
        json_bool(out, "banned", one.banned != NULL);
        json_string(out, "ban_reason", one.banned);
        json_int(out, "messages", one.holdings.messages);
        json_int(out, "files", one.holdings.files);
        json_int(out, "file_bytes", one.holdings.file_bytes);
        json_array(out, "credentials");
        result = credential_list(roll->store, person->id, NULL, credential_json, &one);
        json_close(out, ']');
        json_array(out, "sessions");
        sessions(&one, session_json);
        json_close(out, ']');
        json_close(out, '}');
    }
    free(one.banned);
    return result;
}

/* ---- bans ---- */

const char *roll_subject(const struct ban *ban, char out[ROLL_SUBJECT_MAX])
{
    uint8_t digest[DIGEST_SHA256_SIZE];
    if (strcmp(ban->kind, "person") == 0)
        return ban->name;
    if (strcmp(ban->kind, "key") != 0 || fs_unhex(ban->subject, digest, sizeof digest))
        return ban->subject;
    credential_fingerprint(digest, out);
    return out;
}

static void ban_json(void *context, const struct ban *ban)
{
    struct buf *out = context;
    char subject[ROLL_SUBJECT_MAX];
    json_object(out, NULL);
    json_int(out, "id", ban->id);
    json_string(out, "kind", ban->kind);
    json_string(out, "subject", roll_subject(ban, subject));
    json_string(out, "reason", ban->reason);
    json_string(out, "by", ban->by[0] ? ban->by : NULL);
    json_int(out, "created_at", ban->created_at);
    if (ban->until)
        json_int(out, "until", ban->until);
    else
        json_null(out, "until");
    json_close(out, '}');
}

int roll_bans_json(struct store *store, struct buf *out)
{
    json_array(out, NULL);
    int result = ban_list(store, ban_json, out);
    json_close(out, ']');
    return result;
}
