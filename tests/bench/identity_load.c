/*
 * identity_load FILE: what identity and conversation cost on a store of FILE's disk.
 *
 * With 100 people and 1,000 sign-ins first, then with 10,000 and 100,000, so that the ratio shows
 * what their number costs. Processor time of this process for what only reads, wall time for what
 * waits for the disk.
 */
#include "base/when.h"
#include "identity/conversation.h"
#include "identity/credential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 20000
#define WRITES 300

static double processor_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void must(int ok)
{
    if (!ok) {
        fputs("identity_load: a call failed\n", stderr);
        exit(1);
    }
}

static void populate(struct store *store, int64_t people, int64_t sign_ins)
{
    must(store_begin(store, STORE_SOON) == 0);
    must(store_run(store,
                   "WITH RECURSIVE n(i) AS (SELECT (SELECT count(*) FROM person) UNION ALL "
                   "SELECT i + 1 FROM n WHERE i < ?) INSERT OR IGNORE INTO person (name, skeleton, "
                   "created_at, seen_at) SELECT 'n' || i, 's' || i, 1, 1 FROM n",
                   "i", people) == 0);
    must(store_run(store,
                   "WITH RECURSIVE n(i) AS (SELECT (SELECT count(*) FROM credential) UNION ALL "
                   "SELECT i + 1 FROM n WHERE i < ?) INSERT OR IGNORE INTO credential (person_id, "
                   "kind, digest, created_at, used_at) SELECT 1 + i % ?, 'browser', "
                   "randomblob(32), 1, 1 FROM n",
                   "ii", sign_ins, people / 2) == 0);
    must(store_end(store, 0) == 0);
}

static struct person_attempt ada(const char *key)
{
    struct person_attempt attempt = {
        .name = "ada", .kind = "key", .label = "bench", .address = "10.77.0.9", .claim = true};
    digest_of(DIGEST_SHA256, key, strlen(key), attempt.digest);
    return attempt;
}

static double requests(struct store *store, const uint8_t *cookie)
{
    struct person person;
    double start = processor_us();
    for (int i = 0; i < ROUNDS; i++)
        must(credential_person(store, "browser", cookie, "10.77.0.9", &person, NULL) == 1);
    return (processor_us() - start) / ROUNDS;
}

static double logins(struct store *store)
{
    struct person person;
    double start = processor_us();
    for (int i = 0; i < ROUNDS; i++) {
        struct person_attempt attempt = ada("ada");
        must(person_enter(store, &attempt, &person) == CLAIM_IS_YOURS);
    }
    return (processor_us() - start) / ROUNDS;
}

static double refusals(struct store *store)
{
    struct person person;
    double start = processor_us();
    for (int i = 0; i < ROUNDS; i++) {
        struct person_attempt attempt = ada("somebody else's");
        must(person_enter(store, &attempt, &person) == CLAIM_TAKEN);
    }
    return (processor_us() - start) / ROUNDS;
}

static void writes(struct store *store)
{
    int64_t start = when_monotonic_ms();
    for (int i = 0; i < WRITES; i++) {
        char name[NAME_MAX_BYTES];
        struct person person;
        snprintf(name, sizeof name, "w%dx", i + 2);
        struct person_attempt attempt = ada(name);
        attempt.name = name;
        must(person_enter(store, &attempt, &person) == CLAIM_MADE);
    }
    int64_t claims = when_monotonic_ms() - start;
    struct message_new batch[20];
    for (size_t i = 0; i < 20; i++)
        batch[i] = (struct message_new){
            .room_id = ROOM_LOBBY, .kind = MESSAGE_SAY, .text = "some words that people might say"};
    start = when_monotonic_ms();
    for (int i = 0; i < WRITES; i++)
        must(conversation_say(store, batch, 20, NULL) == 0);
    must(store_sync(store) == 0);
    int64_t lines = when_monotonic_ms() - start;
    printf("  claims, each synced          %8.0f a second\n", WRITES * 1e3 / (double)(claims + 1));
    printf("  chat lines, twenty at a time %8.0f a second\n", WRITES * 20e3 / (double)(lines + 1));
}

static void count(void *context, const struct message *message)
{
    (void)message;
    ++*(int *)context;
}

static void reading(struct store *store)
{
    must(store_run(store,
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                   "100000) INSERT INTO message (at, room_id, person_id, kind, text) "
                   "SELECT 1800000000000 + i, 1, 1, 'say', 'line ' || i || ' of many' FROM n",
                   "") == 0);
    struct message_query last = {.room_id = ROOM_LOBBY, .newest = true, .limit = 50};
    struct message_query words = {
        .room_id = ROOM_LOBBY, .newest = true, .limit = 50, .words = "many"};
    int seen = 0;
    double start = processor_us();
    for (int i = 0; i < 1000; i++)
        must(conversation_read(store, &last, count, &seen) == 0);
    double middle = processor_us();
    for (int i = 0; i < 1000; i++)
        must(conversation_read(store, &words, count, &seen) == 0);
    must(seen == 100000);
    printf("  the last 50 of 100,000 lines %8.1f us\n", (middle - start) / 1000);
    printf("  50 found by a common word    %8.1f us\n", (processor_us() - middle) / 1000);
}

int main(int argc, char **argv)
{
    static const int64_t sizes[][2] = {
        {100,   1000  },
        {10000, 100000}
    };
    uint8_t cookie[DIGEST_SHA256_SIZE];
    struct person person;
    must(argc == 2 && store_migrate(argv[1]) == 0);
    struct store *store = store_open(argv[1]);
    must(store != NULL);
    struct person_attempt attempt = ada("ada");
    must(person_enter(store, &attempt, &person) == CLAIM_MADE);
    secret_digest("a cookie", cookie);
    must(credential_add(store, person.id, "browser", cookie, "bench", "10.77.0.9", 0) == 0);
    for (size_t i = 0; i < 2; i++) {
        populate(store, sizes[i][0], sizes[i][1]);
        printf("with %lld people and %lld sign-ins\n", (long long)sizes[i][0],
               (long long)sizes[i][1]);
        printf("  identity of a request        %8.1f us\n", requests(store, cookie));
        printf("  a login                      %8.1f us\n", logins(store));
        printf("  a foreign key refused        %8.1f us\n", refusals(store));
    }
    writes(store);
    reading(store);
    store_close(store);
    return 0;
}
