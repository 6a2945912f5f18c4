#include "base/text.h"
#include "identity/name.h"
#include "tests/unit/scratch.h"

static void names_are_checked_and_folded(void **state)
{
    static const struct {
        const char *typed;
        enum name_verdict verdict;
        const char *name;
    } cases[] = {
        {"ada",                               NAME_GOOD,          "ada"                             },
        {"Ada.Lovelace_1815-",                NAME_GOOD,          "ada.lovelace_1815-"              },
        {"9lives",                            NAME_GOOD,          "9lives"                          },
        {"x",                                 NAME_GOOD,          "x"                               },
        {"abcdefghijklmnopqrstuvwxyz012345",  NAME_GOOD,          "abcdefghijklmnopqrstuvwxyz012345"},
        {"",                                  NAME_EMPTY,         NULL                              },
        {"abcdefghijklmnopqrstuvwxyz0123456", NAME_TOO_LONG,      NULL                              },
        {".ada",                              NAME_BAD_START,     NULL                              },
        {"_ada",                              NAME_BAD_START,     NULL                              },
        {"-l",                                NAME_BAD_START,     NULL                              },
        {"ada lovelace",                      NAME_BAD_CHARACTER, NULL                              },
        {"ad\xc3\xa4",                        NAME_BAD_CHARACTER, NULL                              },
        {"a/b",                               NAME_BAD_CHARACTER, NULL                              },
        {"a\x1b[31m",                         NAME_BAD_CHARACTER, NULL                              },
        {"root",                              NAME_RESERVED,      "root"                            },
        {"RIAD",                              NAME_RESERVED,      "riad"                            },
        {"r0ot",                              NAME_RESERVED,      "r0ot"                            },
        {"adrnin",                            NAME_RESERVED,      "adrnin"                          },
        {"sys-tem",                           NAME_RESERVED,      "sys-tem"                         },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[NAME_MAX_BYTES];
        assert_int_equal(name_check(cases[i].typed, name), cases[i].verdict);
        if (cases[i].name)
            assert_string_equal(name, cases[i].name);
    }
    (void)state;
}

static void every_verdict_has_a_rule(void **state)
{
    for (int verdict = NAME_GOOD; verdict <= NAME_RESERVED; verdict++)
        assert_true(strlen(name_rule((enum name_verdict)verdict)) > 10);
    (void)state;
}

static void names_that_look_alike_share_a_skeleton(void **state)
{
    static const char *const alike[][2] = {
        {"bob",    "b0b"  },
        {"alice",  "a1ice"},
        {"alice",  "allce"},
        {"tim",    "tirn" },
        {"wim",    "vvim" },
        {"a.b",    "ab"   },
        {"a--b",   "a_b"  },
        {"ada",    "ada." },
        {"mimi",   "mlm1" },
        {"corner", "comer"},
    };
    static const char *const different[][2] = {
        {"ada",  "adam"},
        {"ada",  "bda" },
        {"anna", "ana" },
        {"bob",  "bobb"},
        {"a2",   "a3"  },
    };
    char one[NAME_MAX_BYTES], other[NAME_MAX_BYTES];
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++) {
        name_skeleton(alike[i][0], one);
        name_skeleton(alike[i][1], other);
        assert_string_equal(one, other);
    }
    for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
        name_skeleton(different[i][0], one);
        name_skeleton(different[i][1], other);
        assert_string_not_equal(one, other);
    }
    (void)state;
}

static void suggestions_resemble_and_are_good(void **state)
{
    static const char *const cases[][3] = {
        {"DOMAIN\\Ada",          "ada",          "ada-2"         },
        {"H\xc3\xa9l\xc3\xa8ne", "helene",       "helene-2"      },
        {"root",                 "root-1",       "root-2"        },
        {"ada@example.org",      "ada",          "ada-2"         },
        {"Ada Lovelace",         "ada-lovelace", "ada-lovelace-2"},
        {"",                     "visitor-1",    "visitor-2"     },
        {"\xf0\x9f\x8e\x89",     "visitor-1",    "visitor-2"     },
        {"...",                  "visitor-1",    "visitor-2"     },
        {"\xff\xfe\\",           "visitor-1",    "visitor-2"     },
        {"al",                   "al",           "al-2"          },
        {"\xc5\x81ukasz",        "lukasz",       "lukasz-2"      },
    };
    char name[NAME_MAX_BYTES], folded[NAME_MAX_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned attempt = 0; attempt < 2; attempt++) {
            name_suggest(cases[i][0], attempt, name);
            assert_string_equal(name, cases[i][1 + attempt]);
        }
        for (unsigned attempt = 0; attempt < 2000; attempt += 37) {
            name_suggest(cases[i][0], attempt, name);
            assert_int_equal(name_check(name, folded), NAME_GOOD);
        }
    }
    name_suggest("abcdefghijklmnopqrstuvwxyz0123456789", 4000000000u, name);
    assert_int_equal(name_check(name, folded), NAME_GOOD);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_checked_and_folded),
        cmocka_unit_test(every_verdict_has_a_rule),
        cmocka_unit_test(names_that_look_alike_share_a_skeleton),
        cmocka_unit_test(suggestions_resemble_and_are_good),
    };
    return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
