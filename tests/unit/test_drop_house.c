#include "drop/drop_private.h"
#include "tests/unit/dropping.h"

#include <utime.h>

/* ---- removing ---- */

static void owners_and_hosts_remove(void **state)
{
    struct dropping *at = *state;
    struct drop_file file;

    put(at, "a", "1");
    assert_int_equal(drop_remove(at->drop, "a", &at->bob), DROP_NOT_YOURS);
    assert_int_equal(drop_remove(at->drop, "a", &at->guest), DROP_NOT_YOURS);
    assert_int_equal(drop_remove(at->drop, "a", &at->ada), DROP_OK);
    assert_int_equal(drop_remove(at->drop, "a", &at->ada), DROP_NOT_FOUND);
    put(at, "a", "1");
    assert_int_equal(drop_remove(at->drop, "a", &at->host), DROP_OK);
    put_as(at, "g", "1", &at->guest, true, true, &file, NULL);
    assert_int_equal(drop_remove(at->drop, "g", &at->other_guest), DROP_NOT_YOURS);
    assert_int_equal(drop_remove(at->drop, "g", &at->ada), DROP_NOT_YOURS);
    assert_int_equal(drop_remove(at->drop, "g", &at->guest), DROP_OK);
    assert_int_equal(drop_remove(at->drop, "../x", &at->host), DROP_BAD_PATH);
    assert_int_equal(drop_remove(at->drop, "shelf/x", &at->host), DROP_NOT_ALLOWED);
}

static void removing_cancels_an_own_part(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;

    begin(at, "a", &at->ada, 6, true, true, &arrival);
    drop_write(arrival, "abc", 3);
    drop_pause(arrival);
    assert_int_equal(drop_remove(at->drop, "a", &at->bob), DROP_NOT_FOUND);
    assert_int_equal(drop_remove(at->drop, "a", &at->ada), DROP_OK);
    assert_int_equal(parts(at), 0);
    assert_int_equal(number(at, "SELECT count(*) FROM arrival"), 0);
}

static void what_guests_dropped_can_be_adopted(void **state)
{
    struct dropping *at = *state;
    struct drop_file file;

    put_as(at, "g", "1", &at->guest, true, true, &file, NULL);
    assert_int_equal(drop_adopt(at->drop, at->guest.guest, at->ada.person_id), 0);
    assert_int_equal(drop_look_as(at->drop, "g", &at->ada, &file), DROP_OK);
    assert_true(file.yours);
    assert_string_equal(file.owner, "ada");
    assert_int_equal(drop_remove(at->drop, "g", &at->guest), DROP_NOT_YOURS);
}

/* ---- folders and renaming ---- */

static void folders_made_by_themselves_stay(void **state)
{
    struct dropping *at = *state;
    struct drop_file file;

    assert_int_equal(drop_make_folder(at->drop, "made", &at->ada), DROP_OK);
    assert_int_equal(drop_make_folder(at->drop, "made", &at->bob), DROP_TAKEN);
    assert_int_equal(drop_make_folder(at->drop, "no/such", &at->ada), DROP_NOT_FOUND);
    put(at, "made/x", "1");
    put(at, "way/to/x", "1");
    assert_int_equal(drop_look(at->drop, "way/to", &file), DROP_OK);
    assert_true(file.folder);
    assert_int_equal(drop_remove(at->drop, "made/x", &at->ada), DROP_OK);
    assert_int_equal(drop_remove(at->drop, "way/to/x", &at->ada), DROP_OK);
    assert_int_equal(drop_look(at->drop, "made", &file), DROP_OK);
    assert_int_equal(drop_look(at->drop, "way", &file), DROP_NOT_FOUND);
    assert_int_equal(access(below(at, "drop/way"), F_OK), -1);
    put(at, "made/x", "1");
    assert_int_equal(drop_remove_folder(at->drop, "made", &at->ada), DROP_NOT_EMPTY);
    drop_remove(at->drop, "made/x", &at->ada);
    assert_int_equal(drop_remove_folder(at->drop, "made", &at->bob), DROP_NOT_YOURS);
    assert_int_equal(drop_remove_folder(at->drop, "made", &at->ada), DROP_OK);
    assert_int_equal(drop_remove_folder(at->drop, "made", &at->ada), DROP_NOT_FOUND);
}

