#include "supervisor/people.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/when.h"
#include "identity/credential.h"
#include "identity/lease.h"
#include "identity/presence.h"
#include "supervisor/show.h"
#include "supervisor/state.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUT_MAX   (64 * 1024 * 1024)
#define DOORS_MAX 40

/* ---- fingerprints and subjects ---- */

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void people_fingerprint(const uint8_t digest[DIGEST_SHA256_SIZE], char *out)
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

int people_fingerprint_parse(const char *text, uint8_t digest[DIGEST_SHA256_SIZE])
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
    people_fingerprint(digest, again);
    return strcmp(again, text) == 0 ? 0 : -1;
}

int people_subject_find(struct store *store, const char *word, struct people_subject *subject)
{
    struct person person;
    uint8_t parsed[DIGEST_SHA256_SIZE];
    int found = person_by_name(store, word, &person);
    if (found == -1)
        return -1;
    if (found == 1) {
        subject->kind = "person";
        snprintf(subject->subject, sizeof subject->subject, "%lld", (long long)person.id);
    } else if (inet_pton(AF_INET, word, parsed) == 1 || inet_pton(AF_INET6, word, parsed) == 1) {
        subject->kind = "address";
        snprintf(subject->subject, sizeof subject->subject, "%s", word);
    } else if (people_fingerprint_parse(word, parsed) == 0) {
        subject->kind = "key";
        fs_hex(parsed, sizeof parsed, subject->subject);
    } else {
        return 0;
    }
    return 1;
}

/* ---- who is here ---- */

/* Open doors; those of a box that has ended are nobody's any more. */
struct here {
    struct presence *list;
    size_t count, room;
};

static void here_put(void *context, const struct presence *presence)
{
    struct here *here = context;
    if (here->count == here->room) {
        here->room = here->room ? 2 * here->room : 64;
        here->list = mem_resize(here->list, here->room, sizeof *here->list);
    }
    here->list[here->count++] = *presence;
}

static int here_read(struct here *here, const struct config *config, struct store *store)
{
    *here = (struct here){0};
    return state_holder(config) > 0 ? presence_list(store, here_put, here) : 0;
}

/* The doors through which somebody is here, each once: `ssh web`. out has DOORS_MAX bytes. */
static void doors_of(const struct here *here, int64_t person_id, char *out)
{
    out[0] = '\0';
    for (size_t i = 0; i < here->count; i++) {
        const struct presence *presence = &here->list[i];
        if (presence->person_id != person_id || strstr(out, presence->door))
            continue;
        size_t length = strlen(out);
        snprintf(out + length, DOORS_MAX - length, "%s%s", length ? " " : "", presence->door);
    }
}

/* ---- the list ---- */

struct listing {
    struct store *store;
    struct here here;
    struct show_table table;
    struct buf json;
};

static void put_person(struct buf *out, const struct person *person)
{
    json_int(out, "id", person->id);
    json_string(out, "name", person->name);
    json_string(out, "role", person_role_name(person->role));
    json_int(out, "created_at", person->created_at);
    json_int(out, "seen_at", person->seen_at);
    json_int(out, "muted_until", person->muted_until);
}

static void list_json(void *context, const struct person *person)
{
    struct listing *listing = context;
    char doors[DOORS_MAX];
    doors_of(&listing->here, person->id, doors);
    json_object(&listing->json, NULL);
    put_person(&listing->json, person);
    json_bool(&listing->json, "banned",
              ban_holds(listing->store, person->id, NULL, NULL, NULL) == 1);
    json_bool(&listing->json, "here", doors[0] != '\0');
    json_array(&listing->json, "doors");
    char *rest = doors;
    for (const char *door = strtok_r(doors, " ", &rest); door; door = strtok_r(NULL, " ", &rest))
        json_string(&listing->json, NULL, door);
    json_close(&listing->json, ']');
    json_close(&listing->json, '}');
}

static void list_row(void *context, const struct person *person)
{
    struct listing *listing = context;
    char doors[DOORS_MAX], since[WHEN_MAX], seen[WHEN_MAX];
    bool banned = ban_holds(listing->store, person->id, NULL, NULL, NULL) == 1;
    doors_of(&listing->here, person->id, doors);
    when_rfc3339(person->created_at, since);
    when_rfc3339(person->seen_at, seen);
    enum show_style style = banned ? SHOW_BAD : doors[0] ? SHOW_GOOD : SHOW_PLAIN;
    show_table_row(&listing->table, style, person->name, person_role_name(person->role),
                   banned     ? "banned"
                   : doors[0] ? doors
                              : "away",
                   since, seen);
}

