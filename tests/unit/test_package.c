#include "mirror/formula.h"
#include "mirror/package.h"
#include "tests/unit/scratch.h"

#define MD5    "900150983cd24fb0d6963f7d28e17f72"
#define SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void checksums_have_three_spellings(void **state)
{
    struct checksum sum, same;
    char out[CHECKSUM_TEXT];
    (void)state;
    assert_int_equal(checksum_parse("900150983CD24FB0D6963F7D28E17F72", &sum), 0);
    assert_int_equal(sum.kind, DIGEST_MD5);
    checksum_path(&sum, out);
    assert_string_equal(out, "md5/90/" MD5);
    assert_int_equal(checksum_parse_path(out, &same), 0);
    assert_true(checksum_equal(&sum, &same));
    assert_int_equal(checksum_parse("SHA256=" SHA256, &sum), 0);
    assert_false(checksum_equal(&sum, &same));
    checksum_name(&sum, out);
    assert_string_equal(out, "sha256:" SHA256);
    assert_int_equal(checksum_parse_name(out, &same), 0);
    checksum_text(&same, out);
    assert_string_equal(out, "sha256=" SHA256);
}

static void what_is_no_checksum_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "=",
                                        "md5=",
                                        "md5=" SHA256,
                                        "sha1=" MD5,
                                        SHA256,
                                        "sha256=" SHA256 "0",
                                        "md5=90015098 cd24fb0d6963f7d28e17f7"};
    static const char *const paths[] = {"",
                                        "md5",
                                        "md5/90",
                                        "md5/91/" MD5,
                                        "md5/90/" MD5 "/",
                                        "md5/90/../" MD5,
                                        "sha1/90/" MD5,
                                        "md5//" MD5,
                                        "md5/90/" SHA256,
                                        "../md5/90/" MD5};
    struct checksum sum;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(checksum_parse(texts[i], &sum), -1);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_int_equal(checksum_parse_path(paths[i], &sum), -1);
    assert_int_equal(checksum_parse_name("md5=" MD5, &sum), -1);
}

struct seen {
    struct package_archive archive[8];
    char extra[8][20], url[8][60], mirror[8][60];
    size_t count;
};

static void see(void *context, const struct package_archive *archive)
{
    struct seen *seen = context;
    size_t i = seen->count++;
    seen->archive[i] = *archive;
    snprintf(seen->extra[i], 20, "%s", archive->extra ? archive->extra : "");
    snprintf(seen->url[i], 60, "%s", archive->url);
    snprintf(seen->mirror[i], 60, "%s", archive->mirror_count ? archive->mirrors[0] : "");
}

static void archives_are_found_in_all_their_forms(void **state)
{
    static const char text[] =
        "url { src: \"https://a/1.tgz\" checksum: [\"md5=" MD5 "\" \"sha256=" SHA256
        "\" \"sha1=00\"] mirrors: \"http://m/1.tgz\" }\n"
        "extra-source \"p\" { src:\n\"http://a/2\" checksum: \"" MD5
        "\" mirrors: [\"git://x\" \"https://m/2\"] }\n"
        "extra-source \"old\" { archive: \"http://a/3\" checksum: \"md5=" MD5 "\" }\n"
        "extra-source \"older\" { http: \"HTTP://a/4\" }\n"
        "extra-source { src: \"http://a/5\" }\n"
        "extra-source \"git\" { src: \"git+https://a/6\" }\n"
        "extra-source \"suffix\" { src: \"https://a/6.git\" }\n"
        "extra-source \"file\" { src: \"file:///etc/passwd\" }\n"
        "extra-source \"space\" { src: \"http://a/b c\" }\n";
    struct opam_file file = {0};
    struct seen seen = {0};
    (void)state;
    assert_int_equal(opam_parse(&file, text, sizeof text - 1), 0);
    package_archives(&file, see, &seen);
    assert_int_equal(seen.count, 4);
    assert_int_equal(seen.archive[0].sum_count, 2);
    assert_string_equal(seen.mirror[0], "http://m/1.tgz");
    assert_string_equal(seen.extra[1], "p");
    assert_int_equal(seen.archive[1].sum_count, 1);
    assert_string_equal(seen.mirror[1], "https://m/2");
    assert_string_equal(seen.url[2], "http://a/3");
    assert_string_equal(seen.url[3], "HTTP://a/4");
    assert_int_equal(opam_parse(&file, "archive: \"http://a/7\"", 21), 0);
    seen.count = 0;
    package_url_file(&file, see, &seen);
    assert_string_equal(seen.url[0], "http://a/7");
    opam_done(&file);
}

