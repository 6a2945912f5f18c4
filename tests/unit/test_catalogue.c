#include "base/fs.h"
#include "mirror/catalogue.h"
#include "mirror/index.h"
#include "tests/unit/scratch.h"

#include <unistd.h>

static struct checksum sum_of(enum digest_kind kind, const char *text)
{
    struct checksum sum = {.kind = kind};
    digest_of(kind, text, strlen(text), sum.bytes);
    return sum;
}

static void put(struct catalogue_draft *draft, const char *package, const char *url,
                const char *mirror, const char *md5, const char *sha512)
{
    struct package_archive archive = {.url = url};
    if (md5)
        archive.sums[archive.sum_count++] = sum_of(DIGEST_MD5, md5);
    if (sha512)
        archive.sums[archive.sum_count++] = sum_of(DIGEST_SHA512, sha512);
    if (mirror)
        archive.mirrors[archive.mirror_count++] = mirror;
    catalogue_draft_put(draft, package, &archive);
}

/* An index that is a bomb: what is too much is left out. */
static void a_draft_is_bounded(void **state)
{
    struct catalogue_draft *draft = catalogue_draft_new();
    size_t archives, digests;
    char name[24];

    (void)state;
    for (size_t i = 0; i < CATALOGUE_MAX_ARCHIVES + 9; i++) {
        snprintf(name, sizeof name, "%zu", i);
        put(draft, "a.1", "http://a/1", NULL, name, NULL);
    }
    catalogue_draft_count(draft, &archives, &digests);
    assert_int_equal(archives, CATALOGUE_MAX_ARCHIVES);
    assert_int_equal(digests, CATALOGUE_MAX_ARCHIVES);
    catalogue_draft_free(draft);
}

static void one_archive_is_one_record(void **state)
{
    struct catalogue_draft *draft = catalogue_draft_new();
    char *path = scratch_path(*state, "catalogue");
    struct catalogue_entry entry;
    struct catalogue *catalogue;
    struct checksum sum;
    size_t archives, digests;

    put(draft, "a.1", "http://a/1", "http://m/1", "x", NULL);
    put(draft, "a.2", "http://a/2", NULL, "x", "x");
    put(draft, "b.1", "http://b/1", NULL, NULL, "y");
    put(draft, "c.1", "http://c/1", NULL, "x", "z"); /* contradicts a's */
    put(draft, "none.1", "http://n/1", NULL, NULL, NULL);
    catalogue_draft_count(draft, &archives, &digests);
    assert_int_equal(archives, 3);
    assert_int_equal(digests, 4);
    assert_int_equal(catalogue_draft_write(draft, path), 0);
    catalogue_draft_free(draft);

    catalogue = catalogue_open(path);
    assert_non_null(catalogue);
    assert_int_equal(catalogue_size(catalogue), 3);
    sum = sum_of(DIGEST_SHA512, "x");
    assert_true(catalogue_find(catalogue, &sum, &entry));
    assert_string_equal(entry.package, "a.1");
    assert_int_equal(entry.sum_count, 2);
    assert_int_equal(entry.url_count, 3);
    assert_string_equal(entry.urls[0], "http://a/1");
    assert_string_equal(entry.urls[1], "http://a/2");
    assert_string_equal(entry.urls[2], "http://m/1");
    catalogue_entry_done(&entry);
    sum = sum_of(DIGEST_SHA512, "z");
    assert_true(catalogue_find(catalogue, &sum, &entry));
    assert_string_equal(entry.package, "c.1");
    catalogue_entry_done(&entry);
    sum = sum_of(DIGEST_MD5, "y");
    assert_false(catalogue_find(catalogue, &sum, &entry));
    assert_false(catalogue_find(NULL, &sum, &entry));
    catalogue_close(catalogue);
}

