#include "base/fs.h"
#include "base/when.h"
#include "identity/conversation.h"
#include "identity/credential.h"
#include "identity/event.h"
#include "tests/unit/people.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static enum person_claim enter(struct store *store, const char *name, const char *key,
                               struct person *person)
{
    struct person_attempt attempt = attempt_with(name, key);
    return person_enter(store, &attempt, person);
}

static void a_free_name_is_claimed_once(void **state)
{
    struct store *store = *state;
    struct person person, again;
    struct person_attempt probe = attempt_with("Ada", "k1");
    probe.claim = false;
    assert_int_equal(person_enter(store, &probe, &person), CLAIM_MADE);
    assert_int_equal(person_count(store), 0); /* only asked */
    assert_int_equal(enter(store, "Ada", "k1", &person), CLAIM_MADE);
    assert_string_equal(person.name, "ada");
    assert_int_equal(person.role, ROLE_PERSON);
    assert_int_equal(enter(store, "aDA", "k1", &again), CLAIM_IS_YOURS);
    assert_int_equal(again.id, person.id);
    assert_int_equal(enter(store, "ada", "k2", &again), CLAIM_TAKEN);
    assert_int_equal(again.id, person.id);
    assert_int_equal(enter(store, "a-da", "k2", &again), CLAIM_LOOKS_LIKE);
    assert_string_equal(again.name, "ada");
    assert_int_equal(enter(store, "root", "k2", &again), CLAIM_BAD_NAME);
    assert_int_equal(enter(store, "a b", "k2", &again), CLAIM_BAD_NAME);
    assert_int_equal(enter(store, "ada2", "k1", &again), CLAIM_MADE); /* one key, two names */
    assert_int_equal(person_count(store), 2);
}

static void newcomers_wait_or_stay_out(void **state)
{
    struct store *store = *state;
    struct person person;
    struct person_attempt attempt = attempt_with("ada", "k1");
    attempt.newcomers = NEWCOMERS_ASK;
    assert_int_equal(person_enter(store, &attempt, &person), CLAIM_MADE);
    assert_int_equal(person.role, ROLE_WAITING);
    assert_int_equal(person_set_role(store, person.id, ROLE_PERSON), ACT_DONE);
    attempt.newcomers = NEWCOMERS_CLOSED;
    assert_int_equal(person_enter(store, &attempt, &person), CLAIM_IS_YOURS);
    assert_int_equal(person.role, ROLE_PERSON);
    struct person_attempt other = attempt_with("bob", "k2");
    other.newcomers = NEWCOMERS_CLOSED;
    assert_int_equal(person_enter(store, &other, &person), CLAIM_CLOSED);
}

static void a_browser_is_one_person(void **state)
{
    struct store *store = *state;
    struct person person;
    struct person_attempt attempt = attempt_with("ada", "cookie");
    attempt.kind = "browser";
    assert_int_equal(person_enter(store, &attempt, &person), CLAIM_MADE);
    attempt.name = "bob";
    assert_int_equal(person_enter(store, &attempt, &person), CLAIM_IS_YOURS);
    assert_string_equal(person.name, "ada");
}

static void bans_by_person_key_and_address(void **state)
{
    struct store *store = *state;
    struct person person;
    int64_t ada = claim(store, "ada"), now = when_wall_ms();
    char id[24], key[65], *reason = NULL;
    struct person_attempt attempt = attempt_with("ada", "ada");
    snprintf(id, sizeof id, "%lld", (long long)ada);
    fs_hex(attempt.digest, sizeof attempt.digest, key);

    assert_int_equal(ban_set(store, "person", id, "be\x1b nice", 0, 0), ACT_DONE);
    assert_int_equal(ban_holds(store, ada, NULL, NULL, &reason), 1);
    assert_string_equal(reason, "be nice");
    free(reason);
    assert_int_equal(enter(store, "ada", "ada", &person), CLAIM_BANNED);
    assert_int_equal(person.id, ada);
    assert_int_equal(enter(store, "eve", "ada", &person), CLAIM_BANNED); /* the same key */
    assert_int_equal(person.id, 0);
    assert_int_equal(enter(store, "ada", "other", &person), CLAIM_TAKEN); /* not their ban */
    assert_int_equal(ban_lift(store, "person", id), ACT_DONE);
    assert_int_equal(ban_lift(store, "person", id), ACT_NOTHING_TO_DO);
    assert_int_equal(enter(store, "ada", "ada", &person), CLAIM_IS_YOURS);

    assert_int_equal(ban_set(store, "key", key, NULL, ada, now + 3600000), ACT_DONE);
    assert_int_equal(enter(store, "ada", "ada", &person), CLAIM_BANNED);
    assert_int_equal(ban_set(store, "key", key, NULL, 0, now - 1), ACT_DONE); /* has ended */
    assert_int_equal(enter(store, "ada", "ada", &person), CLAIM_IS_YOURS);

    assert_int_equal(ban_set(store, "address", "::ffff:10.77.0.9", "", 0, 0), ACT_DONE);
    assert_int_equal(enter(store, "ada", "ada", &person), CLAIM_BANNED);
    assert_int_equal(ban_holds(store, 0, NULL, "10.77.0.9", NULL), 1);
    assert_int_equal(ban_holds(store, 0, NULL, "10.77.0.8", NULL), 0);
    assert_int_equal(ban_holds(store, 0, NULL, "nonsense", NULL), 0);

    assert_int_equal(ban_set(store, "person", "999", "", 0, 0), ACT_NOBODY);
    assert_int_equal(ban_set(store, "person", "0", "", 0, 0), ACT_BAD_SUBJECT);
    assert_int_equal(ban_set(store, "address", "10.77", "", 0, 0), ACT_BAD_SUBJECT);
    assert_int_equal(ban_set(store, "key", "abc", "", 0, 0), ACT_BAD_SUBJECT);
    assert_int_equal(ban_set(store, "planet", "1", "", 0, 0), ACT_BAD_SUBJECT);
}

