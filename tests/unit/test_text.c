#include "base/text.h"

#include "scratch.h"

#define MARK   "\xCC\x81"     /* U+0301 */
#define JOINER "\xE2\x80\x8D" /* U+200D */
#define BAD    "\xEF\xBF\xBD" /* U+FFFD */

static void decodes(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        uint32_t code;
        size_t took;
    } cases[] = {
        {"a",                1, 'a',      1},
        {"\0",               1, 0,        1},
        {"\xC3\xA9",         2, 0xE9,     2},
        {"\xE2\x82\xAC",     3, 0x20AC,   3},
        {"\xF0\x9F\x90\xAA", 4, 0x1F42A,  4},
        {"\xF4\x8F\xBF\xBF", 4, 0x10FFFF, 4},
        {"\xC3",             1, 0xFFFD,   1}, /* cut */
        {"\xC3(",            2, 0xFFFD,   1},
        {"\xE2\x82(",        3, 0xFFFD,   1},
        {"\x80",             1, 0xFFFD,   1}, /* only what follows */
        {"\xC0\xAF",         2, 0xFFFD,   1}, /* overlong */
        {"\xC1\xBF",         2, 0xFFFD,   1},
        {"\xE0\x9F\xBF",     3, 0xFFFD,   1},
        {"\xF0\x8F\xBF\xBF", 4, 0xFFFD,   1},
        {"\xED\xA0\x80",     3, 0xFFFD,   1}, /* a surrogate */
        {"\xF4\x90\x80\x80", 4, 0xFFFD,   1}, /* beyond U+10FFFF */
        {"\xF5\x80\x80\x80", 4, 0xFFFD,   1},
        {"\xFF",             1, 0xFFFD,   1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t code = 1;

        assert_int_equal(text_decode((const uint8_t *)cases[i].bytes, cases[i].length, &code),
                         cases[i].took);
        assert_int_equal(code, cases[i].code);
    }
}

static void encodes_what_it_decodes(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        struct buf out;
        uint32_t back;

        if (code == 0xD800)
            code = 0xE000;
        buf_init(&out, 4);
        assert_int_equal(text_encode(&out, code), 0);
        assert_int_equal(text_decode(out.data, out.len, &back), out.len);
        assert_int_equal(back, code);
        buf_done(&out);
    }
}

static void cleans(void **state)
{
    static const struct {
        const char *given, *one_line, *many_lines;
    } cases[] = {
        {"",                             "",                             ""            },
        {"hello",                        "hello",                        "hello"       },
        {"a\tb\nc\r\nd\re",              "a b c d e",                    "a b\nc\nd\ne"},
        {"a\r\n\r\nb\r\r",               "a  b  ",                       "a\n\nb\n\n"  },
        {"\x1B[31mred\x07\x7F",          "[31mred",                      "[31mred"     },
        {"\xC2\x9B"
         "31m",                 "31m",                          "31m"         }, /* C1 */
        {"a\xE2\x80\xAE"
         "b\xE2\x81\xA6"
         "c",                   "abc",                          "abc"         }, /* bidi */
        {"a\xE2\x80\x8B"
         "b\xC2\xAD"
         "c",                   "abc",                          "abc"         },
        {"a\xEF\xBB\xBF"
         "b",                   "ab",                           "ab"          },
        {"a\xE2\x80\xA8"
         "b",                   "ab",                           "ab"          },
        {"\xEE\x80\x80\xF4\x80\x80\x80", "",                             ""            },
        {"\xEF\xBF\xBE\xF0\x9F\xBF\xBF", "",                             ""            },
        {"\xFF\xC0z",                    BAD BAD "z",                    BAD BAD "z"   },
        {BAD,                            BAD,                            BAD           },
        {"a" JOINER "b",                 "a" JOINER "b",                 "a" JOINER "b"},
        {JOINER "a" JOINER,              "a",                            "a"           },
        {"a" JOINER " " JOINER "b",      "a b",                          "a b"         },
        {"a" JOINER JOINER "b",          "a" JOINER "b",                 "a" JOINER "b"},
        {"a" JOINER "\xE2\x80\x8B"
         "b",                   "a" JOINER "b",                 "a" JOINER "b"},
        {"e" MARK,                       "e" MARK,                       "e" MARK      },
        {"\xF0\x9F\x90\xAA\xEF\xB8\x8F", "\xF0\x9F\x90\xAA\xEF\xB8\x8F",
         "\xF0\x9F\x90\xAA\xEF\xB8\x8F"                                                },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t length = strlen(cases[i].given);
        struct buf out;

        buf_init(&out, 200);
        assert_int_equal(text_clean(&out, cases[i].given, length, TEXT_ONE_LINE), 0);
        assert_string_equal(buf_text(&out), cases[i].one_line);
        assert_true(text_is_safe(out.data, out.len));
        assert_int_equal(text_is_safe(cases[i].given, length),
                         strcmp(cases[i].given, cases[i].one_line) == 0);
        buf_clear(&out);
        assert_int_equal(text_clean(&out, cases[i].given, length, TEXT_MANY_LINES), 0);
        assert_string_equal(buf_text(&out), cases[i].many_lines);
        buf_done(&out);
    }
}

