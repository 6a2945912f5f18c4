#include "web/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static struct message lobby_says(const char *text)
{
    struct message message = {
        .id = 7, .at = 1000, .room_id = 1, .person_id = 3, .kind = MESSAGE_SAY, .text = text};
    strcpy(message.room, "lobby");
    strcpy(message.name, "ada");
    return message;
}

/* What follows the time in the line of this message. */
static void expect(const struct message *message, const char *reader, const char *line)
{
    struct buf out;
    buf_init(&out, 8192);
    when_set_zone("UTC");
    struct words_list list = {.out = &out, .reader = reader};
    strcpy(list.day, "1970-01-01");
    words_list_put(&list, message);
    const char *behind = strstr(buf_text(&out), "</time> ");
    assert_non_null(behind);
    assert_string_equal(behind + strlen("</time> "), line);
    assert_int_equal(list.first, 7);
    assert_int_equal(list.last, 7);
    assert_int_equal(list.count, 1);
    buf_done(&out);
}

static void a_line_is_escaped(void **state)
{
    (void)state;
    struct message message = lobby_says("<img src=x onerror=alert(1)>");
    expect(&message, "", "<b class=c0>ada</b> &lt;img src=x onerror=alert(1)&gt;</li>\n");
    message.removed = true;
    expect(&message, "", "<b class=c0>ada</b> took this back</li>\n");
}

static void private_lines_say_for_whom(void **state)
{
    (void)state;
    struct message message = lobby_says("psst");
    message.room_id = 0;
    message.room[0] = '\0';
    strcpy(message.to, "bob");
    expect(&message, "bob", "<b class=c0>ada</b> <small>to you:</small> psst</li>\n");
    expect(&message, "ada", "<b class=c0>ada</b> <small>to bob:</small> psst</li>\n");
}

static void topics(void **state)
{
    (void)state;
    struct message message = lobby_says("tea");
    message.kind = MESSAGE_TOPIC;
    expect(&message, "", "<b class=c0>ada</b> set the topic: tea</li>\n");
    message.text = "";
    expect(&message, "", "<b class=c0>ada</b> took the topic away</li>\n");
}

static void dropped_files_are_links(void **state)
{
    (void)state;
    struct message message = lobby_says("ada dropped a <b> (2).pdf (3 kB)");
    message.kind = MESSAGE_FILE;
    expect(&message, "",
           "ada dropped <a href=\"/files/a%20%3Cb%3E%20%282%29.pdf\">a &lt;b&gt; (2).pdf</a> "
           "(3 kB)</li>\n");
    message.text = "A guest dropped 4 files: x/a, b and 2 more (3 kB)";
    expect(&message, "",
           "A guest dropped 4 files: <a href=\"/files/x/a\">x/a</a>, <a href=\"/files/b\">b</a> "
           "and 2 more (3 kB)</li>\n");
    message.text = "ada dropped 2 files: a, b (3 kB)";
    expect(&message, "",
           "ada dropped 2 files: <a href=\"/files/a\">a</a>, <a href=\"/files/b\">b</a> "
           "(3 kB)</li>\n");
    static const char *const plain[] = {"ada is dropping", " dropped ", " dropped (",
                                        "x dropped  ("};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        char line[64];
        message.text = plain[i];
        snprintf(line, sizeof line, "%s</li>\n", plain[i]);
        expect(&message, "", line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_escaped),
        cmocka_unit_test(private_lines_say_for_whom),
        cmocka_unit_test(topics),
        cmocka_unit_test(dropped_files_are_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
