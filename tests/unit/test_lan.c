/* riad-dhcp's pure modules: packets, reports, what dnsmasq is told, multicast names. */
#include "dhcp/generate.h"
#include "dhcp/mdns_packet.h"
#include "dhcp/others.h"
#include "dhcp/packet.h"
#include "dhcp/script.h"
#include "dhcp/tell.h"

#include "scratch.h"

static const uint8_t mac[PACKET_MAC] = {2, 0xAB, 0, 0, 0, 1};

/* Bytes written as text, without its NUL. */
static void set(uint8_t *to, const char *bytes, size_t length)
{
    memcpy(to, bytes, length);
}

/* The offer that answers a discover, made from the question itself. */
static size_t make_offer(uint8_t *out, uint8_t type)
{
    static const uint8_t options[] = {0, 53, 1, 0,   54,  4, 192, 168, 5,
                                      1, 3,  4, 192, 168, 5, 2,   255};
    struct buf packet;
    size_t length;

    buf_init(&packet, PACKET_MAX);
    packet_discover(&packet, mac, 0x01020304);
    length = packet.len;
    memcpy(out, packet.data, length);
    buf_done(&packet);
    out[20 + 3] = 68; /* to the client's port */
    out[28] = 2;      /* a reply */
    set(out + 28 + 16, "\x0A\x4D\x00\x3C", 4);
    memcpy(out + 28 + 240, options, sizeof(options));
    out[28 + 240 + 3] = type;
    return length;
}

static void knows_an_offer(void **state)
{
    uint8_t bytes[PACKET_MAX], copy[PACKET_MAX];
    size_t length = make_offer(bytes, 2);
    struct packet_offer offer;
    static const struct {
        size_t at;
        uint8_t value;
    } breaks[] = {
        {0,        0x65}, /* IPv6 */
        {0,        0x44}, /* a head too short */
        {9,        6   }, /* TCP */
        {2,        0xFF}, /* longer than it is */
        {6,        0x20}, /* a fragment */
        {23,       67  }, /* another port */
        {24,       0xFF}, /* UDP longer than IP */
        {28,       1   }, /* a request */
        {32,       9   }, /* another question */
        {56,       9   }, /* another device */
        {28 + 236, 0   }, /* no cookie */
        {28 + 243, 5   }, /* an acknowledgement */
    };

    (void)state;
    assert_true(packet_is_offer(bytes, length, mac, 0x01020304, &offer));
    assert_int_equal(offer.server, 0xC0A80501);
    assert_int_equal(offer.router, 0xC0A80502);
    assert_int_equal(offer.address, 0x0A4D003C);
    for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
        memcpy(copy, bytes, length);
        copy[breaks[i].at] = breaks[i].value;
        assert_false(packet_is_offer(copy, length, mac, 0x01020304, &offer));
    }
    for (size_t cut = 0; cut < length; cut++)
        assert_false(packet_is_offer(bytes, cut, mac, 0x01020304, &offer));
    /* An option that runs over the end; none that says the type. */
    memcpy(copy, bytes, length);
    memset(copy + 28 + 240, 0, length - 268);
    copy[length - 1] = 53;
    assert_false(packet_is_offer(copy, length, mac, 0x01020304, &offer));
    /* Without the server's option its source address says who it is. */
    memcpy(copy, bytes, length);
    copy[28 + 240 + 4] = 99;
    copy[28 + 240 + 10] = 98;
    set(copy + 12, "\x01\x02\x03\x04", 4);
    assert_true(packet_is_offer(copy, length, mac, 0x01020304, &offer));
    assert_int_equal(offer.server, 0x01020304);
    assert_int_equal(offer.router, 0);
}