static void count_bans(void *context, const struct ban *ban)
{
    int *count = context;
    ++*count;
    assert_string_equal(ban->name, "ada");
    assert_string_equal(ban->by, "");
}

static void bans_are_listed_while_they_hold(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada");
    char id[24];
    int count = 0;
    snprintf(id, sizeof id, "%lld", (long long)ada);
    assert_int_equal(ban_set(store, "person", id, "", 0, 0), ACT_DONE);
    assert_int_equal(ban_set(store, "address", "10.0.0.1", "", 0, 1), ACT_DONE);
    assert_int_equal(ban_list(store, count_bans, &count), 0);
    assert_int_equal(count, 1);
}

static char last_name[NAME_MAX_BYTES];

static void take_name(void *context, const struct message *message)
{
    (void)context;
    strcpy(last_name, message->name);
}

static void say(struct store *store, int64_t who, int64_t to, const char *text)
{
    struct message_new message = {.room_id = to ? 0 : ROOM_LOBBY,
                                  .person_id = who,
                                  .to_id = to,
                                  .kind = MESSAGE_SAY,
                                  .text = text};
    assert_int_equal(conversation_say(store, &message, 1, NULL), 0);
}

static int64_t number(struct store *store, const char *sql)
{
    int64_t value = 0;
    assert_int_equal(store_int(store, &value, sql, ""), 1);
    return value;
}

static void a_new_name_keeps_the_history(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), bob = claim(store, "bob");
    struct person person;
    say(store, ada, 0, "hello");
    assert_int_equal(person_rename(store, ada, "BOB"), ACT_TAKEN);
    assert_int_equal(person_rename(store, ada, "b0b"), ACT_TAKEN);
    assert_int_equal(person_rename(store, ada, "root"), ACT_BAD_NAME);
    assert_int_equal(person_rename(store, ada, "ada"), ACT_NOTHING_TO_DO);
    assert_int_equal(person_rename(store, ada, "a.da"), ACT_DONE); /* looks like her own */
    assert_int_equal(person_rename(store, ada, "countess"), ACT_DONE);
    assert_int_equal(person_rename(store, 99, "nobody2"), ACT_NOBODY);
    assert_int_equal(conversation_get(store, 1, take_name, NULL), 1);
    assert_string_equal(last_name, "countess");
    assert_int_equal(person_rename(store, bob, "ada"), ACT_DONE); /* free again */
    assert_int_equal(person_by_name(store, "Ada", &person), 1);
    assert_int_equal(person.id, bob);
}

/* Gives a person something of everything. */
static void furnish(struct store *store, int64_t id, int64_t other, const char *tag)
{
    uint8_t digest[DIGEST_SHA256_SIZE];
    char secret[SECRET_TEXT];
    secret_new(secret);
    secret_digest(secret, digest);
    say(store, id, 0, tag);
    say(store, id, other, "for you");
    say(store, other, id, "back to you");
    assert_int_equal(credential_add(store, id, "browser", digest, "Firefox", "10.77.0.9", 0), 0);
    assert_int_equal(code_make(store, id, "web", secret), 0);
    assert_int_equal(setting_set(store, id, "color", "green"), 0);
    assert_int_equal(ignore_set(store, id, other, true), 0);
    assert_int_equal(member_join(store, ROOM_LOBBY, id), 0);
    assert_int_equal(store_run(store,
                               "INSERT INTO file (path, person_id, size, created_at, modified_at) "
                               "VALUES (?, ?, 3, 1, 1)",
                               "si", tag, id),
                     0);
    assert_int_equal(report_make(store, id, other, tag), 0);
}

