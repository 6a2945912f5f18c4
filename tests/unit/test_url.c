#include "web/url.h"

#include "scratch.h"

static void decodes(void **state)
{
    static const struct {
        const char *text;
        bool plus;
        const char *result; /* NULL: refused */
    } cases[] = {
        {"",       false, ""        },
        {"abc",    false, "abc"     },
        {"a%20b",  false, "a b"     },
        {"a+b",    true,  "a b"     },
        {"a+b",    false, "a+b"     },
        {"%C3%a9", false, "\xc3\xa9"},
        {"%",      false, NULL      },
        {"%2",     false, NULL      },
        {"%zz",    false, NULL      },
        {"a%00b",  false, NULL      },
        {"%c3",    false, NULL      },
        {"%C0%AF", false, NULL      },
        {"%2525",  false, "%25"     },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[64] = "";
        int got = url_decode(cases[i].text, strlen(cases[i].text), cases[i].plus, out, sizeof out);
        if (cases[i].result == NULL) {
            assert_int_equal(got, -1);
            continue;
        }
        assert_int_equal(got, strlen(cases[i].result));
        assert_string_equal(out, cases[i].result);
    }
    char small[4];
    assert_int_equal(url_decode("abcd", 4, false, small, sizeof small), -1);
    assert_int_equal(url_decode("abc", 3, false, small, sizeof small), 3);
}

static void paths(void **state)
{
    static const struct {
        const char *target, *path;
    } cases[] = {
        {"/",             "/"          },
        {"/a//b///",      "/a/b/"      },
        {"/a%2Fb",        "/a/b"       },
        {"//opam//cache", "/opam/cache"},
        {"/a?b",          "/a"         },
        {"/a#b",          "/a"         },
        {"a",             NULL         },
        {"",              NULL         },
        {"/%0d%0a",       NULL         },
        {"/a%7f",         NULL         },
        {"/%ff",          NULL         },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[64];
        assert_int_equal(url_path(cases[i].target, out, sizeof out),
                         cases[i].path == NULL ? -1 : 0);
        if (cases[i].path != NULL)
            assert_string_equal(out, cases[i].path);
    }
}

static void values(void **state)
{
    char out[16];
    (void)state;
    assert_int_equal(url_value("a=1&b=2+3&c", "b", out, sizeof out), 1);
    assert_string_equal(out, "2 3");
    assert_int_equal(url_value("a=1&b=2&c", "c", out, sizeof out), 1);
    assert_string_equal(out, "");
    assert_int_equal(url_value("a=1&&=x&b", "d", out, sizeof out), 0);
    assert_int_equal(url_value("", "d", out, sizeof out), 0);
    assert_int_equal(url_value("a=%", "a", out, sizeof out), -1);
    assert_int_equal(url_value("a=12345678901234567", "a", out, sizeof out), -1);
    assert_int_equal(url_value("%61=x", "a", out, sizeof out), 1);
    assert_int_equal(url_value("ab=x", "a", out, sizeof out), 0);
}

static void encodes(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 100);
    url_encode(&out, "a b/\xc3\xa9~", true);
    assert_string_equal(buf_text(&out), "a%20b/%C3%A9~");
    buf_clear(&out);
    url_encode(&out, "a/b", false);
    assert_string_equal(buf_text(&out), "a%2Fb");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),
        cmocka_unit_test(paths),
        cmocka_unit_test(values),
        cmocka_unit_test(encodes),
    };
    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