/* 20,000 there may be; one person may have as many of them as are free. */
static void nobody_makes_all_the_folders(void **state)
{
    struct dropping *at = *state;

    assert_int_equal(store_run(at->store,
                               "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                               "WHERE i < 9999) INSERT INTO folder (path, parent, person_id, made, "
                               "created_at) SELECT 'f' || i, '', ?, 1, 1 FROM n",
                               "i", at->ada.person_id),
                     0);
    assert_int_equal(drop_make_folder(at->drop, "last", &at->ada), DROP_OK);
    assert_int_equal(drop_make_folder(at->drop, "more", &at->ada), DROP_NO_SPACE);
    assert_int_equal(drop_make_folder(at->drop, "more", &at->bob), DROP_OK);
    assert_int_equal(drop_make_folder(at->drop, "again", &at->bob), DROP_OK);
}

static struct drop *watching;

/* What the keeper does as soon as it hears of a new folder. */
static void look_meanwhile(const char *step)
{
    if (strcmp(step, "intent") == 0)
        drop_look_again(watching, "", "way");
}

static void folders_made_on_the_way_go_with_their_last_file(void **state)
{
    struct dropping *at = *state;

    watching = at->drop;
    drop_steps_to(look_meanwhile);
    put(at, "way/to/it", "x");
    drop_steps_to(NULL);
    assert_int_equal(number(at, "SELECT count(*) FROM folder WHERE made"), 0);
    assert_int_equal(drop_remove(at->drop, "way/to/it", &at->ada), DROP_OK);
    assert_int_not_equal(access(below(at, "drop/way"), F_OK), 0);
    assert_int_equal(number(at, "SELECT count(*) FROM folder"), 0);
}

static void files_are_renamed(void **state)
{
    struct dropping *at = *state;
    struct drop_file file;

    put(at, "a", "one");
    put(at, "b", "two");
    assert_int_equal(put_as(at, "c", "bob's", &at->bob, true, true, &file, NULL), DROP_OK);
    assert_int_equal(drop_rename(at->drop, "a", "x", &at->bob, false), DROP_NOT_YOURS);
    assert_int_equal(drop_rename(at->drop, "a", "b", &at->ada, false), DROP_TAKEN);
    assert_int_equal(drop_rename(at->drop, "a", "c", &at->ada, true), DROP_NOT_YOURS);
    assert_int_equal(drop_rename(at->drop, "a", "no/such", &at->ada, true), DROP_NOT_FOUND);
    assert_int_equal(drop_rename(at->drop, "z", "y", &at->ada, true), DROP_NOT_FOUND);
    assert_int_equal(drop_rename(at->drop, "a", "shelf/a", &at->host, true), DROP_NOT_ALLOWED);
    assert_int_equal(drop_rename(at->drop, "a", "Shelf", &at->host, true), DROP_NOT_ALLOWED);
    assert_int_equal(drop_rename(at->drop, "a", "b", &at->ada, true), DROP_OK);
    assert_string_equal(content(at, "b"), "one");
    assert_null(content(at, "a"));
    drop_look(at->drop, "b", &file);
    assert_true(has_digest_of(&file, "one"));
    assert_int_equal(number(at, "SELECT count(*) FROM file"), 2);
}

