/* What riad-dhcp tells dnsmasq, and hears from its script; whether it serves, and what it says. */
#include "dhcp/generate.h"
#include "dhcp/others.h"
#include "dhcp/script.h"
#include "dhcp/tell.h"

#include "scratch.h"

static const struct {
    const char *verb, *mac, *ip, *host, *remaining, *client;
    const char *line; /* of the snapshot; NULL: refused */
} reports[] = {
    {"add",  "aa:bb:cc:dd:ee:ff",                                                    "10.0.0.1", "Laptop",     "1795378510",   "01:aa",
     "1795378510 aa:bb:cc:dd:ee:ff 10.0.0.1 laptop 01:aa\n"                                                                                                        },
    {"old",  "20-aa:bb",                                                             "10.0.0.1", NULL,         "1",            NULL,    "1 20-aa:bb 10.0.0.1 * *\n"},
    {"del",  "aa:bb",                                                                "10.0.0.1", NULL,         NULL,           NULL,    "0 aa:bb 10.0.0.1 * *\n"   },
    {"add",  "aa",                                                                   "10.0.0.1", "$(touch x)", "1",            NULL,    "1 aa 10.0.0.1 * *\n"      },
    {"add",  "aa",                                                                   "10.0.0.1", "a b",        "1",            NULL,    "1 aa 10.0.0.1 * *\n"      },
    {"add",  "aa",                                                                   "10.0.0.1", "-a",         "1",            NULL,    "1 aa 10.0.0.1 * *\n"      },
    {"add",  "aa",                                                                   "10.0.0.1", "\x1B[1m",    "1",            NULL,    "1 aa 10.0.0.1 * *\n"      },
    {"addd", "aa",                                                                   "10.0.0.1", NULL,         "1",            NULL,    NULL                       },
    {"",     "aa",                                                                   "10.0.0.1", NULL,         "1",            NULL,    NULL                       },
    {"add",  "",                                                                     "10.0.0.1", NULL,         "1",            NULL,    NULL                       },
    {"add",  "aa:",                                                                  "10.0.0.1", NULL,         "1",            NULL,    NULL                       },
    {"add",  "aa bb",                                                                "10.0.0.1", NULL,         "1",            NULL,    NULL                       },
    {"add",  "gg",                                                                   "10.0.0.1", NULL,         "1",            NULL,    NULL                       },
    {"add",  "aa",                                                                   "10.0.0",   NULL,         "1",            NULL,    NULL                       },
    {"add",  "aa",                                                                   "::1",      NULL,         "1",            NULL,    NULL                       },
    {"add",  "aa",                                                                   "10.0.0.1", NULL,         "",             NULL,    NULL                       },
    {"add",  "aa",                                                                   "10.0.0.1", NULL,         "-1",           NULL,    NULL                       },
    {"add",  "aa",                                                                   "10.0.0.1", NULL,         "999999999999", NULL,    NULL                       },
    {"add",  "aa",                                                                   "10.0.0.1", NULL,         "4294967295",   NULL,    NULL                       },
    {"add",  "aa",                                                                   "10.0.0.1", NULL,         "1",            "xx",    NULL                       },
    {"add",  "aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa", "10.0.0.1",
     NULL,                                                                                                     "1",            NULL,    NULL                       },
};

static void checks_reports(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
        struct report report;
        struct buf bytes, line;
        int result;

        buf_init(&bytes, SCRIPT_REPORT_MAX);
        buf_init(&line, 1000);
        assert_int_equal(report_put(&bytes, reports[i].verb, reports[i].mac, reports[i].ip,
                                    reports[i].host, reports[i].remaining, reports[i].client),
                         0);
        result = report_parse(bytes.data, bytes.len, 5, &report);
        assert_int_equal(result, reports[i].line == NULL ? -1 : 0);
        if (result == 0) {
            assert_int_equal(report.lease.started_at, 5);
            snapshot_put(&line, &report.lease, 0);
            assert_string_equal(buf_text(&line), reports[i].line);
            report.lease.expires_at = 90000;
            buf_clear(&line);
            snapshot_put(&line, &report.lease, 60000); /* dnsmasq's clock is behind the box's */
            assert_int_equal(atoi(buf_text(&line)), 30);
        }
        for (size_t cut = 0; cut < bytes.len; cut++)
            assert_int_equal(report_parse(bytes.data, cut, 5, &report), -1);
        buf_putc(&bytes, 'x');
        assert_int_equal(report_parse(bytes.data, bytes.len, 5, &report), -1);
        buf_done(&bytes);
        buf_done(&line);
    }
    struct buf full;
    buf_init(&full, 5);
    assert_int_equal(report_put(&full, "add", "aa", NULL, NULL, NULL, NULL), -1);
    buf_done(&full);
}

