#include "base/fs.h"
#include "base/when.h"
#include "identity/credential.h"
#include "identity/event.h"
#include "tests/unit/people.h"

#include <pthread.h>

static void digest_text(const char *text, uint8_t *digest)
{
    digest_of(DIGEST_SHA256, text, strlen(text), digest);
}

static void credentials_say_whose_they_are(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), id = 0;
    uint8_t digest[DIGEST_SHA256_SIZE], token[DIGEST_SHA256_SIZE];
    struct person person;
    digest_text("ada", digest);
    digest_text("token", token);
    assert_int_equal(credential_person(store, "key", digest, "10.0.0.1", &person, &id), 1);
    assert_int_equal(person.id, ada);
    assert_true(id > 0);
    assert_int_equal(credential_person(store, "token", digest, "", &person, NULL), 0);
    assert_int_equal(person.id, 0);
    assert_int_equal(credential_person(store, "token", token, "", &person, NULL), 0);
    assert_int_equal(credential_add(store, ada, "token", token, "ci", "", 3600), 0);
    assert_int_equal(credential_add(store, ada, "token", token, "ci", "", 3600), STORE_EXISTS);
    assert_int_equal(credential_add(store, 99, "token", token, "ci", "", 3600), -1);
    assert_int_equal(credential_person(store, "token", token, NULL, &person, NULL), 1);
    assert_int_equal(ban_set(store, "address", "10.0.0.1", "", 0, 0), ACT_DONE);
    assert_int_equal(credential_person(store, "token", token, "10.0.0.1", &person, NULL), 0);
    assert_int_equal(credential_person(store, "token", token, "10.0.0.2", &person, NULL), 1);
    char who[24];
    snprintf(who, sizeof who, "%lld", (long long)ada);
    assert_int_equal(ban_set(store, "person", who, "", 0, 0), ACT_DONE);
    assert_int_equal(credential_person(store, "token", token, "10.0.0.2", &person, NULL), 0);
}

static int64_t number(struct store *store, const char *sql)
{
    int64_t value = 0;
    assert_int_equal(store_int(store, &value, sql, ""), 1);
    return value;
}

static void what_expired_opens_nothing(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada");
    uint8_t digest[DIGEST_SHA256_SIZE];
    struct person person;
    digest_text("cookie", digest);
    assert_int_equal(credential_add(store, ada, "browser", digest, "", "", 0), 0);
    digest_text("token", digest);
    assert_int_equal(credential_add(store, ada, "token", digest, "", "", 60), 0);
    assert_int_equal(
        store_run(store, "UPDATE credential SET expires_at = 1 WHERE kind = 'token'", ""), 0);
    assert_int_equal(credential_person(store, "token", digest, "", &person, NULL), 0);
    int64_t idle = when_wall_ms() - CREDENTIAL_BROWSER_IDLE_S * 1000LL;
    assert_int_equal(store_run(store, "UPDATE credential SET used_at = ?", "i", idle + 60000), 0);
    digest_text("cookie", digest);
    assert_int_equal(credential_person(store, "browser", digest, "10.1.1.1", &person, NULL), 1);
    assert_true(number(store, "SELECT used_at FROM credential WHERE kind = 'browser'") >
                idle + 70000); /* used: that counts anew */
    assert_int_equal(store_run(store, "UPDATE credential SET used_at = ?", "i", idle - 1), 0);
    assert_int_equal(credential_person(store, "browser", digest, "", &person, NULL), 0);
    assert_int_equal(credential_tidy(store), 0);
    assert_int_equal(number(store, "SELECT count(*) FROM credential"), 1); /* the key stays */
}

static void collect(void *context, const struct credential *credential)
{
    struct credential *list = context;
    while (list->id)
        list++;
    *list = *credential;
}

