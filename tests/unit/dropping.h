/*
 * dropping: a drop in a folder of its own for each test, and people who drop into it.
 */
#ifndef TESTS_UNIT_DROPPING_H
#define TESTS_UNIT_DROPPING_H

#include "base/fs.h"
#include "base/mem.h"
#include "drop/drop_private.h"
#include "tests/unit/people.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct dropping {
    struct config config;
    struct store *store;
    struct drop *drop;
    char *store_path;
    struct drop_actor ada, bob, host, guest, other_guest;
};

static inline void dropping_open(struct dropping *at)
{
    at->store = store_open(at->store_path);
    assert_non_null(at->store);
    at->drop = drop_open(&at->config, at->store);
    assert_non_null(at->drop);
}

static inline void dropping_close(struct dropping *at)
{
    drop_close(at->drop);
    store_close(at->store);
}

static inline int dropping_setup(void **state)
{
    struct dropping *at = mem_alloc(sizeof *at);
    /* In memory where there is such a place: these tests sync a lot. */
    bool memory = access("/dev/shm", W_OK | X_OK) == 0;
    char folder[64], *path;

    snprintf(folder, sizeof folder, "%s/riad-drop-XXXXXX", memory ? "/dev/shm" : "/tmp");

    config_init(&at->config);
    free(at->config.box.state);
    at->config.box.state = mem_dup(mkdtemp(folder));
    at->config.box.reserve_percent = 0;
    at->config.web.max_file = 0;
    path = config_path(&at->config, "store");
    assert_int_equal(fs_make_folders(path, 0770), 0);
    free(path);
    at->store_path = config_path(&at->config, "store/riad.db");
    assert_int_equal(store_migrate(at->store_path), 0);
    dropping_open(at);
    at->ada.person_id = claim(at->store, "ada");
    at->bob.person_id = claim(at->store, "bob");
    at->host = (struct drop_actor){.person_id = claim(at->store, "hilda"), .host = true};
    assert_int_equal(person_set_role(at->store, at->host.person_id, ROLE_HOST), ACT_DONE);
    at->guest.has_guest = at->other_guest.has_guest = true;
    secret_digest("one", at->guest.guest);
    secret_digest("other", at->other_guest.guest);
    *state = at;
    return 0;
}

static inline int dropping_teardown(void **state)
{
    struct dropping *at = *state;
    char command[256];

    dropping_close(at);
    snprintf(command, sizeof command, "rm -rf '%s'", at->config.box.state);
    assert_int_equal(system(command), 0);
    free(at->store_path);
    config_done(&at->config);
    free(at);
    return 0;
}

#define DROP_TEST(test) cmocka_unit_test_setup_teardown(test, dropping_setup, dropping_teardown)

/* A path below the state folder; valid until the next call. */
static inline const char *below(const struct dropping *at, const char *path)
{
    static char whole[512];
    snprintf(whole, sizeof whole, "%s/%s", at->config.box.state, path);
    return whole;
}

static inline void put_by_hand(const struct dropping *at, const char *path, const char *text)
{
    assert_int_equal(fs_replace_file(below(at, path), text, strlen(text), 0644), 0);
}

static inline enum drop_result begin(struct dropping *at, const char *path,
                                     const struct drop_actor *actor, int64_t size, bool replace,
                                     bool exact, struct drop_arrival **arrival)
{
    struct drop_wish wish = {.path = path,
                             .actor = *actor,
                             .door = "put",
                             .size = size,
                             .replace = replace,
                             .exact = exact};
    return drop_begin(at->drop, &wish, arrival);
}

/* Drops text under path; where it went to is in *file. */
static inline enum drop_result put_as(struct dropping *at, const char *path, const char *text,
                                      const struct drop_actor *actor, bool replace, bool exact,
                                      struct drop_file *file, bool *same)
{
    struct drop_arrival *arrival;
    enum drop_result result =
        begin(at, path, actor, (int64_t)strlen(text), replace, exact, &arrival);
    if (result)
        return result;
    assert_int_equal(drop_write(arrival, text, strlen(text)), DROP_OK);
    return drop_publish(arrival, file, same, NULL);
}

static inline struct drop_file put(struct dropping *at, const char *path, const char *text)
{
    struct drop_file file;
    assert_int_equal(put_as(at, path, text, &at->ada, false, false, &file, NULL), DROP_OK);
    return file;
}

/* What can be read at path, as text; valid until the next call. NULL if nothing. */
static inline const char *content(struct dropping *at, const char *path)
{
    static char text[4096];
    struct drop_file file;
    ssize_t got;
    int fd;
    if (drop_read(at->drop, path, &file, &fd) != DROP_OK)
        return NULL;
    got = read(fd, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    close(fd);
    return text;
}

static inline bool has_digest_of(const struct drop_file *file, const char *text)
{
    uint8_t sha256[DIGEST_SHA256_SIZE];
    digest_of(DIGEST_SHA256, text, strlen(text), sha256);
    return file->has_sha256 && memcmp(sha256, file->sha256, sizeof sha256) == 0;
}

/* How many parts lie in .arriving/. */
static inline int parts(const struct dropping *at)
{
    char command[512];
    int count = -1;
    FILE *pipe;
    snprintf(command, sizeof command, "ls '%s/drop/.arriving' | wc -l", at->config.box.state);
    pipe = popen(command, "r");
    assert_int_equal(fscanf(pipe, "%d", &count), 1);
    pclose(pipe);
    return count;
}

static inline int64_t number(struct dropping *at, const char *sql)
{
    int64_t value = 0;
    assert_int_not_equal(store_int(at->store, &value, sql, ""), -1);
    return value;
}

/* What the keeper does beside: digests of what was put there by hand. */
static inline void read_all_missing(struct dropping *at)
{
    int64_t after = 0;
    while (drop_read_missing(at->drop, -1, &after) == 1)
        ;
}

/* After a restart: each file whole, with its owner and digest; nothing left over. */
static inline int check_house(struct dropping *at)
{
    int64_t after = 0;

    dropping_close(at);
    dropping_open(at);
    assert_int_equal(drop_tidy(at->drop), 0);
    store_run(at->store, "UPDATE arrival SET expires_at = 1", "");
    assert_int_equal(drop_tidy(at->drop), 0);
    while (drop_read_missing(at->drop, -1, &after) == 1)
        ;
    assert_int_equal(number(at, "SELECT count(*) FROM arrival"), 0);
    assert_int_equal(parts(at), 0);
    assert_int_equal(number(at, "SELECT count(*) FROM file WHERE sha256 IS NULL"), 0);
    return (int)number(at, "SELECT count(*) FROM file");
}

#endif
