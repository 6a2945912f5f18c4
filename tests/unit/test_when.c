#include "base/when.h"

#include "scratch.h"

#define MOMENT INT64_C(784111777000) /* Sun, 06 Nov 1994 08:49:37 GMT */

static int in_berlin(void **state)
{
    (void)state;
    when_set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    return 0;
}

static int in_utc(void **state)
{
    (void)state;
    when_set_zone("UTC0");
    return 0;
}

static void writes_moments(void **state)
{
    char out[WHEN_MAX];

    (void)state;
    when_rfc3339(MOMENT, out);
    assert_string_equal(out, "1994-11-06T09:49:37+01:00");
    when_rfc3339(-1, out);
    assert_string_equal(out, "1970-01-01T00:59:59+01:00");
    when_day(MOMENT, out);
    assert_string_equal(out, "1994-11-06");
    when_clock(MOMENT, out);
    assert_string_equal(out, "09:49");
    when_http(MOMENT, out);
    assert_string_equal(out, "Sun, 06 Nov 1994 08:49:37 GMT");
    when_set_zone("XXX3:30");
    when_rfc3339(MOMENT, out);
    assert_string_equal(out, "1994-11-06T05:19:37-03:30");
    when_rfc3339(INT64_MAX, out); /* no such year: no crash */
    when_http(INT64_MAX, out);
}

static void reads_http_dates(void **state)
{
    static const char *const good[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                       "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994"};
    static const char *const bad[] = {
        "",
        "yesterday",
        "Sun",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nox 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1995 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Xun Nov  6 08:49:37 1994",
    };
    int64_t moment;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        moment = 0;
        assert_int_equal(when_http_parse(good[i], &moment), 0);
        assert_int_equal(moment, MOMENT);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(when_http_parse(bad[i], &moment), -1);
    assert_int_equal(when_http_parse("Tue, 29 Feb 2000 00:00:00 GMT", &moment), 0);
    assert_int_equal(moment, INT64_C(951782400000));
    assert_int_equal(when_http_parse("Wednesday, 01-Jan-25 00:00:00 GMT", &moment), 0);
    assert_int_equal(moment, INT64_C(1735689600000));
}

static void reads_moments(void **state)
{
    static const struct {
        const char *text;
        int64_t moment; /* -1: none */
    } cases[] = {
        {"1994-11-06T08:49:37Z",        MOMENT            },
        {"1994-11-06t08:49:37z",        MOMENT            },
        {"1994-11-06 09:49:37+01:00",   MOMENT            },
        {"1994-11-06T08:49:37.25Z",     MOMENT + 250      },
        {"1994-11-06T08:49:37.123456Z", MOMENT + 123      },
        {"1994-11-06T03:49:37-05:00",   MOMENT            },
        {"1994-11-06",                  MOMENT - 35377000 }, /* local midnight */
        {"today",                       MOMENT - 35377000 },
        {"yesterday",                   MOMENT - 121777000},
        {"09:49",                       MOMENT - 37000    },
        {"2h",                          MOMENT - 7200000  },
        {"0",                           MOMENT            },
        {"1013-11-20",                  0                 }, /* not before 1970 */
        {"30000d",                      0                 },
        {"1994-11-06T08:49:37",         -1                },
        {"1994-11-06T08:49:37.Z",       -1                },
        {"1994-11-06T08:49:37+1:00",    -1                },
        {"1994-11-06T08:49:37+24:00",   -1                },
        {"1994-11-06T08:49:37+01:00x",  -1                },
        {"1994-11-06T08:49:37Zx",       -1                },
        {"1994-11-06T",                 -1                },
        {"1994-11-06X08:49:37Z",        -1                },
        {"1994-13-06T08:49:37Z",        -1                },
        {"1994-11-31",                  -1                },
        {"24:00",                       -1                },
        {"9:49",                        -1                },
        {"09:60",                       -1                },
        {"tomorrow",                    -1                },
        {"",                            -1                },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t moment = -1;
        int result = when_parse(cases[i].text, MOMENT, &moment);

        assert_int_equal(result, cases[i].moment == -1 ? -1 : 0);
        if (result == 0)
            assert_int_equal(moment, cases[i].moment);
    }
}

