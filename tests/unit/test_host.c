#include "web/host.h"

#include "scratch.h"

static void names(void **state)
{
    static const struct {
        const char *header, *name; /* NULL: refused */
    } cases[] = {
        {"riad.lan",       "riad.lan"},
        {"RIAD.lan.:8080", "riad.lan"},
        {"10.0.0.1:80",    "10.0.0.1"},
        {"[::1]",          NULL      },
        {"a b",            NULL      },
        {"a:b",            NULL      },
        {"",               ""        },
        {"a/b",            NULL      }
    };
    char out[HOST_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(host_name(cases[i].header, out), cases[i].name == NULL ? -1 : 0);
        if (cases[i].name != NULL)
            assert_string_equal(out, cases[i].name);
    }
}

static void ours(void **state)
{
    static const struct {
        const char *header;
        bool ours;
    } cases[] = {
        {"riad",            true },
        {"riad.lan",        true },
        {"riad.local:8080", true },
        {"files.lan",       true },
        {"chat.lan",        true },
        {"opam.lan",        true },
        {"localhost:1",     true },
        {"127.0.0.1",       true },
        {"127.1.2.3:80",    true },
        {"more.example",    true },
        {"evil.example",    false},
        {"riad.lan.evil",   false},
        {"8.8.8.8",         false},
        {"",                true },
        {"files.lan.evil",  false},
        {"10.9.8.7",        true },
        {"a@riad.lan",      false}
    };
    struct config config;
    static const char text[] = "[lan]\naddress = 10.9.8.7/24\n[web]\nhosts = more.example\n";
    (void)state;
    assert_int_equal(config_parse(&config, "test", text, sizeof text - 1, NULL, NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(host_is_ours(&config, cases[i].header), cases[i].ours);
    config_done(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(ours)};
    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