static void versions_are_ordered_as_opam_does(void **state)
{
    static const char *const rising[] = {"",      "~",     "0",    "0.1~rc1",  "0.1",       "0.1a",
                                         "0.1.0", "0.2",   "0.10", "1.0~beta", "1.0~beta2", "1.0",
                                         "1.0+x", "1.0.1", "2",    "v1"};
    (void)state;
    for (size_t i = 2; i < sizeof rising / sizeof *rising; i++)
        for (size_t k = 2; k < sizeof rising / sizeof *rising; k++) {
            int order = package_version_compare(rising[i], rising[k]);
            assert_int_equal(order < 0 ? -1 : order > 0, i < k ? -1 : i > k);
        }
    assert_true(package_version_compare("~", "") < 0);
    assert_int_equal(package_version_compare("1.01", "1.1"), 0);
}

static bool allows(const char *options, const char *version)
{
    struct opam_file file = {0};
    char text[200];
    bool result;
    snprintf(text, sizeof text, "depends: \"a\" %s", options);
    assert_int_equal(opam_parse(&file, text, strlen(text)), 0);
    result = formula_allows(file.first->first->next, version, "3.1");
    opam_done(&file);
    return result;
}

static void formulas_allow_what_they_may(void **state)
{
    static const struct {
        const char *options, *version;
        bool allowed;
    } cells[] = {
        {"",                                 "1",   true },
        {"{}",                               "1",   true },
        {"{>= \"2\"}",                       "1.9", false},
        {"{>= \"2\"}",                       "2",   true },
        {"{> \"2\" & < \"3\"}",              "2.5", true },
        {"{> \"2\" & < \"3\"}",              "3",   false},
        {"{< \"1\" | >= \"2\"}",             "1.5", false},
        {"{< \"1\" | >= \"2\"}",             "2.5", true },
        {"{!(= \"2\")}",                     "2",   false},
        {"{!= \"2\"}",                       "2",   false},
        {"{= version}",                      "3.1", true },
        {"{= version}",                      "3.2", false},
        {"{with-test}",                      "1",   false},
        {"{with-test & >= \"2\"}",           "2",   false},
        {"{build}",                          "1",   true },
        {"{os = \"linux\" & >= \"2\"}",      "1",   false},
        {"{os != \"win32\"}",                "1",   true },
        {"{!with-doc}",                      "1",   true },
        {"{(with-test | build) & <= \"1\"}", "1",   true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        if (allows(cells[i].options, cells[i].version) != cells[i].allowed)
            fail_msg("%s %s", cells[i].options, cells[i].version);
}

static void count_names(void *context, const char *package, const struct opam_item *options)
{
    char *out = context;
    strcat(out, package);
    strcat(out, options ? "! " : " ");
}

static void formulas_name_all_alternatives(void **state)
{
    static const char text[] = "depends: [\"a\" {build} (\"b\" | \"c\" {>= \"1\"}) & \"d\"]";
    struct opam_file file = {0};
    char out[100] = "";
    (void)state;
    assert_int_equal(opam_parse(&file, text, sizeof text - 1), 0);
    formula_walk(file.first->first, count_names, out);
    assert_string_equal(out, "a! b c! d ");
    opam_done(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_have_three_spellings),
        cmocka_unit_test(what_is_no_checksum_is_refused),
        cmocka_unit_test(archives_are_found_in_all_their_forms),
        cmocka_unit_test(versions_are_ordered_as_opam_does),
        cmocka_unit_test(formulas_allow_what_they_may),
        cmocka_unit_test(formulas_name_all_alternatives),
    };
    return cmocka_run_group_tests_name("package", tests, NULL, NULL);
}
