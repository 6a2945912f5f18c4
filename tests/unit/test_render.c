#include "chat/render.h"

#include "base/when.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define AT 1763827205000 /* 2025-11-22T16:00:05Z */

static struct message message_of(enum message_kind kind, const char *text)
{
    struct message message = {
        .id = 7, .at = AT, .room_id = ROOM_LOBBY, .person_id = 1, .kind = kind, .text = text};

    strcpy(message.room, "lobby");
    strcpy(message.name, "ada");
    return message;
}

static void is(const struct message *message, struct render_style style, const char *wanted)
{
    struct buf out;

    buf_init(&out, 10000);
    render_message(&out, message, &style);
    assert_string_equal(buf_text(&out), wanted);
    buf_done(&out);
}

static void terminals(void **state)
{
    struct render_style plain = {.form = RENDER_TERMINAL, .time = TIME_SHORT};
    struct render_style style = plain;
    struct message message = message_of(MESSAGE_SAY, "hello");

    (void)state;
    is(&message, plain, "16:00 ada: hello\n");
    style.time = TIME_OFF;
    is(&message, style, "ada: hello\n");
    style.room = true;
    is(&message, style, "#lobby ada: hello\n");
    message = message_of(MESSAGE_ME, "waves");
    is(&message, plain, "16:00 * ada waves\n");
    message = message_of(MESSAGE_SAY, "one\ntwo");
    is(&message, plain, "16:00 ada: one\n    two\n");
    message = message_of(MESSAGE_TOPIC, "demos");
    is(&message, plain, "16:00 -- ada set the topic: demos\n");
    message = message_of(MESSAGE_FILE, "ada dropped slides.pdf (3 MB)");
    is(&message, plain, "16:00 -- ada dropped slides.pdf (3 MB)\n");
    message = message_of(MESSAGE_SAY, "");
    message.removed = true;
    is(&message, plain, "16:00 ada: (taken back)\n");
    message = message_of(MESSAGE_SAY, "psst");
    message.room_id = 0;
    strcpy(message.to, "bob");
    is(&message, plain, "16:00 ada \xe2\x86\x92 you: psst\n");
    style = plain;
    style.mine = true;
    is(&message, style, "16:00 you \xe2\x86\x92 bob: psst\n");
    style.plain = true;
    is(&message, style, "16:00 you to bob: psst\n");
    message = message_of(MESSAGE_SAY, "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d");
    is(&message, plain, "16:00 ada: \xe2\x81\xa8\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d\xe2\x81\xa9\n");
    message = message_of(MESSAGE_SAY, "words");
    message.name[0] = '\0';
    is(&message, plain, "16:00 (gone): words\n");
}

static void lines_and_json(void **state)
{
    struct render_style line = {.form = RENDER_LINE}, json = {.form = RENDER_JSON};
    struct message message = message_of(MESSAGE_SAY, "one\ntwo");

    (void)state;
    is(&message, line, "2025-11-22T16:00:05+00:00 ada one two\n");
    message.room_id = 2;
    strcpy(message.room, "ocaml");
    is(&message, line, "2025-11-22T16:00:05+00:00 ada #ocaml one two\n");
    is(&message, json,
       "{\"id\":7,\"at\":1763827205000,\"time\":\"2025-11-22T16:00:05+00:00\",\"room_id\":2,"
       "\"room\":\"ocaml\",\"person_id\":1,\"name\":\"ada\",\"to_id\":null,\"to\":null,\"kind\":"
       "\"say\",\"text\":\"one\\ntwo\",\"removed\":false}\n");
    message.room_id = 0;
    strcpy(message.to, "bob");
    is(&message, line, "2025-11-22T16:00:05+00:00 ada (to bob) one two\n");
    message = message_of(MESSAGE_ME, "waves");
    is(&message, line, "2025-11-22T16:00:05+00:00 ada * waves\n");
    message = message_of(MESSAGE_FILE, "ada dropped slides.pdf (3 MB)");
    is(&message, line, "2025-11-22T16:00:05+00:00 ada dropped slides.pdf (3 MB)\n");
}

static void mentions(void **state)
{
    static const struct {
        const char *text, *name;
        bool yes;
    } cases[] = {
        {"ada: hi",       "ada",   true },
        {"hi @ada!",      "ada",   true },
        {"hi ADA",        "ada",   true },
        {"adapter",       "ada",   false},
        {"canada",        "ada",   false},
        {"ada-l is here", "ada",   false},
        {"no. ada.",      "ada",   true },
        {"x adax ada",    "ada",   true },
        {"",              "ada",   false},
        {"see ada.l",     "ada.l", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(render_mentions(cases[i].text, cases[i].name), cases[i].yes);
}

static void colours(void **state)
{
    struct render_style style = {.form = RENDER_TERMINAL, .color = COLOR_256};
    struct buf out;

    (void)state;
    assert_int_equal(render_color_parse("on", "xterm-256color"), COLOR_256);
    assert_int_equal(render_color_parse("on", "linux"), COLOR_16);
    assert_int_equal(render_color_parse("off", "xterm"), COLOR_NONE);
    assert_int_equal(render_color_parse("16", "xterm"), COLOR_16);
    assert_int_equal(render_color_parse("pink", "xterm"), -1);
    buf_init(&out, 1000);
    render_name(&out, "ada", &style);
    assert_int_equal(strncmp(buf_text(&out), "\033[1;38;5;", 9), 0);
    buf_clear(&out);
    style.color = COLOR_16;
    render_name(&out, "ada", &style);
    assert_int_equal(strncmp(buf_text(&out), "\033[1;", 4), 0);
    buf_clear(&out);
    style.color = COLOR_NONE;
    render_name(&out, "ada", &style);
    assert_string_equal(buf_text(&out), "ada");
    buf_clear(&out);
    render_notice(&out, "one\ntwo", &style);
    assert_string_equal(buf_text(&out), "-- one\n-- two\n");
    buf_clear(&out);
    render_day(&out, AT, &style);
    assert_string_equal(buf_text(&out), "--- Saturday 22 November 2025 ---\n");
    assert_true(render_days_differ(AT, AT + 24 * 3600 * 1000));
    assert_false(render_days_differ(AT, AT + 1000));
    buf_done(&out);
}

static int in_utc(void **state)
{
    (void)state;
    when_set_zone("UTC");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terminals),
        cmocka_unit_test(lines_and_json),
        cmocka_unit_test(mentions),
        cmocka_unit_test(colours),
    };

    return cmocka_run_group_tests_name("render", tests, in_utc, NULL);
}
