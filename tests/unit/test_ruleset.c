#include "supervisor/ruleset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

/* What `nft list ruleset` printed of ufw 0.36 after `ufw enable`, `ufw allow 22/tcp`,
 * `ufw deny 80/tcp`, `ufw allow 80,443/tcp` and `ufw allow in on eth1`; only what is reached from
 * input, without what it logs. */
static const char ufw[] =
    "table ip filter {\n"
    "\tchain ufw-before-input {\n"
    "\t\tiifname \"lo\" counter packets 0 bytes 0 accept\n"
    "\t\tct state related,established counter packets 0 bytes 0 accept\n"
    "\t\tct state invalid counter packets 0 bytes 0 jump ufw-logging-deny\n"
    "\t\tct state invalid counter packets 0 bytes 0 drop\n"
    "\t\tmeta l4proto icmp icmp type echo-request counter packets 0 bytes 0 accept\n"
    "\t\tudp sport 67 udp dport 68 counter packets 0 bytes 0 accept\n"
    "\t\tcounter packets 0 bytes 0 jump ufw-not-local\n"
    "\t\tip daddr 224.0.0.251 udp dport 5353 counter packets 0 bytes 0 accept\n"
    "\t\tip daddr 239.255.255.250 udp dport 1900 counter packets 0 bytes 0 accept\n"
    "\t\tcounter packets 0 bytes 0 jump ufw-user-input\n"
    "\t}\n\n"
    "\tchain ufw-after-input {\n"
    "\t\tudp dport 67 counter packets 0 bytes 0 jump ufw-skip-to-policy-input\n"
    "\t\tfib daddr type broadcast counter packets 0 bytes 0 jump ufw-skip-to-policy-input\n"
    "\t}\n\n"
    "\tchain INPUT {\n"
    "\t\ttype filter hook input priority filter; policy drop;\n"
    "\t\tcounter packets 0 bytes 0 jump ufw-before-input\n"
    "\t\tcounter packets 0 bytes 0 jump ufw-after-input\n"
    "\t}\n\n"
    "\tchain FORWARD {\n"
    "\t\ttype filter hook forward priority filter; policy drop;\n"
    "\t}\n\n"
    "\tchain ufw-logging-deny {\n"
    "\t\tlimit rate 3/minute burst 10 packets counter packets 0 bytes 0 log prefix "
    "\"[UFW BLOCK] \"\n"
    "\t}\n\n"
    "\tchain ufw-skip-to-policy-input {\n"
    "\t\tcounter packets 0 bytes 0 drop\n"
    "\t}\n\n"
    "\tchain ufw-not-local {\n"
    "\t\tfib daddr type local counter packets 0 bytes 0 return\n"
    "\t\tfib daddr type multicast counter packets 0 bytes 0 return\n"
    "\t\tfib daddr type broadcast counter packets 0 bytes 0 return\n"
    "\t\tlimit rate 3/minute burst 10 packets counter packets 0 bytes 0 jump ufw-logging-deny\n"
    "\t\tcounter packets 0 bytes 0 drop\n"
    "\t}\n\n"
    "\tchain ufw-user-input {\n"
    "\t\ttcp dport 22 counter packets 0 bytes 0 accept\n"
    "\t\ttcp dport 80 counter packets 0 bytes 0 drop\n"
    "\t\tmeta l4proto tcp tcp dport { 80, 443 } counter packets 0 bytes 0 accept\n"
    "\t\tiifname \"eth1\" counter packets 0 bytes 0 accept\n"
    "\t}\n"
    "}\n";

/* The same of firewalld 1.3 with eth1 in the zone `trusted`. */
static const char firewalld[] =
    "table inet firewalld {\n"
    "\tchain filter_PREROUTING {\n"
    "\t\ttype filter hook prerouting priority filter + 10; policy accept;\n"
    "\t\ticmpv6 type { nd-router-advert, nd-neighbor-solicit } accept\n"
    "\t\tmeta nfproto ipv6 fib saddr . mark . iif oif missing drop\n"
    "\t}\n"
    "\tchain filter_INPUT {\n"
    "\t\ttype filter hook input priority filter + 10; policy accept;\n"
    "\t\tct state { established, related } accept\n"
    "\t\tct status dnat accept\n"
    "\t\tiifname \"lo\" accept\n"
    "\t\tct state invalid drop\n"
    "\t\tjump filter_INPUT_ZONES\n"
    "\t\treject with icmpx admin-prohibited\n"
    "\t}\n"
    "\tchain filter_INPUT_ZONES {\n"
    "\t\tiifname \"eth1\" goto filter_IN_trusted\n"
    "\t\tgoto filter_IN_public\n"
    "\t}\n"
    "\tchain filter_IN_public {\n"
    "\t\tjump filter_IN_public_deny\n"
    "\t\tjump filter_IN_public_allow\n"
    "\t\tmeta l4proto { icmp, ipv6-icmp } accept\n"
    "\t\treject with icmpx admin-prohibited\n"
    "\t}\n"
    "\tchain filter_IN_public_deny {\n"
    "\t}\n"
    "\tchain filter_IN_public_allow {\n"
    "\t\ttcp dport 22 accept\n"
    "\t\tip6 daddr fe80::/64 udp dport 546 accept\n"
    "\t}\n"
    "\tchain filter_IN_trusted {\n"
    "\t\tjump filter_IN_public_deny\n"
    "\t\taccept\n"
    "\t}\n"
    "}\n";