static void is_a_script_only_for_dnsmasq(void **state)
{
    char program[] = "riad-dhcp", add[] = "add", option[] = "-c";
    char *as_script[] = {program, add, NULL}, *as_service[] = {program, option, NULL};

    (void)state;
    unsetenv(SCRIPT_DIR_VARIABLE);
    assert_false(script_is_wanted(2, as_script));
    setenv(SCRIPT_DIR_VARIABLE, "/nowhere", 1);
    assert_true(script_is_wanted(2, as_script));
    assert_false(script_is_wanted(2, as_service));
    assert_false(script_is_wanted(1, as_script));
    unsetenv(SCRIPT_DIR_VARIABLE);
}

static bool has_line(const struct buf *text, const char *line)
{
    const char *found = strstr(buf_text(text), line);
    size_t length = strlen(line);

    while (found != NULL && ((found != buf_text(text) && found[-1] != '\n') ||
                             (found[length] != '\n' && found[length] != '\0')))
        found = strstr(found + 1, line);
    return found != NULL;
}

static void tells_dnsmasq_its_duty(void **state)
{
    struct config config;
    struct generate what = {.config = &config, .folder = "/f", .script = "/s"};
    struct buf out;

    (void)state;
    config_init(&config);
    free(config.lan.interface);
    config.lan.interface = strdup("eth0");
    buf_init(&out, 10000);
    what.duty = DUTY_BOTH;
    generate_config(&out, &what);
    assert_true(has_line(&out, "interface=eth0") && has_line(&out, "except-interface=lo"));
    assert_true(has_line(&out, "dhcp-range=10.77.0.50,10.77.0.250,255.255.255.0,7200"));
    assert_true(has_line(&out, "dhcp-option=option:router"));
    assert_true(has_line(&out, "dhcp-option=option:dns-server,10.77.0.1"));
    assert_true(has_line(&out, "host-record=riad.lan,riad,10.77.0.1"));
    assert_true(has_line(&out, "host-record=opam.lan,opam,10.77.0.1"));
    assert_true(has_line(&out, "servers-file=/f/servers") && has_line(&out, "dhcp-script=/s"));
    assert_true(has_line(&out, "dhcp-name-match=set:guarded,wpad"));
    assert_true(has_line(&out, "local=/lan/") && has_line(&out, "stop-dns-rebind"));
    assert_false(has_line(&out, "user=root") || strstr(buf_text(&out), "option=114") != NULL);

    buf_clear(&out);
    what.duty = DUTY_DNS;
    what.as_root = true;
    generate_config(&out, &what);
    assert_true(has_line(&out, "user=root") && has_line(&out, "local=/lan/"));
    assert_null(strstr(buf_text(&out), "dhcp-"));

    buf_clear(&out);
    what.duty = DUTY_DHCP;
    config.dhcp.gateway = 0x0A4D00FE;
    config.dhcp.portal = true;
    free(config.box.name);
    config.box.name = strdup("chat");
    generate_config(&out, &what);
    assert_true(has_line(&out, "port=0") && has_line(&out, "domain=lan"));
    assert_true(has_line(&out, "dhcp-option=option:router,10.77.0.254"));
    assert_true(has_line(&out, "dhcp-option=option:dns-server"));
    assert_true(has_line(&out, "dhcp-option=114,http://10.77.0.1/"));
    assert_null(strstr(buf_text(&out), "host-record"));

    buf_clear(&out);
    what.duty = DUTY_BOTH;
    free(config.web.listen.item[0]);
    config.web.listen.item[0] = strdup("0.0.0.0:8080");
    generate_config(&out, &what);
    assert_true(has_line(&out, "dhcp-option=114,http://10.77.0.1:8080/"));
    assert_true(has_line(&out, "host-record=chat.lan,chat,10.77.0.1"));
    assert_true(has_line(&out, "addn-hosts=/f/portal"));
    buf_clear(&out);
    generate_portal(&out, config.lan.address);
    assert_true(has_line(&out, "10.77.0.1 captive.apple.com"));
    buf_done(&out);
    config_done(&config);
}

static void finds_resolvers(void **state)
{
    static const char resolv[] =
        "# nameserver 1.1.1.1\nnameserver 10.77.0.1\n nameserver\t9.9.9.9 # x\n"
        "nameserverx 1.1.1.1\nnameserver fe80::1%eth0\nnameserver junk\n"
        "search lan\nnameserver 127.0.0.53";
    char forward0[] = "10.77.0.1", forward1[] = "10.0.0.2#5300", forward2[] = "[::1]:54",
         forward3[] = "10.77.0.1#5300";
    struct config_list none =
                           {
                               .count = 0
    },
                       some = {.item = {forward0, forward1, forward2, forward3}, .count = 4};
    struct resolver found[GENERATE_MAX_SERVERS];

    (void)state;
    assert_int_equal(generate_resolvers(found, &none, resolv, 0x0A4D0001), 3);
    assert_string_equal(found[0].host, "9.9.9.9");
    assert_int_equal(found[0].port, 53);
    assert_string_equal(found[1].host, "fe80::1%eth0");
    assert_string_equal(found[2].host, "127.0.0.53");
    assert_int_equal(generate_resolvers(found, &some, resolv, 0x0A4D0001), 3);
    assert_string_equal(found[0].host, "10.0.0.2");
    assert_int_equal(found[0].port, 5300);
    assert_string_equal(found[1].host, "::1");
    assert_int_equal(found[1].port, 54);
    assert_int_equal(found[2].port, 5300);
    assert_int_equal(generate_resolvers(found, &none, "", 0), 0);
}