static void folders_are_renamed_with_what_is_in_them(void **state)
{
    struct dropping *at = *state;
    struct drop_file file;

    put(at, "a/b/one", "1");
    put(at, "a/two", "2");
    assert_int_equal(drop_rename(at->drop, "a", "a/b/c", &at->ada, false), DROP_BAD_PATH);
    assert_int_equal(drop_rename(at->drop, "a", "Ä", &at->ada, false), DROP_OK);
    assert_string_equal(content(at, "Ä/b/one"), "1");
    assert_string_equal(content(at, "Ä/two"), "2");
    assert_int_equal(drop_look(at->drop, "a", &file), DROP_NOT_FOUND);
    assert_int_equal(drop_look(at->drop, "Ä/b", &file), DROP_OK);
    assert_int_equal(put_as(at, "Ä/bobs", "3", &at->bob, true, true, &file, NULL), DROP_OK);
    assert_int_equal(drop_rename(at->drop, "Ä", "b", &at->ada, false), DROP_NOT_YOURS);
    assert_int_equal(drop_rename(at->drop, "Ä", "b", &at->host, false), DROP_OK);
    assert_int_equal(drop_tidy(at->drop), 0);
    assert_int_equal(number(at, "SELECT count(*) FROM file WHERE person_id IS NOT NULL AND sha256 "
                                "IS NOT NULL"),
                     3);
}

static void times_are_set(void **state)
{
    struct dropping *at = *state;
    struct drop_file file;
    int fd;

    put(at, "a", "1");
    assert_int_equal(drop_set_modified(at->drop, "a", 1000, &at->bob), DROP_NOT_YOURS);
    assert_int_equal(drop_set_modified(at->drop, "a", 1234567000, &at->ada), DROP_OK);
    assert_int_equal(drop_read(at->drop, "a", &file, &fd), DROP_OK);
    assert_int_equal(file.modified_at, 1234567000);
    assert_true(file.has_sha256);
    close(fd);
}

/* touch(1) over sshfs: opened, given a time, closed; not a byte changes. */
static void times_are_set_with_the_same_bytes(void **state)
{
    struct dropping *at = *state;
    struct drop_wish wish = {
        .path = "a", .actor = at->ada, .size = -1, .replace = true, .exact = true, .copy = true};
    struct drop_arrival *arrival;
    struct drop_file file;
    bool same = false;

    put(at, "a", "1");
    assert_int_equal(drop_begin(at->drop, &wish, &arrival), DROP_OK);
    drop_arrival_set_modified(arrival, 1234567000);
    assert_int_equal(drop_arrival_modified(arrival), 1234567000);
    assert_int_equal(drop_publish(arrival, &file, &same, NULL), DROP_OK);
    assert_true(same);
    assert_int_equal(file.modified_at, 1234567000);

    /* Somebody else who brings them, too, changes nothing. */
    wish = (struct drop_wish){.path = "a", .actor = at->bob, .size = 1, .exact = true};
    assert_int_equal(drop_begin(at->drop, &wish, &arrival), DROP_OK);
    assert_true(drop_arrival_modified(arrival) > 1234567000);
    assert_int_equal(drop_write(arrival, "1", 1), DROP_OK);
    drop_arrival_set_modified(arrival, 7000);
    assert_int_equal(drop_publish(arrival, &file, &same, NULL), DROP_OK);
    assert_true(same);
    assert_int_equal(file.modified_at, 1234567000);
}

/* ---- lists ---- */

static void join(void *context, const struct drop_file *file)
{
    strcat(strcat(strcat(context, file->path), file->folder ? "/" : ""), " ");
}

static void lists_are_right(void **state)
{
    struct dropping *at = *state;
    static const struct {
        struct drop_query query;
        const char *wanted;
    } cases[] = {
        {{.folder = ""},                               "a/ z/ b.txt m.txt "                       },
        {{.folder = "", .limit = 3},                   "a/ z/ b.txt "                             },
        {{.folder = "", .limit = 1, .after = "a"},     "z/ "                                      },
        {{.folder = "", .limit = 2, .after = "z"},     "b.txt m.txt "                             },
        {{.folder = "", .after = "b.txt"},             "m.txt "                                   },
        {{.folder = "a"},                              "a/b/ a/x.txt "                            },
        {{.folder = NULL},                             "a/b/Hélène.jpg a/x.txt b.txt m.txt z/q "},
        {{.newest = true},                             "m.txt b.txt z/q a/x.txt a/b/Hélène.jpg "},
        {{.newest = true, .after = "z/q", .limit = 1}, "a/x.txt "                                 },
        {{.words = "helene JPG"},                      "a/b/Hélène.jpg "                        },
        {{.words = "txt x"},                           "a/x.txt b.txt m.txt "                     },
        {{.words = "nothing"},                         ""                                         },
    };
    char all[1024];

    put(at, "a/b/He\xCC\x81le\xCC\x80ne.jpg", "1");
    put(at, "a/x.txt", "2");
    put(at, "z/q", "3");
    put(at, "b.txt", "4");
    put(at, "m.txt", "5");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        *all = '\0';
        assert_int_equal(drop_list(at->drop, &cases[i].query, join, all), 0);
        assert_string_equal(all, cases[i].wanted);
    }
}

