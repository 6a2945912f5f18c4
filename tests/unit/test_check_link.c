/* Hosts and ports of the mirror's upstreams, and whether they answer. */
#include "base/listen.h"
#include "base/mem.h"
#include "supervisor/check_link.h"
#include "tests/unit/scratch.h"

#include <unistd.h>

static void urls_have_a_host_and_a_port(void **state)
{
    static const struct {
        const char *url, *host, *port; /* host NULL: it is no such URL */
    } cases[] = {
        {"http://a.example/x",         "a.example",   "80"  },
        {"https://a.example",          "a.example",   "443" },
        {"https://a.example:8443/x:1", "a.example",   "8443"},
        {"http://u:p@a.example:81/",   "a.example",   "81"  },
        {"http://[2001:db8::1]:82/",   "2001:db8::1", "82"  },
        {"http://[::1]?q",             "::1",         "80"  },
        {"http://a.example?x=/:9",     "a.example",   "80"  },
        {"http://a.example:/",         "a.example",   "80"  },
        {"http://a.example:80x/",      NULL,          NULL  },
        {"http://[]/",                 NULL,          NULL  },
        {"ftp://a.example/",           NULL,          NULL  },
        {"http:///x",                  NULL,          NULL  },
        {"http://[::1/",               NULL,          NULL  },
        {"http://a.example:12345678/", NULL,          NULL  },
        {"a.example",                  NULL,          NULL  },
        {"",                           NULL,          NULL  },
    };
    char host[64], port[8];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int result = check_link_parse(cases[i].url, host, sizeof host, port, sizeof port);
        assert_int_equal(result, cases[i].host ? 0 : -1);
        if (cases[i].host) {
            assert_string_equal(host, cases[i].host);
            assert_string_equal(port, cases[i].port);
        }
    }
}

static void says_whether_somebody_answers(void **state)
{
    union listen_address address;
    int fd;

    (void)state;
    assert_int_equal(listen_parse("127.0.0.1:0", &address), 0);
    fd = listen_open(&address);
    assert_true(fd >= 0);
    assert_int_equal(listen_bound(fd, &address), 0);
    char *url = mem_printf("http://127.0.0.1:%d/", listen_port(&address));
    assert_null(check_link(url));
    close(fd);
    char *reason = check_link(url);
    assert_non_null(strstr(reason, "Connection refused"));
    free(reason);
    free(url);
    reason = check_link("nonsense");
    assert_non_null(strstr(reason, "no URL"));
    free(reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_have_a_host_and_a_port),
        cmocka_unit_test(says_whether_somebody_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
