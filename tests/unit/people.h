/*
 * people: a store in memory for each test, and people in it.
 */
#ifndef TESTS_UNIT_PEOPLE_H
#define TESTS_UNIT_PEOPLE_H

#include "identity/person.h"
#include "tests/unit/scratch.h"

#define READ_ALL 1000

static inline int store_setup(void **state)
{
    *state = store_open_memory();
    return *state ? 0 : -1;
}

static inline int store_teardown(void **state)
{
    store_close(*state);
    return 0;
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, store_setup, store_teardown)

/* An attempt to enter with the key that key stands for. */
static inline struct person_attempt attempt_with(const char *name, const char *key)
{
    struct person_attempt attempt = {
        .name = name, .kind = "key", .label = key, .address = "10.77.0.9", .claim = true};
    digest_of(DIGEST_SHA256, key, strlen(key), attempt.digest);
    return attempt;
}

/* Claims a name with a key of its own, and gives the id. */
static inline int64_t claim(struct store *store, const char *name)
{
    struct person_attempt attempt = attempt_with(name, name);
    struct person person;
    assert_int_equal(person_enter(store, &attempt, &person), CLAIM_MADE);
    return person.id;
}

#endif