static void credentials_are_listed_and_revoked(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), bob = claim(store, "bob");
    uint8_t digest[DIGEST_SHA256_SIZE];
    struct credential list[8] = {0}, keys[8] = {0};
    digest_text("cookie", digest);
    assert_int_equal(credential_list(store, ada, NULL, collect, list), 0);
    assert_int_equal(credential_remove(store, ada, list[0].id), ACT_NOTHING_TO_DO); /* her last */
    assert_int_equal(credential_add(store, ada, "browser", digest, "Firefox", "10.0.0.1", 0), 0);
    memset(list, 0, sizeof list);
    assert_int_equal(credential_list(store, ada, NULL, collect, list), 0);
    assert_int_equal(credential_list(store, ada, "key", collect, keys), 0);
    assert_string_equal(list[1].label, "Firefox");
    assert_string_equal(list[1].kind, "browser");
    assert_memory_equal(list[1].digest, digest, sizeof digest);
    assert_int_equal(list[2].id, 0);
    assert_int_equal(keys[1].id, 0);
    assert_int_equal(credential_remove(store, bob, list[1].id), ACT_NOTHING_TO_DO);
    int64_t before = event_last(store);
    assert_int_equal(credential_remove(store, ada, list[0].id), ACT_DONE);
    assert_int_equal(event_last(store), before + 1);
    assert_int_equal(credential_remove(store, ada, list[0].id), ACT_NOTHING_TO_DO);
}

static void codes_work_once_for_their_kind(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada");
    char web[SECRET_TEXT], key[SECRET_TEXT], typed[32];
    struct person person;
    assert_int_equal(code_is_open(store, ada, "key"), 0);
    assert_int_equal(code_make(store, ada, "web", web), 0);
    assert_int_equal(code_make(store, ada, "key", key), 0);
    assert_int_equal(code_is_open(store, ada, "key"), 1);
    assert_int_equal(code_look(store, "web", web, &person), 1);
    assert_int_equal(code_look(store, "web", web, &person), 1); /* looking burns nothing */
    assert_int_equal(code_use(store, "key", web, &person), 0);
    assert_int_equal(code_use(store, "browser", key, &person), 0);
    snprintf(typed, sizeof typed, " %s\n", key);
    for (char *at = typed; *at; at++)
        *at = (char)(*at >= 'A' && *at <= 'Z' ? *at + 32 : *at);
    assert_int_equal(code_use(store, "key", typed, &person), 1);
    assert_int_equal(person.id, ada);
    assert_int_equal(code_use(store, "key", key, &person), 0);
    assert_int_equal(code_use(store, "web", web, &person), 1);
    assert_int_equal(code_use(store, "web", "", &person), 0);
    assert_int_equal(code_use(store, "web", "'; DROP TABLE code; --", &person), 0);
    assert_int_equal(person.id, 0);
}

static void codes_end(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada");
    char first[SECRET_TEXT], second[SECRET_TEXT];
    struct person person;
    assert_int_equal(code_make(store, ada, "web", first), 0);
    assert_int_equal(code_make(store, ada, "web", second), 0);
    assert_int_equal(code_use(store, "web", first, &person), 0); /* replaced */
    assert_int_equal(store_run(store, "UPDATE code SET expires_at = ?", "i", when_wall_ms()), 0);
    assert_int_equal(code_look(store, "web", second, &person), 0);
    assert_int_equal(code_use(store, "web", second, &person), 0);
    assert_int_equal(code_make(store, ada, "web", second), 0);
    int64_t year = 365LL * 24 * 3600 * 1000; /* the clock was a year ahead and has been mended */
    assert_int_equal(store_run(store,
                               "UPDATE code SET created_at = created_at + ?1, "
                               "expires_at = expires_at + ?1",
                               "i", year),
                     0);
    assert_int_equal(code_use(store, "web", second, &person), 0);
}

#define RACERS 12

struct racer {
    const char *path, *code;
    int used;
};

static void *race(void *context)
{
    struct racer *racer = context;
    struct store *store = store_open(racer->path);
    struct person person;
    racer->used = store ? code_use(store, "web", racer->code, &person) : -1;
    store_close(store);
    return NULL;
}

static void a_code_is_used_by_one_racer(void **state)
{
    const char *path = scratch_path(*state, "riad.db");
    assert_int_equal(store_migrate(path), 0);
    struct store *store = store_open(path);
    int64_t ada = claim(store, "ada");
    for (int round = 0; round < 10; round++) {
        struct racer racers[RACERS];
        pthread_t threads[RACERS];
        char code[SECRET_TEXT];
        int used = 0;
        assert_int_equal(code_make(store, ada, "web", code), 0);
        for (int i = 0; i < RACERS; i++) {
            racers[i] = (struct racer){path, code, -1};
            assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < RACERS; i++) {
            pthread_join(threads[i], NULL);
            assert_true(racers[i].used >= 0);
            used += racers[i].used;
        }
        assert_int_equal(used, 1);
    }
    store_close(store);
}

