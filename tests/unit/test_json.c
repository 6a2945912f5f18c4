#include "base/json.h"

#include "scratch.h"

#include <math.h>

static void writes_values(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    json_object(&out, NULL);
    json_string(&out, "name", "ada");
    json_string(&out, "none", NULL);
    json_int(&out, "min", INT64_MIN);
    json_real(&out, "half", 0.5);
    json_real(&out, "nan", NAN);
    json_bool(&out, "yes", true);
    json_bool(&out, "no", false);
    json_array(&out, "list");
    json_int(&out, NULL, 1);
    json_array(&out, NULL);
    json_close(&out, ']');
    json_object(&out, NULL);
    json_null(&out, "x");
    json_close(&out, '}');
    json_close(&out, ']');
    json_object(&out, "empty");
    json_close(&out, '}');
    json_close(&out, '}');
    assert_string_equal(buf_text(&out),
                        "{\"name\":\"ada\",\"none\":null,\"min\":-9223372036854775808,\"half\":0.5,"
                        "\"nan\":null,\"yes\":true,\"no\":false,\"list\":[1,[],{\"x\":null}],"
                        "\"empty\":{}}");
    buf_done(&out);
}

static void begins_behind_other_text(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 100);
    buf_puts(&out, "data: ");
    json_object(&out, NULL);
    json_close(&out, '}');
    buf_puts(&out, "\n");
    json_array(&out, NULL);
    json_close(&out, ']');
    assert_string_equal(buf_text(&out), "data: {}\n[]");
    buf_done(&out);
}

static void escapes(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *json;
    } cases[] = {
        {"a\"b\\c/",                 6, "\"a\\\"b\\\\c/\""            },
        {"\b\f\n\r\t",               5, "\"\\b\\f\\n\\r\\t\""         },
        {"\0\x1F\x7F",               3, "\"\\u0000\\u001f\\u007f\""   },
        {"<>&",                      3, "\"\\u003c\\u003e\\u0026\""   },
        {"\xE2\x80\xA8\xE2\x80\xA9", 6, "\"\\u2028\\u2029\""          },
        {"\xC3\xA9\xF0\x9F\x90\xAA", 6, "\"\xC3\xA9\xF0\x9F\x90\xAA\""},
        {"\xFFz",                    2, "\"\xEF\xBF\xBDz\""           },
        {"bnrtf",                    5, "\"bnrtf\""                   },
        {"",                         0, "\"\""                        },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out;

        buf_init(&out, 100);
        json_bytes(&out, NULL, cases[i].bytes, cases[i].length);
        assert_string_equal(buf_text(&out), cases[i].json);
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_values),
        cmocka_unit_test(begins_behind_other_text),
        cmocka_unit_test(escapes),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