static void forgetting_leaves_words_without_a_name(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), bob = claim(store, "bob");
    furnish(store, ada, bob, "adas words");
    assert_int_equal(person_forget(store, ada, false), ACT_DONE);
    assert_int_equal(person_forget(store, ada, false), ACT_NOBODY);
    assert_int_equal(number(store, "SELECT count(*) FROM credential"), 1); /* bob's key */
    assert_int_equal(number(store, "SELECT count(*) FROM code"), 0);
    assert_int_equal(number(store, "SELECT count(*) FROM setting"), 0);
    assert_int_equal(number(store, "SELECT count(*) FROM ignored"), 0);
    assert_int_equal(number(store, "SELECT count(*) FROM member"), 0);
    assert_int_equal(number(store, "SELECT count(*) FROM file WHERE person_id IS NULL"), 1);
    assert_int_equal(conversation_get(store, 1, take_name, NULL), 1);
    assert_string_equal(last_name, "");
    assert_int_equal(number(store, "SELECT count(*) FROM message"), 2);
    assert_int_equal(claim(store, "ada") > bob, 1); /* the name is free, the id is not */
}

static void forgetting_words_too(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), bob = claim(store, "bob");
    furnish(store, ada, bob, "unforgettable");
    assert_int_equal(person_forget(store, ada, true), ACT_DONE);
    assert_int_equal(number(store, "SELECT count(*) FROM message"), 0);
    assert_int_equal(number(store, "SELECT count(*) FROM report"), 0);
    assert_int_equal(number(store, "SELECT count(*) FROM message_text WHERE message_text "
                                   "MATCH 'unforgettable'"),
                     0);
    int64_t segment = 0; /* nor does the index remember the word */
    assert_int_equal(store_int(store, &segment,
                               "SELECT count(*) FROM message_text_data "
                               "WHERE instr(block, CAST('forgettable' AS BLOB))",
                               ""),
                     1);
    assert_int_equal(segment, 0);
}

static void two_become_one(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), lovelace = claim(store, "lovelace"),
            bob = claim(store, "bob");
    struct person person;
    furnish(store, ada, bob, "one");
    furnish(store, lovelace, bob, "two");
    assert_int_equal(ignore_set(store, ada, lovelace, true), 0);
    assert_int_equal(person_merge(store, ada, ada, true), ACT_NOTHING_TO_DO);
    assert_int_equal(person_merge(store, ada, 99, true), ACT_NOBODY);
    assert_int_equal(person_merge(store, 99, ada, true), ACT_NOBODY);
    assert_int_equal(person_merge(store, ada, lovelace, true), ACT_DONE);
    struct person_holdings holdings;
    assert_int_equal(person_holdings(store, ada, &holdings), 0);
    assert_int_equal(holdings.keys, 2);
    assert_int_equal(holdings.browsers, 2);
    assert_int_equal(holdings.messages, 2);
    assert_int_equal(holdings.files, 2);
    assert_int_equal(holdings.file_bytes, 6);
    assert_int_equal(ignore_is(store, ada, bob), 1);
    assert_int_equal(enter(store, "ada", "lovelace", &person), CLAIM_IS_YOURS);
    assert_int_equal(person_by_name(store, "lovelace", &person), 0);
    assert_int_equal(number(store, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

/* Whoever merges two holds keys of one of them: what the other was told must not open with them. */
static void a_host_who_merges_reads_nothing_private(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), bob = claim(store, "bob"), eve = claim(store, "eve");
    say(store, ada, bob, "secret one");
    say(store, bob, ada, "secret two");
    say(store, ada, 0, "public");
    assert_int_equal(person_merge(store, eve, ada, false), ACT_DONE);
    assert_int_equal(number(store, "SELECT count(*) FROM message WHERE text = 'secret two'"), 0);
    assert_int_equal(number(store, "SELECT person_id IS NULL FROM message "
                                   "WHERE text = 'secret one'"),
                     1);
    assert_int_equal(number(store, "SELECT person_id FROM message WHERE text = 'public'"), eve);
}

static void roles_settings_mutes(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), bob = claim(store, "bob");
    struct person person;
    assert_int_equal(person_set_role(store, ada, ROLE_HOST), ACT_DONE);
    assert_int_equal(person_set_role(store, ada, ROLE_HOST), ACT_NOTHING_TO_DO);
    assert_int_equal(person_set_role(store, 99, ROLE_HOST), ACT_NOBODY);
    assert_int_equal(person_host_count(store), 1);
    assert_int_equal(person_mute(store, ada, 77), ACT_DONE);
    assert_int_equal(person_by_id(store, ada, &person), 1);
    assert_int_equal(person.muted_until, 77);
    assert_int_equal(person.role, ROLE_HOST);
    assert_null(setting_get(store, ada, "bell"));
    assert_int_equal(setting_set(store, ada, "bell", "on"), 0);
    assert_int_equal(setting_set(store, ada, "bell", "off"), 0);
    char *value = setting_get(store, ada, "bell");
    assert_string_equal(value, "off");
    free(value);
    assert_int_equal(ignore_set(store, ada, bob, true), 0);
    assert_int_equal(ignore_set(store, ada, bob, true), 0);
    assert_int_equal(ignore_is(store, ada, bob), 1);
    assert_int_equal(ignore_set(store, ada, bob, false), 0);
    assert_int_equal(ignore_is(store, ada, bob), 0);
    for (int act = ACT_FAILED; act <= ACT_BAD_SUBJECT; act++)
        assert_true(strlen(person_act_text((enum person_act)act)) > 3);
}