static void bounds_marks(void **state)
{
    struct buf given, out;

    (void)state;
    buf_init(&given, 1000);
    buf_init(&out, 1000);
    for (int i = 0; i < 20; i++)
        buf_puts(&given, i == 10 ? "e" : MARK);
    text_clean(&out, given.data, given.len, TEXT_ONE_LINE);
    assert_int_equal(text_length(buf_text(&out)), 2 * TEXT_MAX_MARKS + 1);
    assert_true(text_is_safe(out.data, out.len));
    buf_done(&given);
    buf_done(&out);
}

static void cuts_between_characters(void **state)
{
    static const char text[] = "ab\xE2\x82\xAC"
                               "a" JOINER "b";

    (void)state;
    for (size_t room = 0; room < sizeof(text) - 1; room++) {
        struct buf out;

        buf_init(&out, room);
        assert_int_equal(text_clean(&out, text, sizeof(text) - 1, TEXT_ONE_LINE), -1);
        assert_true(text_is_safe(out.data, out.len));
        assert_memory_equal(out.data, text, out.len);
        buf_done(&out);
    }
}

static void names_unsafe_characters(void **state)
{
    static const uint32_t unsafe[] = {0,       0x1F,    0x7F,    0x9F,    0xAD,    0x61C,  0x115F,
                                      0x180E,  0x200B,  0x200E,  0x202A,  0x2066,  0x206F, 0x3164,
                                      0xE000,  0xFDD0,  0xFEFF,  0xFFA0,  0xFFF9,  0xFFFF, 0x1D173,
                                      0x1FFFE, 0xE0001, 0xE0041, 0xF0000, 0x10FFFF};
    static const uint32_t safe[] = {' ',    '~',    0xA0,    0xE9,   0x5D0,  0x627,
                                    0x200C, 0x200D, 0x2010,  0x20AC, 0x3042, 0xAC00,
                                    0xFE0F, 0xFFFD, 0x1F42A, 0xE0100};

    (void)state;
    for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
        assert_true(text_is_unsafe_character(unsafe[i]));
    for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++)
        assert_false(text_is_unsafe_character(safe[i]));
}

static void knows_scripts_from_right_to_left(void **state)
{
    (void)state;
    assert_true(text_has_rtl("a \xD7\x90"));
    assert_true(text_has_rtl("\xD8\xA7"));
    assert_true(text_has_rtl("\xEF\xBA\x8D"));
    assert_false(text_has_rtl("abc \xE3\x81\x82"));
    assert_false(text_has_rtl(""));
}

static void trims_and_lowers(void **state)
{
    char blank[] = " \t\r\n", text[] = "  Hello World \n", none[] = "x";

    (void)state;
    assert_string_equal(text_trim(blank), "");
    assert_string_equal(text_trim(text), "Hello World");
    assert_string_equal(text_trim(none), "x");
    text_lower(text);
    assert_string_equal(text, "hello world");
    assert_true(text_is_utf8("\xC3\xA9", 2));
    assert_false(text_is_utf8("a\xC3", 2));
    assert_true(text_is_utf8("", 0));
    assert_int_equal(text_length("\xC3\xA9\xFF"
                                 "a"),
                     3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),
        cmocka_unit_test(encodes_what_it_decodes),
        cmocka_unit_test(cleans),
        cmocka_unit_test(bounds_marks),
        cmocka_unit_test(cuts_between_characters),
        cmocka_unit_test(names_unsafe_characters),
        cmocka_unit_test(knows_scripts_from_right_to_left),
        cmocka_unit_test(trims_and_lowers),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