static void days_have_their_length(void **state)
{
    int64_t from, to;

    (void)state;
    assert_int_equal(when_day_range("2026-03-28", &from, &to), 0);
    assert_int_equal(to - from, 24 * 3600000);
    assert_int_equal(when_day_range("2026-03-29", &from, &to), 0);
    assert_int_equal(to - from, 23 * 3600000);
    assert_int_equal(when_day_range("2026-10-25", &from, &to), 0);
    assert_int_equal(to - from, 25 * 3600000);
    assert_int_equal(when_day_range("2026-12-31", &from, &to), 0);
    assert_int_equal(to - from, 24 * 3600000);
    assert_int_equal(when_day_range("2026-02-29", &from, &to), -1);
    assert_int_equal(when_day_range("2026-2-1", &from, &to), -1);
    assert_int_equal(when_day_range("2026-02-01x", &from, &to), -1);
}

static void reads_durations_and_sizes(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds, bytes; /* -1: none */
    } cases[] = {
        {"0",                    0,      0                },
        {"90",                   90,     90               },
        {"30s",                  30,     -1               },
        {"5m",                   300,    -1               },
        {"2h",                   7200,   -1               },
        {"7d",                   604800, -1               },
        {"4K",                   -1,     4096             },
        {"10G",                  -1,     INT64_C(10) << 30},
        {"1T",                   -1,     INT64_C(1) << 40 },
        {"1k",                   -1,     -1               },
        {"",                     -1,     -1               },
        {"s",                    -1,     -1               },
        {"-1",                   -1,     -1               },
        {"1 s",                  -1,     -1               },
        {"1ss",                  -1,     -1               },
        {"99999999999999999999", -1,     -1               },
        {"9223372036854775807T", -1,     -1               },
        {"9223372036854775807",  -1,     INT64_MAX        },
        {"40000d",               -1,     -1               },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value;

        assert_int_equal(when_duration_parse(cases[i].text, &value), cases[i].seconds < 0 ? -1 : 0);
        if (cases[i].seconds >= 0)
            assert_int_equal(value, cases[i].seconds);
        assert_int_equal(when_size_parse(cases[i].text, &value), cases[i].bytes < 0 ? -1 : 0);
        if (cases[i].bytes >= 0)
            assert_int_equal(value, cases[i].bytes);
    }
}

static void writes_durations_and_sizes(void **state)
{
    static const struct {
        int64_t number;
        const char *duration, *size;
    } cases[] = {
        {0,                   "0 s",        "0 bytes"  },
        {1,                   "1 s",        "1 byte"   },
        {59,                  "59 s",       "59 bytes" },
        {60,                  "1 min",      "60 bytes" },
        {999,                 "16 min",     "999 bytes"},
        {1000,                "16 min",     "1.0 kB"   },
        {3600,                "1 h",        "3.6 kB"   },
        {9949,                "2 h",        "9.9 kB"   },
        {9950,                "2 h",        "10 kB"    },
        {172799,              "47 h",       "173 kB"   },
        {172800,              "2 days",     "173 kB"   },
        {999499,              "11 days",    "999 kB"   },
        {999500,              "11 days",    "1.0 MB"   },
        {INT64_C(3400000000), "39351 days", "3.4 GB"   },
    };
    char out[WHEN_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        when_duration_text(cases[i].number, out);
        assert_string_equal(out, cases[i].duration);
        when_size_text(cases[i].number, out);
        assert_string_equal(out, cases[i].size);
    }
    when_size_text(INT64_MAX, out);
    assert_string_equal(out, "9.2 EB");
}

static void clocks_run(void **state)
{
    (void)state;
    assert_true(when_wall_ms() > INT64_C(1600000000000));
    assert_true(when_monotonic_ms() <= when_monotonic_ms());
    when_set_zone("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(writes_moments, in_berlin),
        cmocka_unit_test_setup(reads_http_dates, in_utc),
        cmocka_unit_test_setup(reads_moments, in_berlin),
        cmocka_unit_test_setup(days_have_their_length, in_berlin),
        cmocka_unit_test(reads_durations_and_sizes),
        cmocka_unit_test(writes_durations_and_sizes),
        cmocka_unit_test(clocks_run),
    };
    return cmocka_run_group_tests_name("when", tests, NULL, NULL);
}