/* Whatever stands in the file, reading it ends well. */
static void a_damaged_file_is_no_danger(void **state)
{
    struct catalogue_draft *draft = catalogue_draft_new();
    char *path = scratch_path(*state, "catalogue");
    struct checksum sum = sum_of(DIGEST_MD5, "x");
    struct catalogue_entry entry;
    struct buf text;

    put(draft, "a.1", "http://a/1", "http://m/1", "x", "x");
    assert_int_equal(catalogue_draft_write(draft, path), 0);
    catalogue_draft_free(draft);
    buf_init(&text, 1 << 20);
    assert_int_equal(fs_read_file(path, &text), 0);
    for (size_t at = 0; at < text.len; at++) {
        struct catalogue *catalogue;

        text.data[at] ^= 0xff;
        assert_int_equal(fs_replace_file(path, text.data, text.len, 0600), 0);
        if ((catalogue = catalogue_open(path)) && catalogue_find(catalogue, &sum, &entry))
            catalogue_entry_done(&entry);
        catalogue_close(catalogue);
        text.data[at] ^= 0xff;
    }
    assert_int_equal(fs_replace_file(path, text.data, text.len / 2, 0600), 0);
    assert_null(catalogue_open(path));
    assert_null(catalogue_open(scratch_path(*state, "none")));
    buf_done(&text);
}

/* Whoever has taken the fetcher over cuts the file that others have open. */
static void a_file_that_shrinks_is_no_danger(void **state)
{
    struct catalogue_draft *draft = catalogue_draft_new();
    char *path = scratch_path(*state, "catalogue");
    struct checksum sum = sum_of(DIGEST_MD5, "x");
    struct catalogue_entry entry;
    struct catalogue *catalogue;

    put(draft, "a.1", "http://a/1", "http://m/1", "x", "x");
    assert_int_equal(catalogue_draft_write(draft, path), 0);
    catalogue_draft_free(draft);
    catalogue = catalogue_open(path);
    assert_non_null(catalogue);
    assert_int_equal(truncate(path, 0), 0);
    assert_false(catalogue_find(catalogue, &sum, &entry));
    catalogue_close(catalogue);
}

static void the_repo_file_names_our_cache(void **state)
{
    static const struct {
        const char *text, *result;
        bool changed;
    } cells[] = {
        {"archive-mirrors: \"cache\"\n",                       "archive-mirrors: \"cache\"\n",                        false},
        {"archive-mirrors: [\"cache\"]",                       "archive-mirrors: [\"cache\"]",                        false},
        {"archive-mirrors: \"/cache\"\nx: 1\n",                "x: 1\narchive-mirrors: \"cache\"\n",                  true },
        {"x: 1\narchive-mirrors: [\"https://a\" \"b\"]\ny: 2",
         "x: 1\ny: 2\narchive-mirrors: \"cache\"\n",                                                                  true },
        {"x: 1",                                               "x: 1\narchive-mirrors: \"cache\"\n",                  true },
        {"",                                                   "archive-mirrors: \"cache\"\n",                        true },
        {"no opam",                                            "opam-version: \"2.0\"\narchive-mirrors: \"cache\"\n", true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        bool changed;
        char *text = index_repo_text(cells[i].text, strlen(cells[i].text), &changed);
        assert_string_equal(text, cells[i].result);
        assert_int_equal(changed, cells[i].changed);
        free(text);
    }
}

static void paths_stay_within_the_repository(void **state)
{
    static const struct {
        const char *path, *folder, *result;
    } cells[] = {
        {"packages/a/a.1/opam",        "",        "packages/a/a.1/opam"},
        {"./packages/a/a.1/opam",      "",        "packages/a/a.1/opam"},
        {"x-main/packages/a/a.1/opam", "x-main/", "packages/a/a.1/opam"},
        {"x-main/repo",                "x-main/", "repo"               },
        {"packages/",                  "",        "packages/"          },
        {"repo",                       "",        "repo"               },
        {"README.md",                  "",        NULL                 },
        {"other/packages/a",           "x-main/", NULL                 },
        {"packages/../../etc/passwd",  "",        NULL                 },
        {"packages/./a",               "",        NULL                 },
        {"packages//a",                "",        NULL                 },
        {"/packages/a",                "",        NULL                 },
        {"packages/a\nb",              "",        NULL                 },
        {"packages/a\\b",              "",        NULL                 },
        {"",                           "",        NULL                 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        const char *found = index_path(cells[i].path, cells[i].folder);
        if (cells[i].result)
            assert_string_equal(found, cells[i].result);
        else
            assert_null(found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_draft_is_bounded),
        SCRATCH_TEST(one_archive_is_one_record),
        SCRATCH_TEST(a_damaged_file_is_no_danger),
        SCRATCH_TEST(a_file_that_shrinks_is_no_danger),
        cmocka_unit_test(the_repo_file_names_our_cache),
        cmocka_unit_test(paths_stay_within_the_repository),
    };
    return cmocka_run_group_tests_name("catalogue", tests, NULL, NULL);
}