static void seen_moves_on_once_a_minute_and_never_back(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), now = when_wall_ms();
    struct person person;
    person_seen(store, ada, now + 1000);
    assert_int_equal(person_by_id(store, ada, &person), 1);
    assert_true(person.seen_at <= now + 900);
    person_seen(store, ada, now + 61000);
    person_seen(store, ada, now - 61000);
    assert_int_equal(person_by_id(store, ada, &person), 1);
    assert_true(person.seen_at == now + 61000);
}

/* RIAD_CAMPAIGN=full: fifty racers, a hundred times. */
#define RACERS_MAX 50
#define RACERS     (getenv("RIAD_CAMPAIGN") ? RACERS_MAX : 12)
#define ROUNDS     (getenv("RIAD_CAMPAIGN") ? 100 : 10)

struct racer {
    const char *path;
    int number, round;
    enum person_claim claim;
};

static void *race(void *context)
{
    struct racer *racer = context;
    struct store *store = store_open(racer->path);
    char name[32], key[32];
    struct person person;
    snprintf(name, sizeof name, "prize%d", racer->round);
    snprintf(key, sizeof key, "key%d.%d", racer->round, racer->number);
    racer->claim = store ? enter(store, name, key, &person) : CLAIM_FAILED;
    store_close(store);
    return NULL;
}

static void one_of_many_threads_wins_a_name(void **state)
{
    const char *path = scratch_path(*state, "riad.db");
    assert_int_equal(store_migrate(path), 0);
    for (int round = 0; round < ROUNDS; round++) {
        struct racer racers[RACERS_MAX] = {0};
        pthread_t threads[RACERS_MAX] = {0};
        int made = 0;
        for (int i = 0; i < RACERS; i++) {
            racers[i] = (struct racer){path, i, round + 2, CLAIM_FAILED};
            assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < RACERS; i++) {
            pthread_join(threads[i], NULL);
            made += racers[i].claim == CLAIM_MADE;
            assert_true(racers[i].claim == CLAIM_MADE || racers[i].claim == CLAIM_TAKEN);
        }
        assert_int_equal(made, 1);
    }
}

static void one_of_many_processes_wins_a_name(void **state)
{
    const char *path = scratch_path(*state, "riad.db");
    assert_int_equal(store_migrate(path), 0);
    for (int round = 0; round < ROUNDS; round++) {
        pid_t children[RACERS_MAX];
        int made = 0, taken = 0;
        for (int i = 0; i < RACERS; i++) {
            children[i] = fork();
            if (children[i] == 0) {
                struct racer racer = {path, i, round + 2, CLAIM_FAILED};
                race(&racer);
                _exit((int)racer.claim);
            }
        }
        for (int i = 0; i < RACERS; i++) {
            int status;
            assert_int_equal(waitpid(children[i], &status, 0), children[i]);
            made += WIFEXITED(status) && WEXITSTATUS(status) == CLAIM_MADE;
            taken += WIFEXITED(status) && WEXITSTATUS(status) == CLAIM_TAKEN;
        }
        assert_int_equal(made, 1);
        assert_int_equal(taken, RACERS - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_free_name_is_claimed_once),
        STORE_TEST(newcomers_wait_or_stay_out),
        STORE_TEST(a_browser_is_one_person),
        STORE_TEST(bans_by_person_key_and_address),
        STORE_TEST(bans_are_listed_while_they_hold),
        STORE_TEST(a_new_name_keeps_the_history),
        STORE_TEST(forgetting_leaves_words_without_a_name),
        STORE_TEST(forgetting_words_too),
        STORE_TEST(two_become_one),
        STORE_TEST(a_host_who_merges_reads_nothing_private),
        STORE_TEST(roles_settings_mutes),
        STORE_TEST(seen_moves_on_once_a_minute_and_never_back),
        SCRATCH_TEST(one_of_many_threads_wins_a_name),
        SCRATCH_TEST(one_of_many_processes_wins_a_name),
    };
    return cmocka_run_group_tests_name("person", tests, NULL, NULL);
}
