#include "web/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#define URLENCODED "application/x-www-form-urlencoded"
#define JSON       "application/json"
#define MULTIPART  "multipart/form-data; boundary=xyz"

/* Parses text and expects the fields room and text to have these values; NULL: it is refused. */
static void expect(const char *type, const char *text, const char *room, const char *said)
{
    struct form form;
    int result = form_parse(&form, type, text, strlen(text));
    assert_int_equal(result, room == NULL ? -1 : 0);
    if (room == NULL) {
        assert_int_equal(form.count, 0);
        return;
    }
    assert_string_equal(form_value(&form, "room"), room);
    assert_string_equal(form_value(&form, "text"), said);
    form_done(&form);
}

static void urlencoded(void **state)
{
    (void)state;
    expect(NULL, "", "", "");
    expect(URLENCODED, "room=lobby&text=hello+there%21", "lobby", "hello there!");
    expect(URLENCODED "; charset=utf-8", "text=%C3%A9&room", "", "\xc3\xa9");
    expect(URLENCODED, "text=100%&room=%zz", "%zz", "100%");
    expect(URLENCODED, "text=a=b&&text=c&=x", "", "a=b");
    expect(URLENCODED, "text=a%00b", NULL, NULL);
    expect("text/plain", "text=a", NULL, NULL);
    expect("application/x-www-form-urlencodedx", "text=a", NULL, NULL);
}

static void too_many_fields(void **state)
{
    (void)state;
    expect(URLENCODED, "a=&b=&c=&d=&e=&f=&g=&h=&i=&j=&k=&l=&m=&n=&o=&p=", "", "");
    expect(URLENCODED, "a=&b=&c=&d=&e=&f=&g=&h=&i=&j=&k=&l=&m=&n=&o=&p=&q=", NULL, NULL);
    expect(URLENCODED, "a-name-that-is-far-too-long-for-any-field=1&text=b", "", "b");
}

static void json(void **state)
{
    (void)state;
    expect(JSON, "{}", "", "");
    expect(JSON, " { \"room\" : \"lobby\" , \"text\" : \"a\\n\\\"b\\\" \\u00e9\" } ", "lobby",
           "a\n\"b\" \xc3\xa9");
    expect(JSON, "{\"text\":12.5,\"room\":null}", "", "12.5");
    expect(JSON, "{\"text\":\"\\ud83d\\ude00\",\"room\":\"\\ud83d\"}", "\xef\xbf\xbd",
           "\xf0\x9f\x98\x80");
    static const char *const bad[] = {"",
                                      "[]",
                                      "{",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":\"b\"",
                                      "{\"a\":\"b\",}",
                                      "{\"a\":{}}",
                                      "{\"a\":[1]}",
                                      "{} x",
                                      "{\"a\":\"\\x\"}",
                                      "{\"a\":\"\\u12\"}",
                                      "{\"a\":\"\n\"}",
                                      "{\"a\":\"\\u0000\"}",
                                      "{\"a\":\"b\\"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect(JSON, bad[i], NULL, NULL);
}

static void multipart(void **state)
{
    (void)state;
    expect(MULTIPART,
           "--xyz\r\nContent-Disposition: form-data; name=\"room\"\r\n\r\nlobby\r\n"
           "--xyz\r\ncontent-type: text/plain\r\ncontent-disposition: form-data; name=text\r\n\r\n"
           "two\r\nlines\r\n--xyz--\r\n",
           "lobby", "two\r\nlines");
    expect("multipart/form-data; boundary=\"xyz\"",
           "--xyz\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n\r\n--xyz--", "", "");
    static const char *const bad[] = {
        "",
        "--xyz",
        "--xyz\r\n",
        "--xyz\r\n\r\n--xyz--",
        "--abc\r\n\r\n--abc--",
        "--xyz\r\nContent-Disposition: form-data\r\n\r\na\r\n--xyz--",
        "--xyz\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\na\r\n--xyz\r\n",
        "--xyz\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\na",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect(MULTIPART, bad[i], NULL, NULL);
    expect("multipart/form-data", "--\r\n\r\n----", NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urlencoded),
        cmocka_unit_test(too_many_fields),
        cmocka_unit_test(json),
        cmocka_unit_test(multipart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
