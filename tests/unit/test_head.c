#include "web/head.h"

#include "scratch.h"

#include <ctype.h>

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

static size_t head_length(const char *head)
{
    const char *end = strstr(head, "\r\n\r\n"), *bare = strstr(head, "\n\n");
    if (end != NULL && (bare == NULL || end < bare))
        return (size_t)(end + 4 - head);
    return (size_t)(bare + 2 - head);
}

/* As civetweb takes a head apart, in place; how many lines it found. */
static size_t part(char *at, struct head_line *lines)
{
    size_t count = 0;
    at[head_length(at) - 1] = '\0';
    at += strcspn(at, "\r\n");
    do
        *at++ = '\0';
    while (isspace((unsigned char)*at));
    for (;; count++) {
        char *end = at;
        while (*end != ':' && *end > ' ' && *end < 127)
            end++;
        if (end == at)
            return count;
        while (*end == ' ')
            *end++ = '\0';
        *end = '\0';
        lines[count].name = at;
        do
            end++;
        while (*end == ' ' || *end == '\t');
        lines[count].value = end;
        end += strcspn(end, "\r\n");
        if (*end == '\r')
            *end++ = '\0';
        *end++ = '\0';
        at = end;
        if (*at == '\r' || *at == '\n')
            return count + 1;
    }
}

static void frames(void **state)
{
    static const struct {
        const char *head; /* from the version on */
        enum head_framing framing;
        int size;
    } cases[] = {
        {"1.1\r\nHost: a\r\n\r\n",                    HEAD_FRAMED,     16},
        {"1.1\r\nHost:a\r\nX: \t b c \r\n\r\n",       HEAD_FRAMED,     26},
        {"1.1\r\nX:\r\nY: \r\nZ:\r\n\r\n",            HEAD_FRAMED,     20},
        {"1.1\nHost: a\nX:\n\n",                      HEAD_FRAMED,     16},
        {"1.1\nX: a\n\nGET /",                        HEAD_FRAMED,     10},
        {"1.1\nX: a\n\n{\"text\"",                    HEAD_FRAMED,     10},
        {"1.1\nX: a\r\n: nameless\n\n",               HEAD_UNSURE,     22},
        {"1.1\nX: a\r\n\xc3\xa9: b\n\n",              HEAD_UNSURE,     17},
        {"1.0\r\n\r\n",                               HEAD_FRAMED,     7 },
        {"1.0\r\n\r\nGET /",                          HEAD_FRAMED,     7 },
        {"1.0\n\n?",                                  HEAD_FRAMED,     5 },
        {"1.0\n\nPUT /",                              HEAD_FRAMED,     5 },
        {"1.1\r\n: nameless\r\n\r\n",                 HEAD_UNSURE,     19},
        {"1.1\nX: a\r\n folded\n\n",                  HEAD_UNSURE,     19},
        {"1.1\r\nHost: a\nX: b\r\n\r\n",              HEAD_FRAMED,     21},
        {"1.1\r\nHost : a\r\n\r\n",                   HEAD_NOT_FRAMED, 17},
        {"1.1\r\nHost  :a\r\n\r\n",                   HEAD_NOT_FRAMED, 17},
        {"1.1\r\nHost: a\r\nX :\r\nY: b\r\n\r\n",     HEAD_NOT_FRAMED, 27},
        {"1.1\r\n Host: a\r\n\r\n",                   HEAD_NOT_FRAMED, 17},
        {"1.1\r\n\tHost: a\r\n\r\n",                  HEAD_NOT_FRAMED, 17},
        {"1.1\r\nX: a\r\n folded\r\nHost: a\r\n\r\n", HEAD_UNSURE,     31},
        {"1.1\r\nX: a\r\n\tfolded\r\n\r\n",           HEAD_UNSURE,     22},
        {"1.1\r\nX:\r\n folded\r\n\r\n",              HEAD_UNSURE,     20},
        {"1.1\nX: a\n folded\n\n",                    HEAD_NOT_FRAMED, 18},
        {"1.1\r\nX: a\r\n: nameless\r\n\r\n",         HEAD_UNSURE,     25},
        {"1.1\nX: a\n\n body",                        HEAD_UNSURE,     10},
        {"1.1\nX: a\n\n\r\nGET /",                    HEAD_FRAMED,     10},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct head_line lines[4];
        const char *end = NULL;
        char head[64];
        memset(head, 0, sizeof head);
        strcpy(head, cases[i].head);
        size_t count = part(head, lines);
        enum head_framing framing = head_framing(head, lines, count, &end);
        if (framing != cases[i].framing || (framing == HEAD_FRAMED && end != head + cases[i].size))
            fail_msg("case %zu: %d, %d bytes", i, framing, end == NULL ? -1 : (int)(end - head));
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
        cmocka_unit_test(frames),
        cmocka_unit_test(keeps),
        cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests_name("head", tests, NULL, NULL);
}