static void lists_know_people_and_days(void **state)
{
    struct dropping *at = *state;
    struct drop_query query = {.person_id = at->bob.person_id};
    struct drop_file file = {0};
    int64_t files, bytes;
    char all[1024] = "";

    put(at, "a", "ada's");
    put_as(at, "b", "bob's!", &at->bob, true, true, &file, NULL);
    drop_list(at->drop, &query, join, all);
    assert_string_equal(all, "b ");
    query = (struct drop_query){.until_ms = file.created_at - 60000};
    *all = '\0';
    drop_list(at->drop, &query, join, all);
    assert_string_equal(all, "");
    query = (struct drop_query){.from_ms = file.created_at - 60000};
    drop_list(at->drop, &query, join, all);
    assert_string_equal(all, "a b ");
    assert_int_equal(drop_totals(at->drop, &files, &bytes), 0);
    assert_int_equal(files, 2);
    assert_int_equal(bytes, 11);
    drop_downloaded(at->drop, file.id);
    drop_downloaded(at->drop, file.id);
    drop_downloads_write(at->drop);
    drop_look(at->drop, "b", &file);
    assert_int_equal(file.downloads, 2);
}

/* ---- what is done by hand ---- */

static void hands_are_followed(void **state)
{
    struct dropping *at = *state;
    struct utimbuf old = {1000000, 1000000};
    struct drop_file file;

    put(at, "ada", "ada's");
    assert_int_equal(fs_make_folders(below(at, "drop/shelf/opam"), 0755), 0);
    put_by_hand(at, "drop/shelf/opam/manual.txt", "read me");
    put_by_hand(at, "drop/.hidden", "no");
    put_by_hand(at, "drop/Zu\xCC\x88rich", "from a Mac");
    assert_int_equal(symlink("/etc/passwd", below(at, "drop/link")), 0);
    assert_int_equal(mkfifo(below(at, "drop/fifo"), 0644), 0);
    assert_int_equal(drop_tidy(at->drop), 0);
    assert_int_equal(number(at, "SELECT count(*) FROM file"), 3);
    read_all_missing(at);
    assert_int_equal(drop_look(at->drop, "shelf/opam/manual.txt", &file), DROP_OK);
    assert_true(has_digest_of(&file, "read me"));
    assert_string_equal(content(at, "Zürich"), "from a Mac");
    assert_null(content(at, "link"));
    assert_null(content(at, "fifo"));
    assert_int_equal(number(at, "SELECT count(*) FROM file WHERE announced = 0"), 1);

    /* Moved: the owner stays. Changed: the digest goes. Removed: the row goes. */
    char from[512];
    strcpy(from, below(at, "drop/ada"));
    assert_int_equal(rename(from, below(at, "drop/shelf/moved")), 0);
    put_by_hand(at, "drop/shelf/opam/manual.txt", "read this");
    utime(below(at, "drop/shelf/opam/manual.txt"), &old);
    unlink(below(at, "drop/Zürich"));
    assert_int_equal(drop_tidy(at->drop), 0);
    assert_int_equal(number(at, "SELECT count(*) FROM file"), 2);
    assert_int_equal(drop_look(at->drop, "shelf/moved", &file), DROP_OK);
    assert_string_equal(file.owner, "ada");
    assert_int_equal(drop_look(at->drop, "shelf/opam/manual.txt", &file), DROP_OK);
    assert_false(file.has_sha256);
    read_all_missing(at);
    drop_look(at->drop, "shelf/opam/manual.txt", &file);
    assert_true(has_digest_of(&file, "read this"));
}

