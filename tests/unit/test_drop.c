#include "base/when.h"
#include "drop/drop.h"
#include "tests/unit/dropping.h"

#include <sys/statvfs.h>
#include <time.h>

/* ---- publishing ---- */

static void a_file_appears_whole(void **state)
{
    struct dropping *at = *state;
    struct drop_file file = put(at, "/talks//slides.pdf", "hello");

    assert_string_equal(file.path, "talks/slides.pdf");
    assert_string_equal(file.owner, "ada");
    assert_int_equal(file.size, 5);
    assert_true(has_digest_of(&file, "hello"));
    assert_string_equal(content(at, "talks/slides.pdf"), "hello");
    assert_int_equal(parts(at), 0);
    assert_int_equal(number(at, "SELECT count(*) FROM arrival"), 0);
    assert_int_equal(number(at, "SELECT count(*) FROM event WHERE kind = 'file'"), 1);
}

static void nothing_shows_before_the_end(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;
    struct drop_file file;

    assert_int_equal(begin(at, "a.txt", &at->ada, 6, true, true, &arrival), DROP_OK);
    assert_int_equal(drop_write(arrival, "abc", 3), DROP_OK);
    assert_int_equal(drop_look(at->drop, "a.txt", &file), DROP_NOT_FOUND);
    assert_null(content(at, "a.txt"));
    drop_abandon(arrival);
    assert_int_equal(parts(at), 0);
}

static void an_empty_file_is_a_file(void **state)
{
    struct dropping *at = *state;
    struct drop_file file = put(at, "empty", "");
    assert_int_equal(file.size, 0);
    assert_true(has_digest_of(&file, ""));
}