/* ---- other servers ---- */

static void asks_every_five_minutes(void **state)
{
    const struct probe_server nobody = {0}, somebody = {.address = 0xC0A80501};
    const int64_t start = 1000000, minute = 60000;
    struct others others = {0};

    (void)state;
    assert_true(others_due(&others, start)); /* at once */
    assert_false(others.decided);
    assert_false(others_due(&others, start + 6000)); /* it runs */
    others_found(&others, &nobody, start + 6000);
    assert_true(others.decided && others.server.address == 0);
    for (int64_t at = start + 6000; at < start + 6000 + 5 * minute; at += 1000)
        assert_false(others_due(&others, at));
    assert_true(others_due(&others, start + 6000 + 5 * minute));
    others_found(&others, &somebody, start + 12000 + 5 * minute);
    assert_int_equal(others.server.address, somebody.address);
    assert_false(others_due(&others, start + 11999 + 10 * minute));
    assert_true(others_due(&others, start + 12000 + 10 * minute));
}

static void asks_at_once_with_reason(void **state)
{
    const struct probe_server nobody = {0};
    struct others others = {0};

    (void)state;
    assert_true(others_due(&others, 0));
    others_rival(&others, 10); /* it runs already */
    others_found(&others, &nobody, 6000);
    assert_false(others_due(&others, 6001));
    others_rival(&others, 7000);
    assert_true(others_due(&others, 7000));
    others_found(&others, &nobody, 13000);
    others_rival(&others, 36999); /* too soon after the last one */
    assert_false(others_due(&others, 36999));
    others_rival(&others, 37000);
    assert_true(others_due(&others, 37000));
    /* The cable was pulled while it ran: it is asked anew, not taken for silence. */
    others_forget(&others);
    assert_false(others.decided || others.asking);
    assert_true(others_due(&others, 37001));
    others_found(&others, &nobody, 43000);
    others_interrupt(&others); /* nothing ran */
    assert_true(others.decided);
    assert_false(others_due(&others, 43001));
    assert_true(others_due(&others, 43000 + OTHERS_AGAIN_MS));
    others_interrupt(&others);
    assert_true(others.decided && others_due(&others, 43001 + OTHERS_AGAIN_MS));
}

static void tells_how_it_goes(void **state)
{
    struct config config;
    struct lan lan = {
        .config = &config, .link = {.name = "eth0", .address = 0x0A4D0001}
    };
    char out[SERVICE_SAY_MAX];

    (void)state;
    config_init(&config);
    for (int phase = 0; phase < LAN_PHASES; phase++) {
        lan.phase = (enum lan_phase)phase;
        snprintf(lan.trouble, sizeof(lan.trouble), "dnsmasq is missing");
        tell_text(&lan, out);
        assert_true(strlen(out) > 10);
    }
    lan.phase = LAN_SERVING;
    lan.duty = DUTY_BOTH;
    lan.leases.count = 1;
    assert_true(tell_text(&lan, out));
    assert_string_equal(out, "serves DHCP on eth0, 10.77.0.50 to 10.77.0.250: a network of its own "
                             "(no gateway: guests have no internet); 1 lease; answers DNS for this "
                             "network only (no resolver outside answers)");
    lan.upstream.reachable = true;
    lan.others.server = (struct probe_server){
        .address = 0xC0A80101, .mac = {1, 2, 3, 4, 5, 6}
    };
    config.dhcp.gateway = 0x0A4D00FE;
    tell_text(&lan, out);
    assert_string_equal(out, "serves DHCP on eth0, 10.77.0.50 to 10.77.0.250: in place of the "
                             "router's DHCP, which is 10.77.0.254; 1 lease; answers DNS; BEWARE: "
                             "192.168.1.1 (01:02:03:04:05:06) serves DHCP here, too");
    lan.phase = LAN_STANDING_BY;
    lan.duty = DUTY_NONE;
    assert_true(tell_text(&lan, out));
    assert_string_equal(out, "stands by beside a router: 192.168.1.1 (01:02:03:04:05:06) serves "
                             "DHCP on eth0; the box is 10.77.0.1 there");
    lan.phase = LAN_TROUBLE;
    assert_false(tell_text(&lan, out));
    assert_string_equal(out, "dnsmasq is missing");
    config_done(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_reports),          cmocka_unit_test(is_a_script_only_for_dnsmasq),
        cmocka_unit_test(tells_dnsmasq_its_duty),  cmocka_unit_test(finds_resolvers),
        cmocka_unit_test(asks_every_five_minutes), cmocka_unit_test(asks_at_once_with_reason),
        cmocka_unit_test(tells_how_it_goes),
    };
    return cmocka_run_group_tests_name("lan", tests, NULL, NULL);
}
