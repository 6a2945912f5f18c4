#include "chat/editor.h"
#include "chat/screen.h"
#include "chat/width.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- width ---- */

static void width_of_clusters(void **state)
{
    static const struct {
        const char *text;
        size_t bytes;
        int columns;
    } cases[] = {
        {"a",                                            1,  1},
        {"ab",                                           1,  1},
        {"e\xcc\x81",                                    3,  1}, /* é */
        {"\xe6\x97\xa5",                                 3,  2}, /* 日 */
        {"\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd",             8,  2}, /* 👍🏽 */
        {"\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9", 11, 2}, /* 👨‍👩 */
        {"\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa",             8,  2}, /* 🇩🇪 */
        {"\xe2\x9d\xa4\xef\xb8\x8f",                     6,  2}, /* ❤️ */
        {"\xff",                                         1,  1},
        {"\n",                                           1,  0},
    };
    int columns;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(width_cluster(cases[i].text, strlen(cases[i].text), &columns),
                         cases[i].bytes);
        assert_int_equal(columns, cases[i].columns);
        assert_int_equal(width_before(cases[i].text, cases[i].bytes), 0);
    }
    assert_int_equal(width_text("a\xe6\x97\xa5z", 5), 4);
    assert_int_equal(width_fit("a\xe6\x97\xa5z", 5, 2), 1);
    assert_int_equal(width_fit("a\xe6\x97\xa5z", 5, 3), 4);
    assert_int_equal(width_before("ab\ncd", 5), 4);
}

/* ---- the editor ---- */

/* Puts bytes; the last event. */
static enum editor_event put(struct editor *editor, const char *bytes)
{
    size_t length = strlen(bytes), used;
    enum editor_event event = EDITOR_NOTHING;

    while (length > 0) {
        enum editor_event now = editor_put(editor, bytes, length, &used);

        event = now != EDITOR_NOTHING ? now : event;
        bytes += used;
        length -= used;
    }
    return event;
}

static void line_is(const struct editor *editor, const char *text, size_t cursor)
{
    assert_string_equal(buf_text(&editor->line), text);
    assert_int_equal(editor->cursor, cursor);
}

static int setup(void **state)
{
    struct editor *editor = malloc(sizeof(*editor));

    editor_init(editor, 200);
    *state = editor;
    return 0;
}

static int teardown(void **state)
{
    editor_done(*state);
    free(*state);
    return 0;
}