/* The table of struct drop_wish: rows by what is asked, columns by whose file is there. */
static void a_taken_name_goes_one_of_four_ways(void **state)
{
    struct dropping *at = *state;
    static const struct {
        bool replace, exact;
        enum drop_result own, others;
        const char *own_path, *others_path;
    } rows[] = {
        {true,  true,  DROP_OK,    DROP_TAKEN, "f",     NULL   },
        {false, false, DROP_OK,    DROP_OK,    "f (2)", "f (2)"},
        {false, true,  DROP_TAKEN, DROP_TAKEN, NULL,    NULL   },
        {true,  false, DROP_OK,    DROP_OK,    "f",     "f (2)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int own = 0; own < 2; own++) {
            const char *path = own ? rows[i].own_path : rows[i].others_path;
            struct drop_file file;
            /* Same size, so that it is decided by the bytes; and another size, by that alone. */
            for (int size = 0; size < 2; size++) {
                assert_int_equal(put_as(at, "f", "old", &at->ada, false, true, &file, NULL),
                                 DROP_OK);
                assert_int_equal(put_as(at, "f", size ? "newer" : "new", own ? &at->ada : &at->bob,
                                        rows[i].replace, rows[i].exact, &file, NULL),
                                 own ? rows[i].own : rows[i].others);
                if (path)
                    assert_string_equal(file.path, path);
                if (!path || strcmp(path, "f") != 0)
                    assert_string_equal(content(at, "f"), "old");
                drop_remove(at->drop, "f", &at->host);
                drop_remove(at->drop, "f (2)", &at->host);
                assert_int_equal(parts(at), 0);
            }
        }
}

static void same_bytes_are_the_same_file(void **state)
{
    struct dropping *at = *state;
    struct drop_file one = put(at, "a.txt", "text"), other = {0};
    bool same = false;

    assert_int_equal(put_as(at, "a.txt", "text", &at->bob, false, false, &other, &same), DROP_OK);
    assert_true(same);
    assert_int_equal(one.id, other.id);
    put_as(at, "a.txt", "else", &at->bob, false, false, &other, &same);
    assert_false(same);
    assert_string_equal(other.path, "a (2).txt");
    put_as(at, "a.txt", "else", &at->guest, false, false, &other, &same);
    assert_true(same);
    assert_string_equal(other.path, "a (2).txt");
    put_as(at, "a.txt", "third", &at->guest, false, false, &other, &same);
    assert_string_equal(other.path, "a (3).txt");
}

static void a_version_can_be_asked_for(void **state)
{
    struct dropping *at = *state;
    struct drop_file file = put(at, "a", "one");
    struct drop_wish wish = {.path = "a",
                             .actor = at->ada,
                             .door = "put",
                             .size = 3,
                             .replace = true,
                             .exact = true,
                             .match = file.sha256};
    struct drop_arrival *arrival, *slow;
    bool replaced;

    assert_int_equal(drop_begin(at->drop, &wish, &slow), DROP_OK);
    assert_int_equal(drop_begin(at->drop, &wish, &arrival), DROP_OK);
    drop_write(arrival, "two", 3);
    assert_int_equal(drop_publish(arrival, &file, NULL, &replaced), DROP_OK);
    assert_true(replaced);
    drop_write(slow, "sad", 3);
    assert_int_equal(drop_publish(slow, &file, NULL, NULL), DROP_CHANGED);
    digest_of(DIGEST_SHA256, "one", 3, file.sha256);
    assert_int_equal(drop_begin(at->drop, &wish, &arrival), DROP_CHANGED);
    assert_string_equal(content(at, "a"), "two");
}

/* ---- refusals ---- */

static void what_cannot_be_is_refused_at_once(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;
    char path[DROP_PATH_MAX];
    struct statvfs disk;

    put(at, "folder/file", "x");
    assert_int_equal(begin(at, "../x", &at->ada, 1, true, true, &arrival), DROP_BAD_PATH);
    assert_int_equal(begin(at, "", &at->ada, 1, true, true, &arrival), DROP_BAD_PATH);
    assert_int_equal(begin(at, ".arriving/x", &at->ada, 1, true, true, &arrival), DROP_BAD_PATH);
    assert_int_equal(begin(at, "shelf/x", &at->host, 1, true, true, &arrival), DROP_NOT_ALLOWED);
    assert_int_equal(begin(at, "SHELF/x", &at->host, 1, true, true, &arrival), DROP_NOT_ALLOWED);
    assert_int_equal(begin(at, "\u017fhelf", &at->host, 1, true, true, &arrival), DROP_NOT_ALLOWED);
    assert_int_equal(begin(at, "folder", &at->ada, 1, true, true, &arrival), DROP_IS_FOLDER);
    assert_int_equal(begin(at, "folder/file/x", &at->ada, 1, true, true, &arrival), DROP_TAKEN);
    at->config.web.max_file = 100;
    assert_int_equal(begin(at, "x", &at->ada, 101, true, true, &arrival), DROP_TOO_LARGE);
    at->config.web.max_file = 0;
    assert_int_equal(begin(at, "x", &at->ada, INT64_C(1) << 60, true, true, &arrival),
                     DROP_NO_SPACE);
    snprintf(path, sizeof path, "%s", at->config.box.state);
    assert_int_equal(statvfs(path, &disk), 0);
    at->config.box.reserve_bytes = (int64_t)disk.f_blocks * (int64_t)disk.f_frsize;
    assert_int_equal(begin(at, "x", &at->ada, 1, true, true, &arrival), DROP_NO_SPACE);
    assert_int_equal(begin(at, "x", &at->ada, -1, true, true, &arrival), DROP_NO_SPACE);
    at->config.box.reserve_bytes = 0;
    at->config.web.upload = UPLOAD_PEOPLE;
    assert_int_equal(begin(at, "x", &at->guest, 1, true, true, &arrival), DROP_SIGN_IN);
    at->config.web.upload = UPLOAD_NOBODY;
    assert_int_equal(begin(at, "x", &at->ada, 1, true, true, &arrival), DROP_NOT_ALLOWED);
    at->config.web.upload = UPLOAD_ANYONE;
    at->config.box.newcomers = NEWCOMERS_ASK;
    assert_int_equal(begin(at, "x", &at->guest, 1, true, true, &arrival), DROP_SIGN_IN);
    assert_int_equal(parts(at), 0);
}

static void what_others_were_promised_is_not_there(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *one, *other;
    int64_t space = drop_space(at->drop);

    assert_int_equal(begin(at, "one", &at->ada, space / 4 * 3, true, true, &one), DROP_OK);
    assert_int_equal(begin(at, "two", &at->bob, space / 3 * 2, true, true, &other), DROP_NO_SPACE);
    /* Whoever only says that much will come keeps nobody out who needs less than half. */
    assert_int_equal(begin(at, "two", &at->bob, space / 3, true, true, &other), DROP_OK);
    drop_abandon(other);
    drop_abandon(one);
    assert_int_equal(begin(at, "two", &at->bob, space / 3 * 2, true, true, &other), DROP_OK);
    drop_abandon(other);
}

/* Somebody begins uploads without end and goes on with none of them. */
static void what_nobody_goes_on_with_gives_way(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;
    struct drop_coming coming;

    assert_int_equal(begin(at, "hers", &at->ada, 4, true, true, &arrival), DROP_OK);
    assert_int_equal(drop_write(arrival, "abc", 3), DROP_OK);
    drop_pause(arrival);
    assert_int_equal(begin(at, "begun", &at->guest, 2 << 20, true, true, &arrival), DROP_OK);
    drop_pause(arrival);
    store_run(at->store,
              "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9998) "
              "INSERT INTO arrival (key, path, door, received, started_at, touched_at, expires_at) "
              "SELECT 'key' || i, 'many/' || i, 'tus', 9, ?1, ?1, ?1 + 86400000 FROM n",
              "i", when_wall_ms());
    assert_int_equal(begin(at, "new", &at->bob, 1, true, true, &arrival), DROP_OK);
    drop_abandon(arrival);
    assert_int_equal(drop_coming_by_path(at->drop, "begun", &at->guest, &coming), DROP_NOT_FOUND);
    assert_int_equal(drop_coming_by_path(at->drop, "hers", &at->ada, &coming), DROP_OK);
    assert_int_equal(parts(at), 1);
}

static void limits_hold_during_the_body(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;
    struct drop_file file;

    assert_int_equal(begin(at, "a", &at->ada, 4, true, true, &arrival), DROP_OK);
    assert_int_equal(drop_write(arrival, "12345", 5), DROP_TOO_LARGE);
    assert_int_equal(drop_write(arrival, "123", 3), DROP_OK);
    assert_int_equal(drop_publish(arrival, &file, NULL, NULL), DROP_WRONG_OFFSET);
    assert_int_equal(parts(at), 1);
    assert_int_equal(drop_resume_path(at->drop, "a", &at->ada, &arrival), DROP_OK);
    assert_int_equal(drop_write(arrival, "4", 1), DROP_OK);
    assert_int_equal(drop_publish(arrival, &file, NULL, NULL), DROP_OK);
    at->config.web.max_file = 10;
    assert_int_equal(begin(at, "b", &at->ada, -1, true, true, &arrival), DROP_OK);
    assert_int_equal(drop_write(arrival, "1234567890", 10), DROP_OK);
    assert_int_equal(drop_write(arrival, "1", 1), DROP_TOO_LARGE);
    assert_int_equal(drop_arrival_set_size(arrival, 11), DROP_TOO_LARGE);
    assert_int_equal(drop_arrival_set_size(arrival, 9), DROP_WRONG_OFFSET);
    drop_abandon(arrival);
}

static void every_result_has_a_sentence(void **state)
{
    (void)state;
    for (int i = DROP_FAILED; i < DROP_RESULTS; i++) {
        assert_true(strlen(drop_result_text((enum drop_result)i)) > 3);
        assert_in_range(drop_result_status((enum drop_result)i), 200, 507);
    }
}

/* ---- going on ---- */

static void a_part_waits_for_its_owner(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;
    struct drop_coming coming;
    struct drop_file file;
    char key[SECRET_TEXT];

    assert_int_equal(begin(at, "a", &at->ada, 6, true, true, &arrival), DROP_OK);
    drop_write(arrival, "abc", 3);
    strcpy(key, drop_arrival_key(arrival));
    drop_pause(arrival);
    assert_int_equal(drop_coming_by_path(at->drop, "a", &at->bob, &coming), DROP_NOT_FOUND);
    assert_int_equal(drop_coming_by_path(at->drop, "a", &at->ada, &coming), DROP_OK);
    assert_int_equal(coming.received, 3);
    assert_int_equal(coming.size, 6);
    assert_int_equal(drop_resume(at->drop, key, &at->bob, &arrival), DROP_NOT_FOUND);
    assert_int_equal(drop_resume(at->drop, key, NULL, &arrival), DROP_OK);
    assert_int_equal(drop_arrival_offset(arrival), 3);
    drop_write(arrival, "def", 3);
    assert_int_equal(drop_publish(arrival, &file, NULL, NULL), DROP_OK);
    assert_true(has_digest_of(&file, "abcdef"));
    assert_int_equal(drop_resume(at->drop, key, NULL, &arrival), DROP_NOT_FOUND);
}

static void the_key_is_for_its_owner(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;
    struct drop_coming coming;

    begin(at, "a", &at->guest, 1 << 21, true, true, &arrival);
    drop_write(arrival, "abc", 3);
    assert_int_equal(
        drop_coming_by_key(at->drop, drop_arrival_key(arrival), &at->other_guest, &coming),
        DROP_NOT_FOUND);
    assert_int_equal(coming.key[0], '\0');
    assert_int_equal(drop_coming_by_key(at->drop, drop_arrival_key(arrival), &at->guest, &coming),
                     DROP_OK);
    assert_string_equal(coming.key, drop_arrival_key(arrival));
    drop_abandon(arrival);
}

static void one_writes_at_a_time(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *old, *new;
    struct drop_file file;
    struct timespec second = {.tv_sec = 1, .tv_nsec = 50000000};

    begin(at, "a", &at->ada, 1 << 21, true, true, &old);
    drop_write(old, "abc", 3);
    assert_int_equal(drop_resume_path(at->drop, "a", &at->ada, &new), DROP_BUSY);
    nanosleep(&second, NULL); /* the silence after which a connection may be taken over */
    assert_int_equal(drop_resume_path(at->drop, "a", &at->ada, &new), DROP_OK);
    assert_int_equal(drop_write(old, "x", 1), DROP_BUSY);
    assert_int_equal(drop_publish(old, &file, NULL, NULL), DROP_BUSY);
    assert_int_equal(drop_arrival_offset(new), 3);
    assert_int_equal(drop_write(new, "def", 3), DROP_OK);
    drop_abandon(new);
    assert_int_equal(parts(at), 0);
}

/* ---- bytes in any order, any number of them ---- */

static void fill(uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
}

#define LARGE_SIZE (5 << 20)

static void digests_are_right_in_any_order(void **state)
{
    struct dropping *at = *state;
    uint8_t *bytes = mem_alloc(LARGE_SIZE), wanted[DIGEST_SHA256_SIZE];
    size_t block = 1 << 16, count = LARGE_SIZE / block;
    struct drop_arrival *arrival;
    struct drop_file file;

    fill(bytes, LARGE_SIZE);
    digest_of(DIGEST_SHA256, bytes, LARGE_SIZE, wanted);
    /* In order; pairs swapped; backwards; in order and some of it twice. */
    for (int order = 0; order < 4; order++) {
        assert_int_equal(begin(at, "large", &at->ada, -1, true, true, &arrival), DROP_OK);
        for (size_t i = 0; i < count; i++) {
            size_t n = order == 1 ? i ^ 1 : order == 2 ? count - 1 - i : i;
            assert_int_equal(drop_write_at(arrival, (int64_t)(n * block), bytes + n * block, block),
                             DROP_OK);
            if (order == 3 && i % 7 == 0)
                assert_int_equal(
                    drop_write_at(arrival, (int64_t)(i / 2 * block), bytes + i / 2 * block, block),
                    DROP_OK);
        }
        assert_int_equal(drop_arrival_offset(arrival), LARGE_SIZE);
        assert_int_equal(drop_publish(arrival, &file, NULL, NULL), DROP_OK);
        assert_memory_equal(file.sha256, wanted, sizeof wanted);
        assert_int_equal(drop_remove(at->drop, "large", &at->ada), DROP_OK);
    }
    free(bytes);
}

static void digests_are_right_over_connections(void **state)
{
    struct dropping *at = *state;
    uint8_t *bytes = mem_alloc(LARGE_SIZE), wanted[DIGEST_SHA256_SIZE];
    size_t block = 300007;
    struct drop_arrival *arrival;
    struct drop_file file;

    fill(bytes, LARGE_SIZE);
    digest_of(DIGEST_SHA256, bytes, LARGE_SIZE, wanted);
    assert_int_equal(begin(at, "large", &at->ada, LARGE_SIZE, true, true, &arrival), DROP_OK);
    for (size_t done = 0, i = 0; done < LARGE_SIZE; done += block, i++) {
        size_t length = LARGE_SIZE - done < block ? LARGE_SIZE - done : block;
        assert_int_equal(drop_write(arrival, bytes + done, length), DROP_OK);
        drop_pause(arrival);
        if (i == 7) { /* another process knows no states */
            dropping_close(at);
            dropping_open(at);
        }
        assert_int_equal(drop_resume_path(at->drop, "large", &at->ada, &arrival), DROP_OK);
        assert_int_equal(drop_arrival_offset(arrival), done + length);
    }
    assert_int_equal(drop_publish(arrival, &file, NULL, NULL), DROP_OK);
    assert_memory_equal(file.sha256, wanted, sizeof wanted);
    free(bytes);
}

static void what_has_gaps_is_cut_at_the_first(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;
    struct drop_coming coming;

    begin(at, "a", &at->ada, -1, true, true, &arrival);
    drop_write_at(arrival, 0, "abc", 3);
    drop_write_at(arrival, 6, "ghi", 3);
    assert_int_equal(drop_arrival_length(arrival), 9);
    assert_int_equal(drop_arrival_offset(arrival), 3);
    drop_pause(arrival);
    assert_int_equal(drop_coming_by_path(at->drop, "a", &at->ada, &coming), DROP_OK);
    assert_int_equal(coming.received, 3);
}

static void truncating_goes_back(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;
    struct drop_file file;

    begin(at, "a", &at->ada, -1, true, true, &arrival);
    drop_write(arrival, "abcdef", 6);
    assert_int_equal(drop_truncate(arrival, 3), DROP_OK);
    assert_int_equal(drop_write(arrival, "XYZ", 3), DROP_OK);
    assert_int_equal(drop_truncate(arrival, 8), DROP_OK);
    assert_int_equal(drop_publish(arrival, &file, NULL, NULL), DROP_OK);
    assert_int_equal(file.size, 8);
    uint8_t wanted[DIGEST_SHA256_SIZE];
    digest_of(DIGEST_SHA256, "abcXYZ\0\0", 8, wanted);
    assert_memory_equal(file.sha256, wanted, sizeof wanted);
}

/* A hole takes no room yet, but whoever reads the file reads all of it. */
static void no_hole_is_larger_than_the_disk(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;
    int64_t beyond = drop_space(at->drop) / 2 * 3;

    assert_int_equal(begin(at, "hole", &at->ada, -1, true, true, &arrival), DROP_OK);
    assert_int_equal(drop_write(arrival, "ab", 2), DROP_OK);
    assert_int_equal(drop_truncate(arrival, beyond), DROP_NO_SPACE);
    assert_int_equal(drop_write_at(arrival, beyond, "x", 1), DROP_NO_SPACE);
    /* Nor by steps. */
    assert_int_equal(drop_write_at(arrival, beyond / 2, "x", 1), DROP_OK);
    assert_int_equal(drop_write_at(arrival, beyond, "x", 1), DROP_NO_SPACE);
    assert_int_equal(drop_truncate(arrival, 2), DROP_OK);
    assert_int_equal(drop_publish(arrival, &(struct drop_file){0}, NULL, NULL), DROP_OK);
    assert_string_equal(content(at, "hole"), "ab");
}

static void a_copy_can_be_changed(void **state)
{
    struct dropping *at = *state;
    struct drop_wish wish = {.path = "a",
                             .actor = at->ada,
                             .door = "sftp",
                             .size = -1,
                             .replace = true,
                             .exact = true,
                             .copy = true};
    struct drop_arrival *arrival;
    struct drop_file file;

    put(at, "a", "hello world");
    assert_int_equal(drop_begin(at->drop, &wish, &arrival), DROP_OK);
    assert_int_equal(drop_write_at(arrival, 6, "there", 5), DROP_OK);
    drop_arrival_set_modified(arrival, 1234567890123);
    assert_int_equal(drop_publish(arrival, &file, NULL, NULL), DROP_OK);
    assert_true(has_digest_of(&file, "hello there"));
    assert_int_equal(file.modified_at, 1234567890123);
}

/* ---- followers ---- */

static void followers_see_all_of_it(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;
    struct drop_coming coming;
    struct drop_file file;
    int64_t available;
    char text[8];
    int fd;

    begin(at, "a", &at->ada, 1 << 21, true, true, &arrival);
    assert_int_equal(drop_follow(at->drop, "b", &coming, &fd), DROP_NOT_FOUND);
    assert_int_equal(drop_follow(at->drop, "a", &coming, &fd), DROP_OK);
    assert_int_equal(coming.key[0], '\0');
    assert_int_equal(drop_follow_wait(at->drop, &coming, fd, 0, 0, &available), DROP_WAITED);
    drop_write(arrival, "abc", 3);
    assert_int_equal(drop_follow_wait(at->drop, &coming, fd, 0, 0, &available), DROP_MORE);
    assert_int_equal(available, 3);
    drop_arrival_set_size(arrival, 6);
    drop_write(arrival, "def", 3);
    assert_int_equal(drop_publish(arrival, &file, NULL, NULL), DROP_OK);
    assert_int_equal(drop_follow_wait(at->drop, &coming, fd, 3, 0, &available), DROP_MORE);
    assert_int_equal(available, 6);
    assert_int_equal(pread(fd, text, 6, 0), 6);
    assert_memory_equal(text, "abcdef", 6);
    assert_int_equal(drop_follow_wait(at->drop, &coming, fd, 6, 0, &available), DROP_ENDED);
    close(fd);
}

static void followers_are_told_of_a_loss(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;
    struct drop_coming coming;
    int64_t available;
    int fd;

    for (int way = 0; way < 2; way++) {
        begin(at, "a", &at->ada, 1 << 21, true, true, &arrival);
        drop_write(arrival, "abc", 3);
        assert_int_equal(drop_follow(at->drop, "a", &coming, &fd), DROP_OK);
        if (way == 0)
            drop_abandon(arrival);
        else
            drop_write_at(arrival, 100, "out of order", 12);
        assert_int_equal(drop_follow_wait(at->drop, &coming, fd, 3, 0, &available), DROP_LOST);
        close(fd);
        if (way == 1)
            drop_abandon(arrival);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DROP_TEST(a_file_appears_whole),
        DROP_TEST(nothing_shows_before_the_end),
        DROP_TEST(an_empty_file_is_a_file),
        DROP_TEST(a_taken_name_goes_one_of_four_ways),
        DROP_TEST(same_bytes_are_the_same_file),
        DROP_TEST(a_version_can_be_asked_for),
        DROP_TEST(what_cannot_be_is_refused_at_once),
        DROP_TEST(what_others_were_promised_is_not_there),
        DROP_TEST(what_nobody_goes_on_with_gives_way),
        DROP_TEST(limits_hold_during_the_body),
        DROP_TEST(every_result_has_a_sentence),
        DROP_TEST(a_part_waits_for_its_owner),
        DROP_TEST(the_key_is_for_its_owner),
        DROP_TEST(one_writes_at_a_time),
        DROP_TEST(digests_are_right_in_any_order),
        DROP_TEST(digests_are_right_over_connections),
        DROP_TEST(what_has_gaps_is_cut_at_the_first),
        DROP_TEST(truncating_goes_back),
        DROP_TEST(no_hole_is_larger_than_the_disk),
        DROP_TEST(a_copy_can_be_changed),
        DROP_TEST(followers_see_all_of_it),
        DROP_TEST(followers_are_told_of_a_loss),
    };
    return cmocka_run_group_tests_name("drop", tests, NULL, NULL);
}
