#include "web/address.h"
#include "web/signin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static void complain(void *context, const char *sentence)
{
    (void)context;
    fail_msg("%s", sentence);
}

static const char *local = "";

static void make(const char *text, const char *host, struct address *address)
{
    struct config config;
    assert_int_equal(config_parse(&config, "test", text, strlen(text), complain, NULL), 0);
    address_make(&config, host, local, "ada", address);
    config_done(&config);
}

static void the_address_of_the_visitor(void **state)
{
    (void)state;
    struct address address;
    make("[chat]\nlisten = 0.0.0.0:22\n[web]\nlisten = 0.0.0.0:80\n", "192.168.1.5", &address);
    assert_string_equal(address.origin, "http://192.168.1.5");
    assert_string_equal(address.ssh, "ssh ada@192.168.1.5");
    assert_string_equal(address.scp, "scp slides.pdf ada@192.168.1.5:");
    assert_string_equal(address.names, "");
    assert_int_equal(address.way_count, 1);
    make("[web]\nlisten = 0.0.0.0:8080\n", "", &address);
    assert_string_equal(address.origin, "http://localhost:8080");
    make("", "[::1]:80", &address);
    assert_string_equal(address.host, "[::1]");
}

static void ports_that_are_not_usual_are_told(void **state)
{
    (void)state;
    struct address address;
    make("[chat]\nlisten = 0.0.0.0:2222\n[web]\nlisten = 0.0.0.0:8080\n", "10.0.0.1:8080",
         &address);
    assert_string_equal(address.origin, "http://10.0.0.1:8080");
    assert_string_equal(address.ssh, "ssh -p 2222 ada@10.0.0.1");
    assert_string_equal(address.scp, "scp -P 2222 slides.pdf ada@10.0.0.1:");
    make("[chat]\nenabled = no\n", "10.0.0.1", &address);
    assert_string_equal(address.ssh, "");
    assert_string_equal(address.scp, "");
}

static void a_network_of_its_own_comes_first(void **state)
{
    (void)state;
    struct address address;
    local = "riad";
    make("[lan]\ninterface = eth0\naddress = 10.77.0.1/24\n", "riad.lan", &address);
    assert_string_equal(address.origin, "http://10.77.0.1");
    assert_string_equal(address.names, "http://riad.lan, http://riad.local");
    assert_int_equal(address.way_count, 3);
    assert_string_equal(address.way[0], "http://10.77.0.1");
    assert_string_equal(address.way[2], "http://riad.local");
    /* Beside a router there is the name by mDNS, and where nobody publishes it there is none. */
    make("[web]\nlisten = 0.0.0.0:8080\n", "192.0.2.1:8080", &address);
    assert_string_equal(address.names, "http://riad.local:8080");
    local = "";
    make("", "192.0.2.1", &address);
    assert_string_equal(address.names, "");
    assert_int_equal(address.way_count, 1);
}

static void browsers_have_names(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
         "Firefox on Linux"                                                                                          },
        {"Mozilla/5.0 (Linux; Android 14; Pixel) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/126.0 Mobile Safari/537.36",                                            "Chrome on Android"},
        {"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, "
         "like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",                          "Safari on iPhone" },
        {"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0",
         "Edge on Windows"                                                                                           },
        {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605 Version/17 Safari/605",
         "Safari on a Mac"                                                                                           },
        {"curl/7.88.1",                                                                           "curl"             },
        {"<script>",                                                                              "A browser"        },
        {"",                                                                                      "A browser"        },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char label[64];
        signin_label(rows[i][0], label);
        assert_string_equal(label, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_address_of_the_visitor),
        cmocka_unit_test(ports_that_are_not_usual_are_told),
        cmocka_unit_test(a_network_of_its_own_comes_first),
        cmocka_unit_test(browsers_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
