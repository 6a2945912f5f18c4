#include "web/range.h"

#include "scratch.h"

static void ranges(void **state)
{
    static const struct {
        const char *header;
        int64_t size;
        enum range range;
        int64_t first, last;
    } cases[] = {
        {NULL,                           10, RANGE_WHOLE,   0, 0},
        {"bytes=0-0",                    10, RANGE_PART,    0, 0},
        {"bytes=0-99",                   10, RANGE_PART,    0, 9},
        {"bytes=5-",                     10, RANGE_PART,    5, 9},
        {"bytes=9-9",                    10, RANGE_PART,    9, 9},
        {"bytes=-3",                     10, RANGE_PART,    7, 9},
        {"bytes=-30",                    10, RANGE_PART,    0, 9},
        {"BYTES=2-3",                    10, RANGE_PART,    2, 3},
        {"bytes= 2-3 ",                  10, RANGE_PART,    2, 3},
        {"bytes=10-",                    10, RANGE_OUTSIDE, 0, 0},
        {"bytes=10-12",                  10, RANGE_OUTSIDE, 0, 0},
        {"bytes=-0",                     10, RANGE_OUTSIDE, 0, 0},
        {"bytes=0-",                     0,  RANGE_OUTSIDE, 0, 0},
        {"bytes=-5",                     0,  RANGE_OUTSIDE, 0, 0},
        {"bytes=5-3",                    10, RANGE_WHOLE,   0, 0},
        {"bytes=",                       10, RANGE_WHOLE,   0, 0},
        {"bytes=-",                      10, RANGE_WHOLE,   0, 0},
        {"bytes=a-b",                    10, RANGE_WHOLE,   0, 0},
        {"bytes=1",                      10, RANGE_WHOLE,   0, 0},
        {"bytes=1-2x",                   10, RANGE_WHOLE,   0, 0},
        {"bytes=--1",                    10, RANGE_WHOLE,   0, 0},
        {"bytes=0-1,3-4",                10, RANGE_WHOLE,   0, 0},
        {"items=0-1",                    10, RANGE_WHOLE,   0, 0},
        {"bytes=99999999999999999999-",  10, RANGE_OUTSIDE, 0, 0},
        {"bytes=3-99999999999999999999", 10, RANGE_PART,    3, 9},
        {"bytes=-99999999999999999999",  10, RANGE_PART,    0, 9},
        {"bytes=0-999999999999999999",   10, RANGE_PART,    0, 9},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t first = -1, last = -1;
        assert_int_equal(range_parse(cases[i].header, cases[i].size, &first, &last),
                         cases[i].range);
        if (cases[i].range != RANGE_PART)
            continue;
        assert_int_equal(first, cases[i].first);
        assert_int_equal(last, cases[i].last);
    }
}

static void content_ranges(void **state)
{
    static const struct {
        const char *header;
        int result;
        int64_t first, last, size;
    } cases[] = {
        {"bytes 0-9/10",  0,  0, 9, 10},
        {"bytes 5-9/10",  0,  5, 9, 10},
        {"Bytes 5-6/*",   0,  5, 6, -1},
        {"bytes 5-10/10", -1, 0, 0, 0 },
        {"bytes 6-5/10",  -1, 0, 0, 0 },
        {"bytes */10",    -1, 0, 0, 0 },
        {"bytes 5-/10",   -1, 0, 0, 0 },
        {"bytes 5-6/10x", -1, 0, 0, 0 },
        {"bytes=5-6/10",  -1, 0, 0, 0 },
        {"",              -1, 0, 0, 0 },
        {"bytes 5-6/*x",  -1, 0, 0, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t first, last, size;
        assert_int_equal(range_content(cases[i].header, &first, &last, &size), cases[i].result);
        if (cases[i].result < 0)
            continue;
        assert_int_equal(first, cases[i].first);
        assert_int_equal(last, cases[i].last);
        assert_int_equal(size, cases[i].size);
    }
}

/* 2026-11-22T16:11:24Z and the second before. */
#define NOW    "Sun, 22 Nov 2026 16:11:24 GMT"
#define BEFORE "Sun, 22 Nov 2026 16:11:23 GMT"
#define NOW_MS INT64_C(1795363884000)

static void conditions(void **state)
{
    static const struct {
        struct range_conditions asked;
        bool exists, read;
        int status;
    } cases[] = {
        {{0},                                                  true,  true,  0  },
        {{.if_match = "\"a\""},                                true,  true,  0  },
        {{.if_match = "\"b\", \"a\""},                         true,  true,  0  },
        {{.if_match = "W/\"a\""},                              true,  true,  412},
        {{.if_match = "\"b\""},                                true,  false, 412},
        {{.if_match = "*"},                                    true,  false, 0  },
        {{.if_match = "*"},                                    false, false, 412},
        {{.if_none_match = "\"a\""},                           true,  true,  304},
        {{.if_none_match = "W/\"a\""},                         true,  true,  304},
        {{.if_none_match = "\"a\""},                           true,  false, 412},
        {{.if_none_match = "\"b\""},                           true,  true,  0  },
        {{.if_none_match = "*"},                               true,  false, 412},
        {{.if_none_match = "*"},                               false, false, 0  },
        {{.if_none_match = "nonsense"},                        true,  true,  0  },
        {{.if_modified_since = NOW},                           true,  true,  304},
        {{.if_modified_since = BEFORE},                        true,  true,  0  },
        {{.if_modified_since = "whenever"},                    true,  true,  0  },
        {{.if_modified_since = NOW},                           true,  false, 0  },
        {{.if_none_match = "\"b\"", .if_modified_since = NOW}, true,  true,  0  },
        {{.if_unmodified_since = BEFORE},                      true,  true,  412},
        {{.if_unmodified_since = NOW},                         true,  false, 0  },
        {{.if_match = "\"a\"", .if_unmodified_since = BEFORE}, true,  true,  0  },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct range_file file = {cases[i].exists, "\"a\"", NOW_MS + 500};
        assert_int_equal(range_check(&cases[i].asked, &file, cases[i].read), cases[i].status);
    }
}

static void if_range(void **state)
{
    const struct range_file file = {true, "\"a\"", NOW_MS};
    const struct range_file bare = {true, NULL, NOW_MS};
    static const struct {
        const char *given;
        bool holds;
    } cases[] = {
        {NULL,      true },
        {"\"a\"",   true },
        {"\"b\"",   false},
        {"W/\"a\"", false},
        {NOW,       true },
        {BEFORE,    false},
        {"x",       false}
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct range_conditions asked = {.if_range = cases[i].given};
        assert_int_equal(range_still(&asked, &file), cases[i].holds);
    }
    const struct range_conditions tag = {.if_range = "\"a\""};
    assert_false(range_still(&tag, &bare));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),
        cmocka_unit_test(content_ranges),
        cmocka_unit_test(conditions),
        cmocka_unit_test(if_range),
    };
    return cmocka_run_group_tests_name("range", tests, NULL, NULL);
}