static void keys_edit_the_line(void **state)
{
    static const struct {
        const char *keys, *line;
        size_t cursor;
    } cases[] = {
        {"hello",                         "hello",          5 },
        {"hello\001>",                    ">hello",         1 },
        {"hello\001\005!",                "hello!",         6 },
        {"hello\002\002X",                "helXlo",         4 },
        {"hello\033[D\033[DX",            "helXlo",         4 },
        {"ab\001\006X",                   "aXb",            2 },
        {"one two\033bX",                 "one Xtwo",       5 },
        {"one two\001\033fX",             "oneX two",       4 },
        {"one two\001\033d",              " two",           0 },
        {"one two\027",                   "one ",           4 },
        {"one/two\033\177",               "one/",           4 },
        {"hello\001\013",                 "",               0 },
        {"hello\002\002\025",             "lo",             0 },
        {"one two\027\031\031",           "one twotwo",     10},
        {"ab\024",                        "ba",             2 },
        {"abc\002\024",                   "acb",            3 },
        {"abc\177",                       "ab",             2 },
        {"abc\001\033[3~",                "bc",             0 },
        {"abc\001\004",                   "bc",             0 },
        {"abc\033[H1\033[F2",             "1abc2",          5 },
        {"abc\033OH1\033OF2",             "1abc2",          5 },
        {"abc\033[1~1\033[4~2",           "1abc2",          5 },
        {"a\033\rb",                      "a\nb",           3 },
        {"a\033[999;9Zb",                 "ab",             2 },
        {"a\033[200~x\ny\033[201~b",      "ax\nyb",         5 },
        {"\033[200~x\r\ny\r\n\033[201~",  "x\ny",           3 },
        {"e\xcc\x81\xe6\x97\xa5\177\177", "",               0 },
        {"\xe6\x97\xa5x\001\006y",        "\xe6\x97\xa5yx", 4 },
        {"a\xc2\x9b"
         "31mb",                 "a31mb",          5 }, /* C1 is left out */
        {"a\xe2\x80\xae"
         "b",                    "ab",             2 }, /* an override, too */
        {"\001\002\003\013",              "",               0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct editor editor;

        editor_init(&editor, 200);
        put(&editor, cases[i].keys);
        line_is(&editor, cases[i].line, cases[i].cursor);
        editor_done(&editor);
        /* The same a byte at a time. */
        editor_init(&editor, 200);
        for (const char *c = cases[i].keys; *c != '\0'; c++)
            put(&editor, (char[]){*c, '\0'});
        line_is(&editor, cases[i].line, cases[i].cursor);
        editor_done(&editor);
    }
}

static void keys_make_events(void **state)
{
    struct editor *editor = *state;
    char *line;

    assert_int_equal(put(editor, "\004"), EDITOR_END);
    assert_int_equal(put(editor, "\003"), EDITOR_CANCEL);
    assert_int_equal(put(editor, "\014"), EDITOR_REDRAW);
    assert_int_equal(put(editor, "\t"), EDITOR_COMPLETE);
    assert_int_equal(put(editor, "\177"), EDITOR_BELL);
    assert_int_equal(put(editor, "\033[A"), EDITOR_BELL);
    assert_int_equal(put(editor, "said\r"), EDITOR_LINE);
    line = editor_take(editor);
    assert_string_equal(line, "said");
    free(line);
    line_is(editor, "", 0);
    /* CR LF is one Enter, also across two packets. */
    assert_int_equal(put(editor, "\n"), EDITOR_NOTHING);
    assert_int_equal(put(editor, "\n"), EDITOR_LINE);
}

static void say(struct editor *editor, const char *text)
{
    put(editor, text);
    assert_int_equal(put(editor, "\r"), EDITOR_LINE);
    free(editor_take(editor));
}

static void history_comes_back(void **state)
{
    struct editor *editor = *state;

    say(editor, "one");
    say(editor, "two");
    say(editor, "two");
    say(editor, "  ");
    put(editor, "draft");
    put(editor, "\033[A");
    line_is(editor, "two", 3);
    put(editor, "\020");
    line_is(editor, "one", 3);
    assert_int_equal(put(editor, "\020"), EDITOR_BELL);
    put(editor, "\033[B\016");
    line_is(editor, "draft", 5);
    assert_int_equal(put(editor, "\016"), EDITOR_BELL);
    for (int i = 0; i < 3 * EDITOR_HISTORY; i++) {
        char text[16];

        snprintf(text, sizeof(text), "line %d", i);
        editor_clear(editor);
        say(editor, text);
    }
    assert_int_equal(editor->history_count, EDITOR_HISTORY);
    put(editor, "\020");
    line_is(editor, "line 299", 8);
}

static void search_finds(void **state)
{
    struct editor *editor = *state;
    char text[96];

    say(editor, "alpha one");
    say(editor, "beta");
    say(editor, "alpha two");
    put(editor, "draft\022alp");
    line_is(editor, "alpha two", 9);
    editor_search_text(editor, text, sizeof(text));
    assert_string_equal(text, "(search: alp) ");
    put(editor, "\022");
    line_is(editor, "alpha one", 9);
    assert_int_equal(put(editor, "\022"), EDITOR_BELL);
    put(editor, "\177\177\177");
    assert_int_equal(put(editor, "zzz"), EDITOR_BELL);
    put(editor, "\007");
    line_is(editor, "draft", 5);
    editor_search_text(editor, text, sizeof(text));
    assert_string_equal(text, "");
    put(editor, "\022bet\001>");
    line_is(editor, ">beta", 1);
}

static void what_does_not_fit_is_left_out(void **state)
{
    struct editor editor;
    struct buf paste;

    (void)state;
    editor_init(&editor, 10);
    put(&editor, "0123456789");
    assert_false(editor_full(&editor));
    put(&editor, "x");
    assert_true(editor_full(&editor));
    assert_false(editor_full(&editor));
    line_is(&editor, "0123456789", 10);
    editor_clear(&editor);
    buf_init(&paste, 1000);
    buf_puts(&paste, "\033[200~");
    for (int i = 0; i < 500; i++)
        buf_putc(&paste, 'p');
    buf_puts(&paste, "\033[201~");
    put(&editor, buf_text(&paste));
    buf_done(&paste);
    assert_true(editor_full(&editor));
    assert_false(editor.pasting);
    line_is(&editor, "pppppppppp", 10);
    editor_done(&editor);
}

static void words_are_replaced(void **state)
{
    struct editor *editor = *state;

    put(editor, "hi ad");
    assert_int_equal(editor_word(editor), 3);
    editor_replace(editor, 3, "ada ");
    line_is(editor, "hi ada ", 7);
}

/* ---- the screen ---- */

static void draw(struct screen *screen, struct buf *out, const char *text, size_t cursor)
{
    struct screen_line line = {
        .prompt = "> ", .color = "", .text = text, .length = strlen(text), .cursor = cursor};

    buf_clear(out);
    screen_draw(screen, out, &line);
}

static void screen_keeps_its_place(void **state)
{
    struct screen screen;
    struct buf out;

    (void)state;
    screen_init(&screen, 1000);
    buf_init(&out, 10000);
    screen_resize(&screen, 0, 0);
    assert_int_equal(screen.columns, 80);
    assert_int_equal(screen.rows, 24);
    screen_resize(&screen, 10, 5);
    draw(&screen, &out, "abc", 3);
    assert_string_equal(buf_text(&out), "> abc");
    draw(&screen, &out, "abc", 1);
    assert_string_equal(buf_text(&out), "\r\033[J> abc\r\033[3C");
    /* Twelve columns on ten: a second row, and up from there. */
    draw(&screen, &out, "0123456789", 0);
    assert_string_equal(buf_text(&out), "\r\033[J> 0123456789\033[1A\r\033[2C");
    assert_int_equal(screen.cursor_row, 0);
    /* A full row ends with the cursor in the next. */
    draw(&screen, &out, "01234567", 8);
    assert_string_equal(buf_text(&out), "\r\033[J> 01234567 \r\033[K");
    assert_int_equal(screen.cursor_row, 1);
    buf_clear(&out);
    screen_erase(&screen, &out);
    assert_string_equal(buf_text(&out), "\033[1A\r\033[J");
    /* A wide character that does not fit goes down whole. */
    draw(&screen, &out, "0123456\xe6\x97\xa5", 10);
    assert_int_equal(screen.cursor_row, 1);
    /* Narrower: what is drawn has reflowed. */
    screen_resize(&screen, 5, 5);
    assert_int_equal(screen.cursor_row, 2);
    buf_done(&out);
    screen_done(&screen);
}

static void screen_shows_the_rows_around_the_cursor(void **state)
{
    char text[300];
    struct screen screen;
    struct buf out;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    screen_init(&screen, 1000);
    buf_init(&out, 10000);
    screen_resize(&screen, 10, 5);
    draw(&screen, &out, text, strlen(text));
    assert_true(screen.cursor_row <= 3);
    assert_true(out.len < 70);
    draw(&screen, &out, text, 0);
    assert_int_equal(screen.cursor_row, 0);
    assert_true(out.len < 80);
    buf_done(&out);
    screen_done(&screen);
}

static void dumb_terminals_get_no_sequences(void **state)
{
    struct screen screen;
    struct buf out;

    (void)state;
    screen_init(&screen, 1000);
    screen.dumb = true;
    buf_init(&out, 10000);
    draw(&screen, &out, "ab", 2);
    assert_string_equal(buf_text(&out), "> ab");
    draw(&screen, &out, "abc", 3);
    assert_string_equal(buf_text(&out), "c");
    draw(&screen, &out, "a", 1);
    assert_string_equal(buf_text(&out), "\b \b\b \b");
    buf_clear(&out);
    screen_erase(&screen, &out);
    assert_string_equal(buf_text(&out), "\r\n");
    draw(&screen, &out, "a", 1);
    assert_string_equal(buf_text(&out), "> a");
    buf_clear(&out);
    screen_put(&out, "one\ntwo\n");
    assert_string_equal(buf_text(&out), "one\r\ntwo\r\n");
    buf_done(&out);
    screen_done(&screen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(width_of_clusters),
        cmocka_unit_test(keys_edit_the_line),
        cmocka_unit_test_setup_teardown(keys_make_events, setup, teardown),
        cmocka_unit_test_setup_teardown(history_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(search_finds, setup, teardown),
        cmocka_unit_test(what_does_not_fit_is_left_out),
        cmocka_unit_test_setup_teardown(words_are_replaced, setup, teardown),
        cmocka_unit_test(screen_keeps_its_place),
        cmocka_unit_test(screen_shows_the_rows_around_the_cursor),
        cmocka_unit_test(dumb_terminals_get_no_sequences),
    };

    return cmocka_run_group_tests_name("editor", tests, NULL, NULL);
}