static enum ruleset_verdict judge(const char *text, const char *interface, const char *protocol,
                                  int port, char chain[80])
{
    struct ruleset_packet packet = {interface, protocol,
                                    port == 67     ? "broadcast"
                                    : port == 5353 ? "multicast"
                                                   : "local",
                                    port};
    struct ruleset *set = ruleset_parse(text);
    enum ruleset_verdict verdict;

    strcpy(chain, "");
    verdict = ruleset_judge(set, &packet, chain, 80);
    ruleset_free(set);
    return verdict;
}

static void programs_that_make_rules(void **state)
{
    static const struct {
        const char *text, *interface, *protocol;
        int port;
        enum ruleset_verdict verdict;
        const char *chain;
    } cases[] = {
        {ufw,       "eth0", "tcp", 22,   RULESET_GO_ON,  ""                           },
        {ufw,       "eth0", "tcp", 80,   RULESET_DROP,   "ip filter INPUT"            },
        {ufw,       "eth0", "tcp", 443,  RULESET_GO_ON,  ""                           },
        {ufw,       "eth0", "udp", 22,   RULESET_DROP,   "ip filter INPUT"            },
        {ufw,       "eth0", "udp", 5353, RULESET_GO_ON,  ""                           },
        {ufw,       "eth0", "udp", 67,   RULESET_DROP,   "ip filter INPUT"            },
        {ufw,       "eth1", "udp", 67,   RULESET_GO_ON,  ""                           },
        {ufw,       "",     "udp", 53,   RULESET_GO_ON,  ""                           },
        {firewalld, "eth0", "tcp", 22,   RULESET_GO_ON,  ""                           },
        {firewalld, "eth0", "tcp", 80,   RULESET_REJECT, "inet firewalld filter_INPUT"},
        {firewalld, "eth0", "udp", 546,  RULESET_REJECT, "inet firewalld filter_INPUT"},
        {firewalld, "eth1", "tcp", 80,   RULESET_GO_ON,  ""                           },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char chain[80];
        enum ruleset_verdict verdict =
            judge(cases[i].text, cases[i].interface, cases[i].protocol, cases[i].port, chain);

        if (verdict != cases[i].verdict || strcmp(chain, cases[i].chain) != 0)
            fail_msg("case %zu: %d %s", i, (int)verdict, chain);
    }
}

