/* What the keeper publishes, and what `riad status` reads of it. */
#include "supervisor/publish.h"
#include "supervisor/published.h"
#include "supervisor/walk.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void note_leaf(void *context, const char *path, const char *text)
{
    struct buf *out = context;

    buf_printf(out, "%s=%s;", path, text);
}

static void check_walk(const char *text, int result, const char *leaves)
{
    struct buf out;

    buf_init(&out, 4096);
    assert_int_equal(walk(text, note_leaf, &out), result);
    assert_string_equal(buf_text(&out), leaves);
    buf_done(&out);
}

static void walks_every_value(void **state)
{
    (void)state;
    check_walk("{}", 0, "");
    check_walk(" [ ] ", 0, "");
    check_walk("7", 0, "=7;");
    check_walk("{\"a\": {\"b\": [1, true, null, \"x\"]}, \"c\": -2.5e3}", 0,
               "a.b.0=1;a.b.1=true;a.b.2=null;a.b.3=x;c=-2.5e3;");
    check_walk("{\"a\": \"\\\"\\\\\\/\\n\\u00e9\\ud83d\\ude00\"}", 0, "a=\"\\/\n\u00e9\U0001F600;");
}

static void refuses_what_is_no_json(void **state)
{
    static const char *const wrong[] = {
        "",         "{",          "[1",          "{\"a\"}",
        "{\"a\":}", "{\"a\":1,}", "[1 2]",       "\"a",
        "\"\\x\"",  "\"\\u12\"",  "\"\\ud83d\"", "\"\\ud83d\\u0041\"",
        "{a:1}",    "[1]]",       "\"\\",        "[[[[[[[[[1]]]]]]]]]",
    };
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(walk(wrong[i], note_leaf, &out), -1);
    buf_done(&out);
}

static void reads_back_what_was_published(void **state)
{
    struct keeping *keeping = mem_alloc(sizeof *keeping);
    struct published *published = mem_alloc(sizeof *published);
    struct kept services[SERVICE_COUNT];
    struct buf text;

    (void)state;
    config_init(&keeping->config);
    keeping->config.facts.started_ms = 12345;
    keeping->config.facts.web_listens.item[0] = mem_dup("127.0.0.1:8080");
    keeping->config.facts.web_listens.count = 1;
    for (int id = 0; id < SERVICE_COUNT; id++)
        kept_init(&services[id], (enum service_id)id, keeping);
    services[SERVICE_WEB].state = LIFE_UP;
    services[SERVICE_WEB].pid = 77;
    services[SERVICE_WEB].restarts = 3;
    services[SERVICE_DHCP].state = LIFE_UP;
    strcpy(services[SERVICE_DHCP].text, "stands by beside a router: 10.0.0.1 serves");
    for (int i = 0; i < KEPT_INCIDENTS + 5; i++)
        keeping_incident(keeping, i % 2 ? "chat" : NULL, "number %d \"quoted\"", i);

    buf_init(&text, 1 << 20);
    publish_put(&text, keeping, services, true);
    assert_false(text.overflowed);
    assert_int_equal(published_parse(published, buf_text(&text)), 0);

    assert_int_equal(published->started_ms, 12345);
    assert_true(published->ready);
    assert_string_equal(published->web_listens[0], "127.0.0.1:8080");
    assert_string_equal(published->services[SERVICE_WEB].state, "up");
    assert_int_equal(published->services[SERVICE_WEB].pid, 77);
    assert_int_equal(published->services[SERVICE_WEB].restarts, 3);
    assert_string_equal(published->services[SERVICE_DHCP].state, "standing by");
    assert_int_equal(published->services[SERVICE_CHAT].pid, 0);
    assert_int_equal(published->incident_count, KEPT_INCIDENTS);
    assert_string_equal(published->incidents[0].text, "number 24 \"quoted\"");
    assert_string_equal(published->incidents[0].service, "box");
    assert_string_equal(published->incidents[1].service, "chat");

    buf_done(&text);
    config_done(&keeping->config);
    free(published);
    free(keeping);
}

static void passes_over_what_it_does_not_know(void **state)
{
    struct published *published = mem_alloc(sizeof *published);

    (void)state;
    assert_int_equal(published_parse(published, "{\"new\": {\"x\": 1}, \"pid\": 9,"
                                                " \"services\": {\"tea\": {\"state\": \"up\"}},"
                                                " \"incidents\": [{\"text\": \"a\"}],"
                                                " \"web_listens\": [\"a\"]}"),
                     0);
    assert_int_equal(published->pid, 9);
    assert_string_equal(published->services[SERVICE_CHAT].state, "off");
    assert_int_equal(published_parse(published, "[]"), -1);
    assert_int_equal(published_parse(published, ""), -1);
    free(published);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_every_value),
        cmocka_unit_test(refuses_what_is_no_json),
        cmocka_unit_test(reads_back_what_was_published),
        cmocka_unit_test(passes_over_what_it_does_not_know),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