static void print_json(struct buf *out)
{
    fwrite(out->data, 1, out->len, stdout);
    putchar('\n');
}

int people_print_list(const struct config *config, struct store *store, bool json)
{
    struct listing listing = {.store = store};
    int result = here_read(&listing.here, config, store);
    buf_init(&listing.json, OUT_MAX);
    if (!json) {
        show_table_init(&listing.table, 5);
        show_table_row(&listing.table, SHOW_DIM, "NAME", "ROLE", "HERE", "SINCE", "LAST SEEN");
    }
    json_array(&listing.json, NULL);
    if (result == 0)
        result = person_list(store, -1, json ? list_json : list_row, &listing);
    json_close(&listing.json, ']');
    if (!json)
        show_table_print(&listing.table, 0);
    else if (result == 0)
        print_json(&listing.json);
    buf_done(&listing.json);
    free(listing.here.list);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- one person ---- */

/* The device that has an address now, by its lease: its name, else its hardware address; "". */
static void device_of(struct store *store, const char *address, char *out, size_t size)
{
    struct lease lease;
    out[0] = '\0';
    if (lease_by_ip(store, address, &lease) == 1)
        snprintf(out, size, "%s", lease.host[0] ? lease.host : lease.mac);
}

struct one {
    struct store *store;
    struct buf *json; /* NULL: as text */
};

static void show_credential(void *context, const struct credential *credential)
{
    struct one *one = context;
    char seen[WHEN_MAX], device[256], fingerprint[FINGERPRINT_TEXT] = "";
    device_of(one->store, credential->address, device, sizeof device);
    if (strcmp(credential->kind, "key") == 0)
        people_fingerprint(credential->digest, fingerprint);
    if (!one->json) {
        when_rfc3339(credential->used_at, seen);
        printf("  %-8s %s%s%s, last used %s%s%s%s%s\n", credential->kind, credential->label,
               fingerprint[0] && !strstr(credential->label, fingerprint) ? " " : "",
               strstr(credential->label, fingerprint) ? "" : fingerprint, seen,
               credential->address[0] ? " from " : "", credential->address, device[0] ? " " : "",
               device);
        return;
    }
    json_object(one->json, NULL);
    json_int(one->json, "id", credential->id);
    json_string(one->json, "kind", credential->kind);
    json_string(one->json, "label", credential->label);
    json_string(one->json, "fingerprint", fingerprint[0] ? fingerprint : NULL);
    json_string(one->json, "address", credential->address);
    json_string(one->json, "device", device[0] ? device : NULL);
    json_int(one->json, "created_at", credential->created_at);
    json_int(one->json, "used_at", credential->used_at);
    if (credential->expires_at)
        json_int(one->json, "expires_at", credential->expires_at);
    else
        json_null(one->json, "expires_at");
    json_close(one->json, '}');
}

static void show_session(struct one *one, const struct presence *presence)
{
    char since[WHEN_MAX], device[256];
    device_of(one->store, presence->address, device, sizeof device);
    if (!one->json) {
        when_rfc3339(presence->since, since);
        printf("  %-8s from %s%s%s since %s%s%s\n", presence->door, presence->address,
               device[0] ? " " : "", device, since, presence->room[0] ? " in " : "",
               presence->room);
        return;
    }
    json_object(one->json, NULL);
    json_string(one->json, "door", presence->door);
    json_string(one->json, "address", presence->address);
    json_string(one->json, "device", device[0] ? device : NULL);
    json_string(one->json, "room", presence->room[0] ? presence->room : NULL);
    json_string(one->json, "away", presence->away);
    json_int(one->json, "since", presence->since);
    json_int(one->json, "seen_at", presence->seen_at);
    json_close(one->json, '}');
}

static void show_sessions(struct one *one, const struct here *here, int64_t person_id)
{
    for (size_t i = 0; i < here->count; i++) {
        if (here->list[i].person_id == person_id)
            show_session(one, &here->list[i]);
    }
}

static void one_text(struct one *one, const struct person *person, const struct here *here,
                     const struct person_holdings *holdings, const char *banned)
{
    char since[WHEN_MAX], seen[WHEN_MAX], size[WHEN_MAX];
    when_rfc3339(person->created_at, since);
    when_rfc3339(person->seen_at, seen);
    when_size_text(holdings->file_bytes, size);
    printf("%s%s%s  %s\n", show_style(SHOW_BOLD), person->name, show_style(SHOW_PLAIN),
           person_role_name(person->role));
    if (banned)
        printf("  %sbanned%s%s%s\n", show_style(SHOW_BAD), show_style(SHOW_PLAIN),
               banned[0] ? ": " : "", banned);
    if (person->muted_until > when_wall_ms())
        printf("  muted\n");
    printf("  since    %s\n  seen     %s\n", since, seen);
    printf("  said     %lld messages\n  dropped  %lld files, %s\n", (long long)holdings->messages,
           (long long)holdings->files, size);
    credential_list(one->store, person->id, NULL, show_credential, one);
    show_sessions(one, here, person->id);
}

static void one_json(struct one *one, const struct person *person, const struct here *here,
                     const struct person_holdings *holdings, const char *banned)
{
    struct buf *out = one->json;
    json_object(out, NULL);
    put_person(out, person);
    json_bool(out, "banned", banned != NULL);
    json_string(out, "ban_reason", banned);
    json_int(out, "messages", holdings->messages);
    json_int(out, "files", holdings->files);
    json_int(out, "file_bytes", holdings->file_bytes);
    json_array(out, "credentials");
    credential_list(one->store, person->id, NULL, show_credential, one);
    json_close(out, ']');
    json_array(out, "sessions");
    show_sessions(one, here, person->id);
    json_close(out, ']');
    json_close(out, '}');
    print_json(out);
}

int people_print_one(const struct config *config, struct store *store, const struct person *person,
                     bool json)
{
    struct buf out = {0};
    struct one one = {.store = store, .json = json ? &out : NULL};
    struct here here;
    struct person_holdings holdings;
    char *reason = NULL;
    int result = here_read(&here, config, store);
    buf_init(&out, OUT_MAX);
    if (result == 0)
        result = person_holdings(store, person->id, &holdings);
    if (result == 0 && ban_holds(store, person->id, NULL, NULL, &reason) == -1)
        result = -1;
    if (result == 0)
        (json ? one_json : one_text)(&one, person, &here, &holdings, reason);
    free(reason);
    free(here.list);
    buf_done(&out);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- bans ---- */

/* A key's digest as people know it: its fingerprint. */
static const char *subject_text(const struct ban *ban, char fingerprint[FINGERPRINT_TEXT])
{
    uint8_t digest[DIGEST_SHA256_SIZE];
    if (strcmp(ban->kind, "person") == 0)
        return ban->name;
    if (strcmp(ban->kind, "key") != 0 || fs_unhex(ban->subject, digest, sizeof digest))
        return ban->subject;
    people_fingerprint(digest, fingerprint);
    return fingerprint;
}

static void ban_json(void *context, const struct ban *ban)
{
    struct listing *listing = context;
    char fingerprint[FINGERPRINT_TEXT];
    json_object(&listing->json, NULL);
    json_int(&listing->json, "id", ban->id);
    json_string(&listing->json, "kind", ban->kind);
    json_string(&listing->json, "subject", subject_text(ban, fingerprint));
    json_string(&listing->json, "reason", ban->reason);
    json_string(&listing->json, "by", ban->by[0] ? ban->by : NULL);
    json_int(&listing->json, "created_at", ban->created_at);
    if (ban->until)
        json_int(&listing->json, "until", ban->until);
    else
        json_null(&listing->json, "until");
    json_close(&listing->json, '}');
}

static void ban_row(void *context, const struct ban *ban)
{
    struct listing *listing = context;
    char fingerprint[FINGERPRINT_TEXT], until[WHEN_MAX] = "for ever";
    if (ban->until)
        when_rfc3339(ban->until, until);
    show_table_row(&listing->table, SHOW_PLAIN, ban->kind, subject_text(ban, fingerprint), until,
                   ban->by[0] ? ban->by : "the box", ban->reason);
}

int people_print_bans(struct store *store, bool json)
{
    struct listing listing = {.store = store};
    buf_init(&listing.json, OUT_MAX);
    if (!json) {
        show_table_init(&listing.table, 5);
        show_table_row(&listing.table, SHOW_DIM, "KIND", "WHO", "UNTIL", "BY", "REASON");
    }
    json_array(&listing.json, NULL);
    int result = ban_list(store, json ? ban_json : ban_row, &listing);
    json_close(&listing.json, ']');
    if (!json)
        show_table_print(&listing.table, 0);
    else if (result == 0)
        print_json(&listing.json);
    buf_done(&listing.json);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
