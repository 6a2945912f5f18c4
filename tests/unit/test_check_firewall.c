#include "supervisor/check_firewall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static const struct firewall_port ports[] = {
    {"tcp", 22  },
    {"tcp", 80  },
    {"udp", 53  },
    {"udp", 5353}
};

static char *find(const char *ruleset)
{
    return firewall_find(ruleset, "eth0", ports, sizeof ports / sizeof *ports);
}

#define HEAD                                                                                       \
    "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy "

static void open_ones_are_silent(void **state)
{
    (void)state;
    assert_null(find(""));
    assert_null(find(HEAD "accept;\n\t\ttcp dport 23 drop\n\t}\n}\n"));
    assert_null(find(HEAD "drop;\n\t\tiifname \"eth0\" accept\n\t}\n}\n"));
    assert_null(find(HEAD "drop;\n\t\ttcp dport { 22, 80 } accept\n\t\tudp dport 1-6000 counter "
                          "packets 0 bytes 0 accept\n\t}\n}\n"));
    /* What is forwarded does not concern the box. */
    assert_null(find("table ip filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority "
                     "filter; policy drop;\n\t}\n}\n"));
}

static void closed_ones_are_told(void **state)
{
    (void)state;
    char *text =
        find(HEAD "drop;\n\t\ttcp dport 22 accept\n\t\tudp dport { 53, 67 } accept\n\t}\n}\n");
    assert_string_equal(
        text,
        "the firewall (chain inet filter input) keeps out what comes for tcp 80 and udp 5353: "
        "guests see nothing there; let it in: nft insert rule inet filter input tcp dport "
        "'{ 80 }' accept; nft insert rule inet filter input udp dport '{ 5353 }' accept "
        "(and the same in /etc/nftables.conf, to last)");
    free(text);
    text = find(HEAD "accept;\n\t\tct state established accept\n\t\tcounter packets 3 bytes 9 "
                     "drop\n\t}\n}\n");
    assert_non_null(strstr(text, "tcp 22, 80 and udp 53, 5353"));
    free(text);
    text = find(HEAD "accept;\n\t\treject with icmpx admin-prohibited\n\t}\n}\n");
    assert_non_null(text);
    free(text);
}

static void https_shall_be_refused_at_once(void **state)
{
    struct firewall_port wanted[FIREWALL_MAX_PORTS];
    struct config config;
    size_t count;
    char *text;

    (void)state;
    config_init(&config);
    count = firewall_ports(&config, wanted);
    text = firewall_find(HEAD "drop;\n\t\ttcp dport { 22, 80, 2222 } accept\n\t}\n}\n", "", wanted,
                         count);
    assert_non_null(strstr(text, "keeps out what comes for tcp 443 and udp 5353"));
    assert_non_null(strstr(text, "let it in (443, too: nothing listens there, but browsers"));
    assert_non_null(strstr(text, "tcp dport '{ 443 }' accept"));
    free(text);
    text = firewall_find(HEAD "drop;\n\t\ttcp dport 1-6000 accept\n\t}\n}\n", "", wanted, count);
    assert_null(strstr(text, "443"));
    free(text);
    config.web.enabled = false;
    assert_int_equal(firewall_ports(&config, wanted), count - 2);
    config_done(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_ones_are_silent),
        cmocka_unit_test(closed_ones_are_told),
        cmocka_unit_test(https_shall_be_refused_at_once),
    };
    return cmocka_run_group_tests_name("check_firewall", tests, NULL, NULL);
}
