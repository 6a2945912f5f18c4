#include "drop/path.h"
#include "tests/unit/scratch.h"

static const char *check(const char *asked, enum drop_path_verdict wanted)
{
    static char out[DROP_PATH_MAX];
    assert_int_equal(drop_path_check(asked, strlen(asked), out), wanted);
    return out;
}

static void good_names_stay(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a",          "slides.pdf", "a/b/c.txt",      "Zürich/Plan 3.odt",
        "日本語.txt", "🐫.ml",       "a'b\"c$(d)&e;f", "-rf",
        "%2e%2e",     "~",          "con-man.txt",    "comet",
        "com10",      "nulls.txt",  "a..b",           "trailing.",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_string_equal(check(good[i], DROP_PATH_GOOD), good[i]);
}

static void slashes_fold(void **state)
{
    (void)state;
    assert_string_equal(check("/a", DROP_PATH_GOOD), "a");
    assert_string_equal(check("//a///b/", DROP_PATH_GOOD), "a/b");
    check("", DROP_PATH_EMPTY);
    check("///", DROP_PATH_EMPTY);
}

static void decomposed_names_are_composed(void **state)
{
    (void)state;
    assert_string_equal(check("Zu\xCC\x88rich", DROP_PATH_GOOD), "Z\xC3\xBCrich");
}

static void hostile_names_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum drop_path_verdict verdict;
    } bad[] = {
        {"..",                                DROP_PATH_DOTS    },
        {".",                                 DROP_PATH_DOTS    },
        {"a/../b",                            DROP_PATH_DOTS    },
        {"../../etc/passwd",                  DROP_PATH_DOTS    },
        {"a/./b",                             DROP_PATH_DOTS    },
        {".arriving/x",                       DROP_PATH_DOTS    },
        {".bashrc",                           DROP_PATH_DOTS    },
        {"a\\b",                              DROP_PATH_UNSAFE  },
        {"a\nb",                              DROP_PATH_UNSAFE  },
        {"a\x1b[31mb",                        DROP_PATH_UNSAFE  },
        {"a\x7f",                             DROP_PATH_UNSAFE  },
        {"a\xC2\x9B",                         DROP_PATH_UNSAFE  },
        {"exe\xE2\x80\xAEgpj.txt",            DROP_PATH_UNSAFE  },
        {"zero\xE2\x80\x8Bwidth",             DROP_PATH_UNSAFE  },
        {" a",                                DROP_PATH_UNSAFE  },
        {"a ",                                DROP_PATH_UNSAFE  },
        {"a\xC2\xA0",                         DROP_PATH_UNSAFE  },
        {"\xC0\xAE\xC0\xAE/x",                DROP_PATH_NOT_UTF8},
        {"\xFF",                              DROP_PATH_NOT_UTF8},
        {"\xED\xA0\x80",                      DROP_PATH_NOT_UTF8},
        {"CON",                               DROP_PATH_RESERVED},
        {"a/nul.txt",                         DROP_PATH_RESERVED},
        {"Com1",                              DROP_PATH_RESERVED},
        {"lpt9.tar.gz",                       DROP_PATH_RESERVED},
        {"a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", DROP_PATH_TOO_DEEP},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_string_equal(check(bad[i].name, bad[i].verdict), "");
    char out[DROP_PATH_MAX];
    assert_int_equal(drop_path_check("a\0b", 3, out), DROP_PATH_UNSAFE);
    for (int v = DROP_PATH_GOOD; v <= DROP_PATH_RESERVED; v++)
        assert_true(strlen(drop_path_rule((enum drop_path_verdict)v)) > 10);
}

static void lengths_have_limits(void **state)
{
    (void)state;
    char name[5000], path[1300] = "";
    memset(name, 'a', sizeof name);
    name[255] = '\0';
    check(name, DROP_PATH_GOOD);
    name[255] = 'a';
    name[256] = '\0';
    check(name, DROP_PATH_TOO_LONG);
    name[256] = 'a';
    name[4999] = '\0';
    check(name, DROP_PATH_TOO_LONG);
    name[200] = '\0';
    for (int i = 0; i < 5; i++)
        strcat(strcat(path, name), "/");
    check(path, DROP_PATH_GOOD);
    strcat(path, name);
    check(path, DROP_PATH_TOO_LONG);
}

static void numbers_go_before_the_extension(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"slides.pdf",       "slides (2).pdf"      },
        {"slides.tar.gz",    "slides (2).tar.gz"   },
        {"README",           "README (2)"          },
        {"a/b.txt",          "a/b (2).txt"         },
        {"a.b/c",            "a.b/c (2)"           },
        {"talk. the end",    "talk. the end (2)"   },
        {"v1.2.3-final.zip", "v1.2.3-final (2).zip"},
    };
    char out[DROP_PATH_MAX], name[256], again[DROP_PATH_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        drop_path_numbered(cases[i][0], 2, out);
        assert_string_equal(out, cases[i][1]);
    }
    for (size_t i = 0; i + 2 < sizeof name; i += 2)
        memcpy(name + i, "\xC3\xBC", 3);
    drop_path_numbered(name, 1000, out);
    assert_true(strlen(out) <= 255);
    assert_int_equal(drop_path_check(out, strlen(out), again), DROP_PATH_GOOD);
}

static void parts_of_a_path(void **state)
{
    (void)state;
    char out[DROP_PATH_MAX];
    assert_string_equal(drop_path_name("a/b/c"), "c");
    assert_string_equal(drop_path_name("c"), "c");
    drop_path_folder("a/b/c", out);
    assert_string_equal(out, "a/b");
    drop_path_folder("c", out);
    assert_string_equal(out, "");
    assert_true(drop_path_on_shelf("shelf"));
    assert_true(drop_path_on_shelf("shelf/x"));
    assert_false(drop_path_on_shelf("shelf2"));
    assert_false(drop_path_on_shelf("a/shelf"));
}

static void folding_forgets_case_and_marks(void **state)
{
    (void)state;
    char *folded = drop_path_fold("Photos/H\xC3\xA9L\xC3\x88NE.JPG");
    assert_string_equal(folded, "photos/helene.jpg");
    free(folded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_names_stay),
        cmocka_unit_test(slashes_fold),
        cmocka_unit_test(decomposed_names_are_composed),
        cmocka_unit_test(hostile_names_are_refused),
        cmocka_unit_test(lengths_have_limits),
        cmocka_unit_test(numbers_go_before_the_extension),
        cmocka_unit_test(parts_of_a_path),
        cmocka_unit_test(folding_forgets_case_and_marks),
    };
    return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