static void knows_who_claims_an_address(void **state)
{
    struct buf probe;
    uint8_t who[PACKET_MAC], other[PACKET_MAC] = {2, 9, 9, 9, 9, 9};
    char text[PACKET_MAC_TEXT];

    (void)state;
    buf_init(&probe, PACKET_MAX);
    packet_arp_probe(&probe, other, 0x0A4D0001);
    assert_true(packet_arp_claims(probe.data, probe.len, mac, 0x0A4D0001, who));
    packet_mac_text(who, text);
    assert_string_equal(text, "02:09:09:09:09:09");
    assert_false(packet_arp_claims(probe.data, probe.len, other, 0x0A4D0001, who)); /* ourselves */
    assert_false(packet_arp_claims(probe.data, probe.len, mac, 0x0A4D0002, who));
    assert_false(packet_arp_claims(probe.data, probe.len - 1, mac, 0x0A4D0001, who));
    set(probe.data + 14, "\x0A\x4D\x00\x01", 4); /* the sender has it */
    memset(probe.data + 24, 0, 4);
    assert_true(packet_arp_claims(probe.data, probe.len, mac, 0x0A4D0001, who));
    set(probe.data + 14, "\x0A\x4D\x00\x09", 4); /* somebody asks for ours */
    set(probe.data + 24, "\x0A\x4D\x00\x01", 4);
    assert_false(packet_arp_claims(probe.data, probe.len, mac, 0x0A4D0001, who));
    probe.data[1] = 6;
    assert_false(packet_arp_claims(probe.data, probe.len, mac, 0x0A4D0001, who));
    buf_done(&probe);
}

static void hears_who_takes_what(void **state)
{
    struct buf discover;
    uint8_t copy[PACKET_MAX], who[PACKET_MAC];
    uint32_t address = 0;
    struct buf probe;
    size_t length;

    (void)state;
    buf_init(&discover, PACKET_MAX);
    packet_discover(&discover, mac, 1);
    length = discover.len;
    memcpy(copy, discover.data, length);
    assert_false(packet_is_taking(copy, length, &address)); /* nothing is taken yet */
    copy[28 + 240 + 2] = 3;
    assert_false(packet_is_taking(copy, length, &address)); /* a renewal names nobody */
    set(copy + 28 + 240 + 3, "\x36\x04\xC0\xA8\x05\x01\xFF", 7);
    assert_true(packet_is_taking(copy, length, &address));
    assert_int_equal(address, 0xC0A80501);
    for (size_t cut = 0; cut < length; cut++)
        assert_false(packet_is_taking(copy, cut, &address));
    buf_init(&probe, PACKET_MAX);
    packet_arp_probe(&probe, mac, 0x0A4D0009);
    assert_false(packet_arp_shows(probe.data, probe.len, &address, who)); /* has none yet */
    set(probe.data + 14, "\x0A\x4D\x00\x07", 4);
    assert_true(packet_arp_shows(probe.data, probe.len, &address, who));
    assert_int_equal(address, 0x0A4D0007);
    assert_memory_equal(who, mac, PACKET_MAC);
    assert_false(packet_arp_shows(probe.data, probe.len - 1, &address, who));
    buf_done(&probe);
    buf_done(&discover);
}