static void guesses_are_slowed_down(void **state)
{
    guess_forget();
    for (int i = 0; i < 4; i++) {
        assert_int_equal(guess_wait_ms("10.0.0.1"), 0);
        guess_wrong("10.0.0.1");
    }
    assert_int_equal(guess_wait_ms("10.0.0.1"), 0);
    guess_wrong("10.0.0.1");
    int64_t wait = guess_wait_ms("10.0.0.1");
    assert_true(wait > 900 && wait <= 1000);
    for (int i = 0; i < 100; i++)
        guess_wrong("10.0.0.1");
    assert_true(guess_wait_ms("10.0.0.1") <= 60000);
    assert_true(guess_wait_ms("10.0.0.1") > 59000);
    assert_int_equal(guess_wait_ms("10.0.0.2"), 0);
    assert_int_equal(guess_wait_ms(NULL), 0);
    for (int i = 0; i < 5; i++) { /* one host of IPv6 has many addresses */
        char address[64];
        snprintf(address, sizeof address, "2001:db8::%x", i + 1);
        guess_wrong(address);
    }
    assert_true(guess_wait_ms("2001:db8::ffff") > 0);
    assert_int_equal(guess_wait_ms("2001:db8:0:1::1"), 0);
    guess_forget();
    for (int i = 0; i < 2000; i++) { /* a flood from everywhere slows all down, and no more */
        char address[64];
        snprintf(address, sizeof address, "10.1.%d.%d", i / 256, i % 256);
        guess_wrong(address);
    }
    wait = guess_wait_ms("10.9.9.9");
    assert_true(wait > 0 && wait < 2000 * 50);
    guess_forget();
    (void)state;
}

#define PEOPLE   10000
#define SIGN_INS 100000

static void a_login_does_not_count_people(void **state)
{
    struct store *store = *state;
    claim(store, "ada");
    uint8_t digest[DIGEST_SHA256_SIZE];
    struct person person;
    digest_text("ada", digest);
    assert_int_equal(store_begin(store, STORE_SOON), 0);
    assert_int_equal(store_run(store,
                               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                               "WHERE i < ?) INSERT INTO person (name, skeleton, created_at, "
                               "seen_at) SELECT 'n' || i, 's' || i, 1, 1 FROM n",
                               "i", (int64_t)PEOPLE),
                     0);
    assert_int_equal(store_run(store,
                               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                               "WHERE i < ?) INSERT INTO credential (person_id, kind, digest, "
                               "created_at, used_at) SELECT 2 + i % ?, 'browser', randomblob(32), "
                               "1, 1 FROM n",
                               "ii", (int64_t)SIGN_INS, (int64_t)PEOPLE),
                     0);
    assert_int_equal(store_end(store, 0), 0);
    int64_t start = when_monotonic_ms();
    for (int i = 0; i < 1000; i++)
        assert_int_equal(credential_person(store, "key", digest, "10.0.0.1", &person, NULL), 1);
    int64_t requests = when_monotonic_ms() - start;
    start = when_monotonic_ms();
    for (int i = 0; i < 1000; i++) {
        struct person_attempt attempt = attempt_with("ada", "ada");
        assert_int_equal(person_enter(store, &attempt, &person), CLAIM_IS_YOURS);
    }
    print_message("among %d sign-ins: a request %lld us, a login %lld us\n", SIGN_INS,
                  (long long)requests, (long long)(when_monotonic_ms() - start));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(credentials_say_whose_they_are),
        STORE_TEST(what_expired_opens_nothing),
        STORE_TEST(credentials_are_listed_and_revoked),
        STORE_TEST(codes_work_once_for_their_kind),
        STORE_TEST(codes_end),
        SCRATCH_TEST(a_code_is_used_by_one_racer),
        cmocka_unit_test(guesses_are_slowed_down),
        STORE_TEST(a_login_does_not_count_people),
    };
    return cmocka_run_group_tests_name("credential", tests, NULL, NULL);
}