static void readers_see_what_is_there_now(void **state)
{
    struct dropping *at = *state;
    struct drop_file file;
    int fd;

    put_by_hand(at, "drop/new", "by hand");
    assert_string_equal(content(at, "new"), "by hand");
    assert_int_equal(drop_look(at->drop, "new", &file), DROP_OK);
    put(at, "a", "one");
    put_by_hand(at, "drop/a", "three");
    assert_int_equal(drop_read(at->drop, "a", &file, &fd), DROP_OK);
    assert_int_equal(file.size, 5);
    assert_false(file.has_sha256);
    close(fd);
    unlink(below(at, "drop/a"));
    assert_int_equal(drop_read(at->drop, "a", &file, &fd), DROP_NOT_FOUND);
    assert_int_equal(drop_read(at->drop, "", &file, &fd), DROP_BAD_PATH);
}

static void no_link_leads_out(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;
    struct drop_file file;
    bool same;

    put_by_hand(at, "store/secret", "secret");
    assert_int_equal(symlink("../store", below(at, "drop/out")), 0);
    assert_null(content(at, "out/secret"));
    assert_int_equal(begin(at, "out/x", &at->ada, 1, true, true, &arrival), DROP_OK);
    drop_write(arrival, "x", 1);
    assert_int_not_equal(drop_publish(arrival, &file, &same, NULL), DROP_OK);
    assert_int_equal(access(below(at, "store/x"), F_OK), -1);
    assert_int_not_equal(drop_remove(at->drop, "out/secret", &at->host), DROP_OK);
    assert_int_equal(access(below(at, "store/secret"), F_OK), 0);
    assert_int_equal(parts(at), 0);
}

static void old_ones_expire(void **state)
{
    struct dropping *at = *state;
    struct drop_arrival *arrival;
    struct drop_file file;

    /* One that cannot be removed stays, alone. */
    assert_int_equal(fs_make_folders(below(at, "drop/\u017fhelf"), 0755), 0);
    put_by_hand(at, "drop/\u017fhelf/stuck", "0");
    drop_tidy(at->drop);
    put(at, "old", "1");
    put(at, "new", "2");
    assert_int_equal(fs_make_folders(below(at, "drop/shelf"), 0755), 0);
    put_by_hand(at, "drop/shelf/kept", "3");
    begin(at, "part", &at->ada, 6, true, true, &arrival);
    drop_write(arrival, "abc", 3);
    drop_pause(arrival);
    drop_tidy(at->drop);
    number(at, "SELECT 1");
    store_run(at->store, "UPDATE file SET created_at = 0 WHERE path <> 'new'", "");
    store_run(at->store, "UPDATE arrival SET expires_at = 1", "");
    at->config.web.expire = 3600;
    assert_int_equal(drop_expire(at->drop), 0);
    assert_int_equal(drop_look(at->drop, "old", &file), DROP_NOT_FOUND);
    assert_int_equal(drop_look(at->drop, "new", &file), DROP_OK);
    assert_int_equal(drop_look(at->drop, "shelf/kept", &file), DROP_OK);
    assert_int_equal(parts(at), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DROP_TEST(owners_and_hosts_remove),
        DROP_TEST(removing_cancels_an_own_part),
        DROP_TEST(what_guests_dropped_can_be_adopted),
        DROP_TEST(folders_made_by_themselves_stay),
        DROP_TEST(nobody_makes_all_the_folders),
        DROP_TEST(folders_made_on_the_way_go_with_their_last_file),
        DROP_TEST(files_are_renamed),
        DROP_TEST(folders_are_renamed_with_what_is_in_them),
        DROP_TEST(times_are_set),
        DROP_TEST(times_are_set_with_the_same_bytes),
        DROP_TEST(lists_are_right),
        DROP_TEST(lists_know_people_and_days),
        DROP_TEST(hands_are_followed),
        DROP_TEST(readers_see_what_is_there_now),
        DROP_TEST(no_link_leads_out),
        DROP_TEST(old_ones_expire),
    };
    return cmocka_run_group_tests_name("drop: keeping house", tests, NULL, NULL);
}
