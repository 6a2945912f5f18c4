#include "mirror/opam.h"
#include "tests/unit/scratch.h"

static int parse(struct opam_file *file, const char *text)
{
    return opam_parse(file, text, strlen(text));
}

/* The string in field `x` of a file that says only that. */
static const char *string_of(struct opam_file *file, const char *value)
{
    char text[400];
    snprintf(text, sizeof text, "x: %s\n", value);
    return parse(file, text) == 0 ? opam_field_string(file->first, "x") : NULL;
}

static void strings_are_decoded(void **state)
{
    static const struct {
        const char *written, *meant;
    } cells[] = {
        {"\"plain\"",                                "plain"                  },
        {"\"\"",                                     ""                       },
        {"\"a\\\\b\\\"c\\'d\\ e\"",                  "a\\b\"c'd e"            },
        {"\"\\n\\r\\t\\b\"",                         "\n\r\t\b"               },
        {"\"\\065\\x42\\x4a\"",                      "ABJ"                    },
        {"\"one \\\n     line\"",                    "one line"               },
        {"\"one \\\r\n\t line\"",                    "one line"               },
        {"\"two\nlines\"",                           "two\nlines"             },
        {"\"\"\"a \"quoted\" word\"\"\"",            "a \"quoted\" word"      },
        {"\"\"\"a \\\"\"\"\"",                       "a \""                   },
        {"\n\"on the next line\"",                   "on the next line"       },
        {"# a comment\n\"after\"",                   "after"                  },
        {"(* one (* within *) another *) \"after\"", "after"                  },
        {"\"no # comment (* here *)\"",              "no # comment (* here *)"},
    };
    struct opam_file file = {0};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        const char *found = string_of(&file, cells[i].written);
        assert_non_null(found);
        assert_string_equal(found, cells[i].meant);
    }
    opam_done(&file);
    (void)state;
}

static void what_is_no_opam_file_is_refused(void **state)
{
    static const char *const wrong[] = {
        "x: \"no end",    "x: \"\"\"no end\"\"",
        "x: \"\\q\"",     "x: \"\\256\"",
        "x: \"\\xg0\"",   "x: (* no end",
        "x: [",           "x: [ \"a\" )",
        "x: ]",           "x:",
        "x \"a\"",        "url {",
        "url { src: }",   "url } ",
        "x: \"a\" \"b\"", "x: 2.0",
        "\"x\"",          "x: \"a\" }",
        "x: $",           ": x",
    };
    struct opam_file file = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(parse(&file, wrong[i]), -1);
        assert_non_null(file.error);
        assert_null(file.first);
    }
    assert_int_equal(parse(&file, "\n\nx: $"), -1);
    assert_int_equal(file.error_line, 3);
    opam_done(&file);
    (void)state;
}

static void depth_is_bounded(void **state)
{
    struct opam_file file = {0};
    char text[100000] = "x: ";
    memset(text + 3, '[', sizeof text - 4);
    assert_int_equal(opam_parse(&file, text, sizeof text - 1), -1);
    memset(text, 0, sizeof text);
    for (size_t i = 0; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "a {", 3);
    assert_int_equal(opam_parse(&file, text, sizeof text - 1), -1);
    opam_done(&file);
    (void)state;
}

static void a_tree_grows(void **state)
{
    static const char text[] =
        "opam-version: \"2.0\"\n"
        "depends: [\"ocaml\" {>= \"4.08\" & with-test} (\"lwt\" | \"eio\")]\n"
        "available: os != \"win32\" & !(arch = \"x\")\n"
        "flags: light-uninstall\n"
        "url {\n  src:\n    \"https://a/b\"\n}\n"
        "extra-source \"a.patch\" { src: \"http://c\" }\n"
        "x-y+z: true";
    struct opam_file file = {0};
    const struct opam_item *item;
    assert_int_equal(opam_parse(&file, text, sizeof text - 1), 0);
    assert_string_equal(opam_field_string(file.first, "opam-version"), "2.0");
    item = opam_field(file.first, "depends");
    assert_string_equal(text + item->to, strstr(text, "\navailable"));
    assert_string_equal(text + item->from, strstr(text, "depends"));
    item = item->first;
    assert_int_equal(item->kind, OPAM_LIST);
    item = item->first;
    assert_string_equal(item->text, "ocaml");
    assert_int_equal(item->next->kind, OPAM_OPTION);
    assert_string_equal(item->next->first->text, ">=");
    assert_int_equal(item->next->next->kind, OPAM_GROUP);
    item = opam_field(file.first, "available");
    assert_string_equal(item->first->next->text, "!=");
    assert_string_equal(item->next->text, "flags");
    item = item->next->next;
    assert_int_equal(item->kind, OPAM_SECTION);
    assert_null(item->name);
    assert_string_equal(opam_field_string(item->first, "src"), "https://a/b");
    assert_string_equal(item->next->name, "a.patch");
    assert_non_null(opam_field(file.first, "x-y+z"));
    assert_null(opam_field_string(file.first, "depends"));
    opam_done(&file);
    (void)state;
}

static void the_last_of_two_fields_counts(void **state)
{
    struct opam_file file = {0};
    assert_int_equal(parse(&file, "x: \"a\"\nx: \"b\""), 0);
    assert_string_equal(opam_field_string(file.first, "x"), "b");
    assert_int_equal(parse(&file, ""), 0);
    assert_null(file.first);
    opam_done(&file);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_decoded),
        cmocka_unit_test(what_is_no_opam_file_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(a_tree_grows),
        cmocka_unit_test(the_last_of_two_fields_counts),
    };
    return cmocka_run_group_tests_name("opam", tests, NULL, NULL);
}