/* For tcp 80 on eth0, behind a policy that drops. */
static const struct {
    const char *rules;
    enum ruleset_verdict verdict;
} says[] = {
    {"",                                                                           RULESET_DROP  },
    {"accept",                                                                     RULESET_GO_ON },
    {"tcp dport 79-81 accept",                                                     RULESET_GO_ON },
    {"tcp dport != 80 accept",                                                     RULESET_DROP  },
    {"tcp dport != { 22, 443 } accept",                                            RULESET_GO_ON },
    {"udp dport 80 accept",                                                        RULESET_DROP  },
    {"th dport { 22, 70-90 } accept",                                              RULESET_GO_ON },
    {"tcp sport 80 reject",                                                        RULESET_DROP  },
    {"tcp dport 80 counter packets 3 bytes 9 reject with tcp reset",               RULESET_REJECT},
    {"ct state established,related accept",                                        RULESET_DROP  },
    {"ct state new tcp dport 80 accept comment \"the page\"",                      RULESET_GO_ON },
    {"ct state vmap { invalid : drop, established : accept, related : accept }",   RULESET_DROP  },
    {"ct state vmap { established : accept, new : jump pages }",                   RULESET_GO_ON },
    {"tcp dport vmap { 22 : accept, 80-81 : reject, 443 : accept }",               RULESET_REJECT},
    {"iifname \"eth*\" accept",                                                    RULESET_GO_ON },
    {"iifname { \"lo\", \"eth1\" } accept",                                        RULESET_DROP  },
    {"iifname != \"lo\" accept",                                                   RULESET_GO_ON },
    {"iif != \"eth0\" accept",                                                     RULESET_DROP  },
    {"meta nfproto ipv6 accept",                                                   RULESET_DROP  },
    {"meta nfproto ipv4 meta l4proto { tcp, udp } accept",                         RULESET_GO_ON },
    {"ip protocol udp accept",                                                     RULESET_DROP  },
    {"fib daddr type { local, broadcast } accept",                                 RULESET_GO_ON },
    {"log prefix \"drop \" level debug flags all drop",                            RULESET_DROP  },
 /* What it cannot know speaks for what accepts, and against what does not. */
    {"tcp dport @pages accept",                                                    RULESET_GO_ON },
    {"ip saddr 10.0.0.0/8 tcp dport 80 accept",                                    RULESET_GO_ON },
    {"ip saddr @bad reject",                                                       RULESET_DROP  },
    {"meta mark 7 goto nothing\n\t\taccept",                                       RULESET_GO_ON },
    {"limit rate 3/minute burst 5 packets tcp flags syn / fin,syn,rst,ack accept", RULESET_GO_ON },
    {"queue to 1",                                                                 RULESET_GO_ON },
 /* Jumps and where they come back to. */
    {"jump pages",                                                                 RULESET_GO_ON },
    {"jump nothing\n\t\treject",                                                   RULESET_REJECT},
    {"goto nothing\n\t\taccept",                                                   RULESET_DROP  },
    {"return\n\t\taccept",                                                         RULESET_DROP  },
    {"jump nowhere\n\t\taccept",                                                   RULESET_GO_ON },
    {"jump input",                                                                 RULESET_DROP  },
 /* Nonsense is survived. */
    {"tcp dport",                                                                  RULESET_DROP  },
    {"tcp dport vmap",                                                             RULESET_DROP  },
    {"tcp dport { 80",                                                             RULESET_DROP  },
    {"tcp dport vmap { 80 }",                                                      RULESET_DROP  },
    {"tcp dport vmap { 80 : }",                                                    RULESET_DROP  },
    {"iifname \"\" accept",                                                        RULESET_GO_ON },
    {"iifname \"eth0",                                                             RULESET_DROP  },
    {"jump",                                                                       RULESET_DROP  },
    {"counter packets",                                                            RULESET_DROP  },
    {"log prefix \"",                                                              RULESET_DROP  },
};

static void what_rules_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(says) / sizeof(*says); i++) {
        char text[2000], chain[80];

        snprintf(text, sizeof(text),
                 "table inet filter {\n\tset pages {\n\t\ttype inet_service\n\t}\n\n"
                 "\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n"
                 "\t\t%s\n\t}\n\n\tchain pages {\n\t\ttcp dport { 80, 443 } accept\n\t}\n\n"
                 "\tchain nothing {\n\t}\n}\n",
                 says[i].rules);
        if (judge(text, "eth0", "tcp", 80, chain) != says[i].verdict)
            fail_msg("%s", says[i].rules);
    }
}

static void only_what_comes_in_by_ipv4(void **state)
{
    static const char *const open[] = {
        "",
        "nonsense",
        "table inet filter {",
        "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0; policy drop;",
        "table ip6 filter {\n\tchain INPUT {\n\t\ttype filter hook input priority 0; policy drop;"
        "\n\t}\n}\n",
        "table ip filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority 0; policy "
        "drop;\n\t}\n}\n",
    };
    char chain[80];

    (void)state;
    for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
        assert_int_equal(judge(open[i], "eth0", "tcp", 80, chain), i == 3 ? RULESET_DROP : 0);
    /* Who is let in by one table may be kept out by the next. */
    assert_int_equal(judge("table inet a {\n\tchain b {\n\t\ttype filter hook input priority 0; "
                           "policy accept;\n\t\taccept\n\t}\n}\ntable ip c {\n\tchain d {\n\t\t"
                           "type filter hook input priority 1; policy drop;\n\t}\n}\n",
                           "eth0", "tcp", 80, chain),
                     RULESET_DROP);
    assert_string_equal(chain, "ip c d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_that_make_rules),
        cmocka_unit_test(what_rules_say),
        cmocka_unit_test(only_what_comes_in_by_ipv4),
    };
    return cmocka_run_group_tests_name("ruleset", tests, NULL, NULL);
}
