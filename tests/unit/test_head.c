#include "web/head.h"

#include "scratch.h"

static void heads(void **state)
{
    static const struct {
        struct head_line lines[4];
        bool http_10;
        int status;
        int64_t length;
    } cases[] = {
        {{{"Host", "a"}},                                                                     false, 0,   0 },
        {{{"X", "a"}},                                                                        false, 400, 0 },
        {{{"X", "a"}},                                                                        true,  0,   0 },
        {{{"Host", "a"}, {"Host", "a"}},                                                      false, 400, 0 },
        {{{"Host", "a"}, {"content-length", "12"}},                                           false, 0,   12},
        {{{"Host", "a"}, {"Content-Length", "12 "}},                                          false, 0,   12},
        {{{"Host", "a"}, {"Content-Length", "+12"}},                                          false, 400, 0 },
        {{{"Host", "a"}, {"Content-Length", "-1"}},                                           false, 400, 0 },
        {{{"Host", "a"}, {"Content-Length", "0x10"}},                                         false, 400, 0 },
        {{{"Host", "a"}, {"Content-Length", ""}},                                             false, 400, 0 },
        {{{"Host", "a"}, {"Content-Length", "1,1"}},                                          false, 400, 0 },
        {{{"Host", "a"}, {"Content-Length", "9999999999999999999"}},                          false, 400, 0 },
        {{{"Host", "a"}, {"Content-Length", "1"}, {"Content-Length", "1"}},                   false, 400, 0 },
        {{{"Host", "a"}, {"Transfer-Encoding", "chunked"}},                                   false, 0,   -1},
        {{{"Host", "a"}, {"Transfer-Encoding", "Chunked "}},                                  false, 0,   -1},
        {{{"Host", "a"}, {"Transfer-Encoding", "gzip, chunked"}},                             false, 501, 0 },
        {{{"Host", "a"}, {"Transfer-Encoding", "identity"}},                                  false, 501, 0 },
        {{{"Host", "a"}, {"Transfer-Encoding", "xchunked"}},                                  false, 501, 0 },
        {{{"Transfer-Encoding", "chunked"}},                                                  true,  400, 0 },
        {{{"Host", "a"}, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}},
         false,                                                                                      400,
         0                                                                                                  },
        {{{"Host", "a"}, {"Transfer-Encoding", "chunked"}, {"Content-Length", "1"}},          false, 400, 0 },
        {{{"Host", "a"}, {"Expect", "100-Continue"}},                                         false, 0,   0 },
        {{{"Host", "a"}, {"Expect", "miracles"}},                                             false, 417, 0 },
        {{{"Host", "a"}, {"Bad Name", "x"}},                                                  false, 400, 0 },
        {{{"Host", "a"}, {"", "x"}},                                                          false, 400, 0 },
        {{{"Host", "a"}, {"Range", "bytes=0-1"}, {"range", "bytes=0-1"}},                     false, 400, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct head head;
        const char *why = NULL;
        size_t count = 0;
        while (count < 4 && cases[i].lines[count].name != NULL)
            count++;
        assert_int_equal(head_check(cases[i].lines, count, cases[i].http_10, &head, &why),
                         cases[i].status);
        if (cases[i].status == 0)
            assert_int_equal(head.length, cases[i].length);
        else
            assert_non_null(why);
    }
}

static void keeps(void **state)
{
    static const struct {
        const char *connection;
        bool http_10, keep;
    } cases[] = {
        {NULL,                  false, true },
        {NULL,                  true,  false},
        {"keep-alive",          true,  true },
        {"close",               false, false},
        {"Upgrade, Keep-Alive", false, true },
        {"Upgrade",             false, false}
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct head head;
        const char *why;
        const struct head_line lines[] = {
            {"Host",       "a"                },
            {"Connection", cases[i].connection}
        };
        assert_int_equal(
            head_check(lines, cases[i].connection == NULL ? 1 : 2, cases[i].http_10, &head, &why),
            0);
        assert_int_equal(head.keep, cases[i].keep);
    }
}

static void lists(void **state)
{
    (void)state;
    assert_true(head_list_has("a, b;q=1 ,C", "b"));
    assert_true(head_list_has("a, b;q=1 ,C", "c"));
    assert_false(head_list_has("ab", "a"));
    assert_false(head_list_has("", "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads),
        cmocka_unit_test(keeps),
        cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests_name("head", tests, NULL, NULL);
}