static void checks_reports(void **state)
{
    static const struct {
        const char *verb, *mac, *ip, *host, *remaining, *client;
        const char *line; /* of the snapshot; NULL: refused */
    } cases[] = {
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

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct report report;
        struct buf bytes, line;
        int result;

        buf_init(&bytes, SCRIPT_REPORT_MAX);
        buf_init(&line, 1000);
        assert_int_equal(report_put(&bytes, cases[i].verb, cases[i].mac, cases[i].ip, cases[i].host,
                                    cases[i].remaining, cases[i].client),
                         0);
        result = report_parse(bytes.data, bytes.len, 5, &report);
        assert_int_equal(result, cases[i].line == NULL ? -1 : 0);
        if (result == 0) {
            assert_int_equal(report.lease.started_at, 5);
            snapshot_put(&line, &report.lease, 0);
            assert_string_equal(buf_text(&line), cases[i].line);
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

/* ---- multicast names ---- */

static const struct mdns_facts facts = {
    .host = "riad",
    .instance = "Tea. House",
    .service = {{"_ssh._tcp", 22}, {"_http._tcp", 80}},
    .service_count = 2,
    .address = {0x0A4D0001                },
    .address_count = 1
};

static size_t put_question(uint8_t *out, const char *name, uint8_t type, uint8_t class_top)
{
    size_t at = 12;

    memset(out, 0, 12);
    out[5] = 1;
    while (*name != '\0') {
        size_t length = strcspn(name, "|");

        out[at++] = (uint8_t)length;
        memcpy(out + at, name, length);
        at += length;
        name += length + (name[length] == '|');
    }
    out[at++] = 0;
    memcpy(out + at, (uint8_t[]){0, type, class_top, 1}, 4);
    return at + 4;
}

static unsigned answers(const char *name, uint8_t type, bool legacy, struct buf *out,
                        struct mdns_heard *was)
{
    uint8_t bytes[512];
    size_t length = put_question(bytes, name, type, legacy ? 0 : 0x80);

    buf_clear(out);
    assert_int_equal(mdns_answer(bytes, length, &facts, legacy, was, out), 0);
    return out->len == 0 ? 0 : (unsigned)out->data[6] << 8 | out->data[7];
}

static void answers_for_its_names_only(void **state)
{
    struct mdns_heard was;
    struct buf out;

    (void)state;
    buf_init(&out, MDNS_MAX);
    assert_int_equal(answers("RIAD|local", 1, false, &out, &was), 1);
    assert_true(was.unicast && !was.response);
    assert_non_null(memmem(out.data, out.len, "\x0A\x4D\x00\x01", 4));
    assert_int_equal(answers("riad|local", 255, false, &out, &was), 1);
    assert_int_equal(answers("riad|local", 28, false, &out, &was), 1); /* only A, says NSEC */
    assert_int_equal(answers("riad|local", 12, false, &out, &was), 0);
    assert_int_equal(answers("_ssh|_tcp|local", 12, false, &out, &was), 1);
    assert_non_null(memmem(out.data, out.len, "Tea. House", 10));
    assert_int_equal(answers("_services|_dns-sd|_udp|local", 12, false, &out, &was), 2);
    assert_int_equal(answers("Tea. House|_http|_tcp|local", 33, false, &out, &was), 2);
    assert_int_equal(answers("other|local", 1, false, &out, &was), 0);
    assert_int_equal(answers("riad|local|x", 1, false, &out, &was), 0);
    assert_int_equal(answers("riad", 1, false, &out, &was), 0);
    assert_int_equal(answers("", 1, false, &out, &was), 0);
    /* Who is no mDNS client hears its question again, and nothing for long. */
    assert_int_equal(answers("riad|local", 1, true, &out, &was), 1);
    assert_int_equal(out.data[5], 1);
    assert_non_null(memmem(out.data, out.len, "\0\1\0\1\0\0\0\x0A\0\4\x0A\x4D", 12));
    buf_done(&out);
}

/* A question for a name, with our own announcement as what the asker knows already. */
static size_t put_known(uint8_t *out, const char *name, uint8_t type, uint32_t ttl)
{
    size_t length = put_question(out, name, type, 0);
    struct buf hello;

    buf_init(&hello, MDNS_MAX);
    mdns_announce(&hello, &facts, ttl);
    memcpy(out + length, hello.data + 12, hello.len - 12);
    length += hello.len - 12;
    out[7] = hello.data[7];
    buf_done(&hello);
    return length;
}

static void does_not_repeat_what_is_known(void **state)
{
    static const struct {
        const char *name;
        uint8_t type;
    } questions[] = {
        {"riad|local",                   1  },
        {"_http|_tcp|local",             12 },
        {"_services|_dns-sd|_udp|local", 12 },
        {"Tea. House|_ssh|_tcp|local",   255},
        {"Tea. House|_ssh|_tcp|local",   16 },
    };
    uint8_t bytes[2 * MDNS_MAX];
    struct mdns_heard was;
    struct buf out;

    (void)state;
    buf_init(&out, MDNS_MAX);
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        size_t length = put_known(bytes, questions[i].name, questions[i].type, MDNS_TTL / 2);

        buf_clear(&out);
        assert_int_equal(mdns_answer(bytes, length, &facts, false, &was, &out), 0);
        assert_int_equal(out.len, 0);
        /* Whoever is no mDNS client, or knows it for a moment only, is told. */
        assert_int_equal(mdns_answer(bytes, length, &facts, true, &was, &out), 0);
        assert_true(out.len > 0);
        length = put_known(bytes, questions[i].name, questions[i].type, MDNS_TTL / 2 - 1);
        buf_clear(&out);
        assert_int_equal(mdns_answer(bytes, length, &facts, false, &was, &out), 0);
        assert_true(out.len > 0);
        for (size_t cut = 12; cut < length; cut++) {
            buf_clear(&out);
            mdns_answer(bytes, cut, &facts, false, &was, &out);
        }
    }
    /* Another address than ours is not what we would say. */
    size_t length = put_known(bytes, "riad|local", 1, MDNS_TTL);
    struct mdns_facts other = facts;
    other.address[0]++;
    buf_clear(&out);
    assert_int_equal(mdns_answer(bytes, length, &other, false, &was, &out), 0);
    assert_int_equal(out.data[7], 1);
    buf_done(&out);
}

static void hears_somebody_else(void **state)
{
    uint8_t bytes[100];
    struct mdns_heard was;
    struct buf out, hello;

    (void)state;
    buf_init(&out, MDNS_MAX);
    buf_init(&hello, MDNS_MAX);
    mdns_announce(&hello, &facts, MDNS_TTL);
    assert_int_equal(mdns_answer(hello.data, hello.len, &facts, false, &was, &out), 0);
    assert_true(was.response && !was.conflict);
    struct mdns_facts other = facts;
    other.address[0] = 0x0A4D0009;
    assert_int_equal(mdns_answer(hello.data, hello.len, &other, false, &was, &out), 0);
    assert_true(was.conflict);
    for (size_t cut = 0; cut < hello.len; cut++)
        mdns_answer(hello.data, cut, &other, false, &was, &out);
    assert_int_equal(out.len, 0);
    buf_clear(&hello);
    mdns_probe(&hello, &facts);
    assert_int_equal(mdns_answer(hello.data, hello.len, &facts, false, &was, &out), 0);
    assert_true(out.len > 0 && was.unicast);
    /* Pointers that go round, labels beyond the end, a name too long. */
    set(bytes, "\0\0\0\0\0\1\0\0\0\0\0\0\xC0\x0C\0\1\0\1", 18);
    assert_int_equal(mdns_answer(bytes, 18, &facts, true, &was, &out), -1);
    set(bytes + 12, "\x3Fhi", 3);
    assert_int_equal(mdns_answer(bytes, 18, &facts, true, &was, &out), -1);
    bytes[12] = 0x80;
    assert_int_equal(mdns_answer(bytes, 18, &facts, true, &was, &out), -1);
    bytes[2] = 0x28; /* another kind of request */
    assert_int_equal(mdns_answer(bytes, 18, &facts, false, &was, &out), -1);
    assert_int_equal(mdns_answer(bytes, 11, &facts, false, &was, &out), -1);
    buf_done(&out);
    buf_done(&hello);
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
        cmocka_unit_test(knows_an_offer),
        cmocka_unit_test(knows_who_claims_an_address),
        cmocka_unit_test(hears_who_takes_what),
        cmocka_unit_test(checks_reports),
        cmocka_unit_test(is_a_script_only_for_dnsmasq),
        cmocka_unit_test(tells_dnsmasq_its_duty),
        cmocka_unit_test(finds_resolvers),
        cmocka_unit_test(answers_for_its_names_only),
        cmocka_unit_test(does_not_repeat_what_is_known),
        cmocka_unit_test(hears_somebody_else),
        cmocka_unit_test(asks_every_five_minutes),
        cmocka_unit_test(asks_at_once_with_reason),
        cmocka_unit_test(tells_how_it_goes),
    };
    return cmocka_run_group_tests_name("lan", tests, NULL, NULL);
}
