#include "base/fs.h"
#include "config/config.h"
#include "config/keys.h"

#include "scratch.h"

#include <unistd.h>

/* All sentences of one reading, a line each. */
struct heard {
    char text[8000];
    int count;
};

static void hear(void *context, const char *sentence)
{
    struct heard *heard = context;

    heard->count++;
    strcat(strcat(heard->text, sentence), "\n");
}

static struct heard heard;

static int parse(struct config *config, const char *text)
{
    heard = (struct heard){0};
    return config_parse(config, "F", text, strlen(text), hear, &heard);
}

/* The whole reading fails with this one sentence. */
static void refuses(const char *text, const char *sentence)
{
    struct config config;

    assert_int_equal(parse(&config, text), -1);
    assert_int_equal(heard.count, 1);
    heard.text[strlen(heard.text) - 1] = '\0';
    if (strncmp(heard.text, sentence, strlen(sentence)) != 0)
        assert_string_equal(heard.text, sentence);
}

static void every_row_is_sound(void **state)
{
    (void)state;
    assert_true(keys_count < KEYS_MAX);
    for (size_t i = 0; i < keys_count; i++) {
        const struct key *key = &keys[i];
        char field[sizeof(struct config_list)] = {0}, *allowed = NULL;

        assert_int_equal(strlen(key->effort), 4);
        assert_int_equal(strspn(key->effort, "-asb"), 4);
        assert_true(key->section < SECTION_COUNT && key->kind < KEY_KINDS);
        if (key->kind != KEY_NETWORK) { /* which looks beside its field */
            assert_int_equal(value_parse(key, field, key->fallback, &allowed), 0);
            assert_int_equal(value_parse(key, field, "\x1B", &allowed), -1);
            assert_non_null(allowed);
            assert_true(strlen(allowed) > 3);
            free(allowed);
            value_done(key, field);
        }
        for (size_t k = 0; k < i; k++)
            assert_false(keys[k].section == key->section && strcmp(keys[k].name, key->name) == 0);
    }
}

static void defaults_are_those_of_the_interface(void **state)
{
    struct config config;

    (void)state;
    config_init(&config);
    assert_string_equal(config.box.name, "riad");
    assert_string_equal(config.box.state, "/var/lib/riad");
    assert_int_equal(config.box.log, LOG_LEVEL_INFO);
    assert_int_equal(config.box.reserve_percent, 5);
    assert_string_equal(config.lan.interface, "");
    assert_int_equal(config.lan.address, 0x0A4D0001);
    assert_int_equal(config.lan.prefix, 24);
    assert_int_equal(config.chat.listen.count, 2);
    assert_string_equal(config.chat.listen.item[1], "0.0.0.0:2222");
    assert_int_equal(config.chat.history, 50);
    assert_int_equal(config.web.max_file, INT64_C(10) << 30);
    assert_int_equal(config.mirror_count, 1);
    assert_string_equal(config.mirror[0].upstream.item[0], "https://opam.ocaml.org");
    assert_int_equal(config.mirror[0].cache_size, INT64_C(20) << 30);
    assert_int_equal(config.dhcp.mode, DHCP_AUTO);
    assert_int_equal(config.dhcp.first, 0x0A4D0032);
    assert_int_equal(config.dhcp.last, 0x0A4D00FA);
    assert_int_equal(config.dhcp.lease, 7200);
    assert_true(config.dns.enabled && config.chat.enabled && config.web.enabled);
    assert_int_equal(config_ssh_port(&config), 22);
    assert_int_equal(config_web_port(&config), 80);
    config_done(&config);
}

/* The commented example holds every key with its default, and the manual describes each. Run from
 * the top of the tree, as make does. */
static void example_and_manual_are_whole(void **state)
{
    struct buf example, manual;
    struct config config, defaults;
    struct config_change change;

    (void)state;
    buf_init(&example, 100000);
    buf_init(&manual, 100000);
    assert_int_equal(fs_read_file("config/riad.conf", &example), 0);
    assert_int_equal(fs_read_file("config/riad.conf.5", &manual), 0);
    assert_int_equal(parse(&config, buf_text(&example)), 0);
    config_init(&defaults);
    config_compare(&defaults, &config, &change);
    assert_int_equal(change.chat + change.web + change.mirror + change.dhcp, 0);
    for (size_t i = 0; i < keys_count; i++) {
        char section[32], line[64];
        const char *at;

        if (keys[i].section == SECTION_FACTS)
            continue;
        snprintf(section, sizeof(section), "\n[%s]\n", key_sections[keys[i].section]);
        snprintf(line, sizeof(line), "\n%s ", keys[i].name);
        at = strstr(buf_text(&example), section);
        assert_non_null(at);
        if (strstr(at, line) == NULL)
            fail_msg("the example lacks %s", keys[i].name);
        snprintf(section, sizeof(section), "\n.Ss [%s]", key_sections[keys[i].section]);
        snprintf(line, sizeof(line), "\n.It Cm %s", keys[i].name);
        at = strstr(buf_text(&manual), section);
        assert_non_null(at);
        if (strstr(at, line) == NULL)
            fail_msg("the manual lacks %s", keys[i].name);
    }
    config_done(&config);
    config_done(&defaults);
    buf_done(&example);
    buf_done(&manual);
}

static void reads_values(void **state)
{
    struct config config;

    (void)state;
    assert_int_equal(parse(&config, "\xEF\xBB\xBF# a comment\r\n"
                                    "  ; another\n"
                                    "[box]\r\n"
                                    "name=tea\n"
                                    "title = Tea # House; yes\n"
                                    "notice = /a#b;c\n"
                                    "reserve = 2G ; a size\n"
                                    "log = debug\n"
                                    "newcomers = ask\n"
                                    "[chat] # behind a section\n"
                                    "listen = [::]:22 , 0.0.0.0:2022\n"
                                    "idle = 10m\n"
                                    "enabled = off\n"
                                    "[web]\n"
                                    "upload=people\n"
                                    "hosts = box.example.org,10.0.0.1\n"
                                    "[dhcp]\n"
                                    "range = 10.77.0.10, 10.77.0.20\n"
                                    "gateway = 10.77.0.254\n"
                                    "portal = on\n"
                                    "[dns]\n"
                                    "forward = 9.9.9.9, ::1, 10.0.0.1#5353, 10.0.0.1:54\n"
                                    "[mirror]\n"
                                    "caches =\n"
                                    "[mirror over-lay]\n"
                                    "upstream = http://x/y.tar.gz\n"
                                    "[mirror]\n"
                                    "parallel = 2\n"
                                    "[mirror over-lay]\n"
                                    "retries = 0"),
                     0);
    assert_string_equal(config.box.title, "Tea");
    assert_string_equal(config.box.notice, "/a#b;c");
    assert_int_equal(config.box.reserve_bytes, INT64_C(2) << 30);
    assert_int_equal(config.box.reserve_percent, 0);
    assert_int_equal(config.box.newcomers, NEWCOMERS_ASK);
    assert_string_equal(config.chat.listen.item[0], "[::]:22");
    assert_null(config.chat.listen.item[2]);
    assert_int_equal(config.chat.idle, 600);
    assert_false(config.chat.enabled);
    assert_int_equal(config_ssh_port(&config), 0);
    assert_int_equal(config.web.upload, UPLOAD_PEOPLE);
    assert_int_equal(config.dhcp.first, 0x0A4D000A);
    assert_int_equal(config.dhcp.gateway, 0x0A4D00FE);
    assert_int_equal(config.dns.forward.count, 4);
    assert_int_equal(config.mirror_count, 2);
    assert_int_equal(config.mirror[0].caches.count, 0);
    assert_int_equal(config.mirror[0].parallel, 2);
    assert_string_equal(config.mirror[1].name, "over-lay");
    assert_int_equal(config.mirror[1].retries, 0);
    assert_int_equal(config.mirror[1].parallel, 4);
    config_done(&config);
}

static void names_every_mistake(void **state)
{
    struct config config;

    (void)state;
    refuses("x = 1\n", "F:1: \"x\" stands before the first [section]");
    refuses("\n[bxo]\nanything = 1\n", "F:2: unknown section [bxo]; allowed are [box], [lan], "
                                       "[chat], [web], [mirror], [dhcp], [dns], [mirror NAME]");
    refuses("[facts]\nhost_key = x\n", "F:1: unknown section [facts]");
    refuses("[dns]\nenbled = yes\n", "F:2: unknown key \"enbled\" in [dns]; allowed are enabled, "
                                     "forward");
    refuses("[mirror a]\nupstream=http://a\nx=1\n", "F:3: unknown key \"x\" in [mirror a]");
    refuses("[box]\nname = a\nname = b\n", "F:3: [box] name is given twice, first in line 2");
    refuses("[box]\nwhat\n", "F:2: \"what\" is neither [section] nor key = value nor # a comment");
    refuses("[box\n", "F:1: \"[box\" is neither");
    refuses("[mirror cache]\nupstream = http://a\n", "F:1: [mirror cache]: up to 32 of");
    refuses("[mirror A]\nparallel = 99\n", "F:1: [mirror A]: up to 32 of");
    refuses("[mirror a]\nparallel = 3\n", "F:1: [mirror a] must name its upstream");
    refuses("[box]\nlog = loud\n",
            "F:2: [box] log = \"loud\" will not do: error, warn, info or debug is allowed");
    refuses("[chat]\nenabled = 1\n",
            "F:2: [chat] enabled = \"1\" will not do: yes or no is allowed");
    refuses("[chat]\nhistory = 1001\n",
            "F:2: [chat] history = \"1001\" will not do: a number from 0 to 1000 is allowed");
    refuses("[dhcp]\nlease = 1m\n", "F:2: [dhcp] lease = \"1m\" will not do: a time from 2m to 30d "
                                    "is allowed, in s, m, h or d");
    refuses("[web]\nmax_file = 0\n",
            "F:2: [web] max_file = \"0\" will not do: a size from 1 to 1024T is allowed");
    refuses("[dhcp]\nrange = 10.77.1.10,10.77.1.20\n",
            "F:2: [dhcp] range: both addresses must lie in the network of [lan] address");
    refuses("[dhcp]\nrange = 10.77.0.1,10.77.0.20\n",
            "F:2: [dhcp] range must not contain [lan] address");
    refuses("[dhcp]\nrange = 10.77.0.20,10.77.0.255\n", "F:2: [dhcp] range: both addresses");
    refuses("[dhcp]\ngateway = 10.78.0.1\n", "F:2: [dhcp] gateway must lie in the network");
    refuses("[dhcp]\ngateway = 10.77.0.60\n", "F:2: [dhcp] gateway must lie outside [dhcp] range");
    refuses("[box]\ntitle = a\x1B[31m\n",
            "F:2: [box] title = \"a[31m\" will not do: 1 to 200 bytes of text are allowed");
    heard = (struct heard){0};
    assert_int_equal(config_parse(&config, "F", "[box]\0\n", 7, hear, &heard), -1);
    assert_non_null(strstr(heard.text, "F:1: this is no text file: it contains a NUL byte"));
    assert_int_equal(parse(&config, "[a]\n[box]\nb=1\n[chat]\nidle=x\n"), -1);
    assert_int_equal(heard.count, 3);
    assert_int_equal(config_parse(&config, "F", "x", 1, NULL, NULL), -1);
}

static const struct {
    const char *section, *line;
    bool good;
} bounds[] = {
    {"box",    "name = a-1",                     true },
    {"box",    "name = -a",                      false},
    {"box",    "name = A",                       false},
    {"box",    "name = a.b",                     false},
    {"box",    "name =",                         false},
    {"box",    "domain = a.b-c.d",               true },
    {"box",    "domain = a..b",                  false},
    {"box",    "domain = .a",                    false},
    {"box",    "domain = a.",                    false},
    {"box",    "user =",                         true },
    {"box",    "user = -x",                      false},
    {"box",    "user = a b",                     false},
    {"box",    "zone =",                         true },
    {"box",    "zone = ../../etc/passwd",        false},
    {"box",    "zone = :x",                      false},
    {"box",    "zone = /etc/localtime",          false},
    {"box",    "keep = 30d",                     true },
    {"box",    "keep = 30",                      true },
    {"box",    "keep = -1",                      false},
    {"box",    "reserve = 0%",                   true },
    {"box",    "reserve = 90%",                  true },
    {"box",    "reserve = 91%",                  false},
    {"box",    "reserve = 100%",                 false},
    {"box",    "reserve = %",                    false},
    {"box",    "reserve = a%",                   false},
    {"box",    "reserve = x",                    false},
    {"lan",    "interface = eth0",               true },
    {"lan",    "interface = ../x",               false},
    {"lan",    "interface = ..",                 false},
    {"lan",    "interface = a:1",                false},
    {"lan",    "interface = 1234567890123456",   false},
    {"lan",    "address = 192.168.1.1/16",       true },
    {"lan",    "address = 192.168.1.1",          false},
    {"lan",    "address = 192.168.1.1/31",       false},
    {"lan",    "address = 192.168.1.1/7",        false},
    {"lan",    "address = 192.168.1.0/24",       false},
    {"lan",    "address = 192.168.1.255/24",     false},
    {"lan",    "address = 192.168.1/24",         false},
    {"lan",    "address = 192.168.100.100.1/24", false},
    {"lan",    "address = 192.168.1.1/24K",      false},
    {"chat",   "listen = 0.0.0.0:22,",           false},
    {"chat",   "listen =",                       false},
    {"chat",   "listen = 22",                    false},
    {"chat",
     "listen = 1.1.1.1:1,1.1.1.1:2,1.1.1.1:3,1.1.1.1:4,1.1.1.1:5,1.1.1.1:6,1.1.1.1:7,"
     "1.1.1.1:8,1.1.1.1:9",                      false},
    {"chat",   "history = 1K",                   false},
    {"chat",   "max_message = 16K",              true },
    {"chat",   "max_message = 17K",              false},
    {"web",    "listen = [::]:80",               false},
    {"web",    "hosts = UP.example.org",         true },
    {"web",    "hosts = a b",                    false},
    {"mirror", "upstream = ftp://x",             false},
    {"mirror", "upstream = http://",             false},
    {"mirror", "upstream = http:///x",           false},
    {"mirror", "upstream = http://a b",          false},
    {"mirror", "upstream = http://a,http://b",   false},
    {"mirror", "upstream =",                     false},
    {"mirror", "caches = http://a,https://b",    true },
    {"mirror", "max_rate = 500K",                true },
    {"dhcp",   "range = 10.77.0.9",              false},
    {"dhcp",   "range = 10.77.0.30,10.77.0.20",  false},
    {"dhcp",   "range = 10.77.0.30,x",           false},
    {"dhcp",   "gateway = 0.0.0.0",              false},
    {"dhcp",   "gateway = x",                    false},
    {"dns",    "forward = 1.1.1.1#0",            false},
    {"dns",    "forward = 1.1.1.1#70000",        false},
    {"dns",    "forward = 1.1.1.1#5x",           false},
    {"dns",    "forward = 1.1.1.1:0",            false},
    {"dns",    "forward = dns.example",          false},
};

static void bounds_each_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        struct config config;
        char text[512];

        snprintf(text, sizeof(text), "[%s]\n%s\n", bounds[i].section, bounds[i].line);
        if ((parse(&config, text) == 0) != bounds[i].good)
            fail_msg("%s: %s", bounds[i].line, heard.text);
        if (bounds[i].good)
            config_done(&config);
    }
}

static void ranges_suit_their_network(void **state)
{
    static const struct {
        const char *address;
        uint32_t first, last;
    } cases[] = {
        {"10.77.0.1/24",   0x0A4D0032, 0x0A4D00FA},
        {"10.77.0.60/24",  0x0A4D003D, 0x0A4D00FA}, /* behind the box */
        {"10.77.0.240/24", 0x0A4D0032, 0x0A4D00EF}, /* before it */
        {"10.77.5.1/16",   0x0A4D0032, 0x0A4D00FA},
        {"10.77.0.1/28",   0x0A4D0004, 0x0A4D000E},
        {"10.77.0.2/30",   0x0A4D0001, 0x0A4D0001},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config config;
        char text[100];

        snprintf(text, sizeof(text), "[lan]\naddress = %s\n", cases[i].address);
        assert_int_equal(parse(&config, text), 0);
        assert_int_equal(config.dhcp.first, cases[i].first);
        assert_int_equal(config.dhcp.last, cases[i].last);
        config_done(&config);
    }
}

static void comes_back_as_it_was_put(void **state)
{
    struct config config, again;
    struct config_change change;
    struct buf text;

    (void)state;
    assert_int_equal(parse(&config, "[box]\ntitle=Tea\n[mirror a]\nupstream=http://a\n"), 0);
    config.facts.started_ms = 123;
    config.facts.chat_listens.item[0] = strdup("127.0.0.1:2022");
    config.facts.chat_listens.count = 1;
    buf_init(&text, 100000);
    config_put(&text, &config);
    assert_int_equal(config_parse_whole(&again, "F", text.data, text.len, hear, &heard), 0);
    assert_int_equal(again.facts.started_ms, 123);
    assert_int_equal(config_ssh_port(&again), 2022);
    config_compare(&config, &again, &change);
    assert_int_equal(change.chat + change.web + change.mirror + change.dhcp, 0);
    buf_done(&text);
    config_done(&config);
    config_done(&again);
}

static void compares(void **state)
{
    static const struct {
        const char *text;
        enum config_effort chat, web, mirror, dhcp;
        const char *box;
    } cases[] = {
        {"",                              CONFIG_SAME,    CONFIG_SAME,    CONFIG_SAME,    CONFIG_SAME,    NULL           },
        {"[chat]\nhistory=1",             CONFIG_AT_ONCE, CONFIG_SAME,    CONFIG_SAME,    CONFIG_SAME,    NULL           },
        {"[box]\ntitle=x",                CONFIG_AT_ONCE, CONFIG_AT_ONCE, CONFIG_AT_ONCE, CONFIG_AT_ONCE, NULL           },
        {"[mirror]\nupstream=http://x",   CONFIG_SAME,    CONFIG_SERVICE, CONFIG_SERVICE, CONFIG_SAME,
         NULL                                                                                                            },
        {"[mirror a]\nupstream=http://x", CONFIG_SAME,    CONFIG_SERVICE, CONFIG_SERVICE, CONFIG_SAME,
         NULL                                                                                                            },
        {"[dhcp]\nmode=off",              CONFIG_SAME,    CONFIG_SAME,    CONFIG_SAME,    CONFIG_SERVICE, NULL           },
        {"[chat]\nlisten=0.0.0.0:1",      CONFIG_BOX,     CONFIG_SAME,    CONFIG_SAME,    CONFIG_SAME,
         "chat.listen"                                                                                                   },
        {"[lan]\ninterface=eth0",         CONFIG_BOX,     CONFIG_BOX,     CONFIG_BOX,     CONFIG_BOX,     "lan.interface"},
    };
    struct config before;

    (void)state;
    config_init(&before);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config after;
        struct config_change change;

        assert_int_equal(parse(&after, cases[i].text), 0);
        config_compare(&before, &after, &change);
        assert_int_equal(change.chat, cases[i].chat);
        assert_int_equal(change.web, cases[i].web);
        assert_int_equal(change.mirror, cases[i].mirror);
        assert_int_equal(change.dhcp, cases[i].dhcp);
        assert_int_equal(change.box.count, cases[i].box != NULL);
        if (cases[i].box != NULL)
            assert_string_equal(change.box.item[0], cases[i].box);
        config_done(&after);
    }
    config_done(&before);
}

static void loads_files(void **state)
{
    struct config config;
    char *path = scratch_path(*state, "riad.conf"), *path2;

    heard = (struct heard){0};
    assert_int_equal(config_load(&config, path, hear, &heard), -1);
    assert_non_null(strstr(heard.text, "cannot read the configuration: No such file"));
    assert_int_equal(config_load(&config, path, NULL, NULL), -1);
    fs_replace_file(path, "[box]\nname = tea\n", 17, 0600);
    setenv("RIAD_CONF", path, 1);
    assert_int_equal(config_load(&config, NULL, hear, &heard), 0);
    assert_string_equal(config.box.name, "tea");
    path2 = config_path(&config, "store/riad.db");
    assert_string_equal(path2, "/var/lib/riad/store/riad.db");
    free(path2);
    assert_int_equal(config_reserve(&config, 1000), 50);
    config.box.reserve_bytes = 7;
    assert_int_equal(config_reserve(&config, 1000), 7);
    config_done(&config);
    setenv("RIAD_CONF", "", 1); /* as good as not set */
    if (access(CONFIG_DEFAULT_PATH, F_OK) < 0) {
        assert_null(config_find(NULL));
        assert_int_equal(config_load(&config, NULL, hear, &heard), 0);
        config_done(&config);
    }
    unsetenv("RIAD_CONF");
    if (access(CONFIG_DEFAULT_PATH, F_OK) < 0) {
        assert_int_equal(config_load(&config, NULL, hear, &heard), 0);
        config_done(&config);
    }
}

static void ports_are_those_that_work(void **state)
{
    struct config config;

    (void)state;
    assert_int_equal(parse(&config, "[chat]\nlisten=0.0.0.0:2222,0.0.0.0:22\n"
                                    "[web]\nlisten=0.0.0.0:8080\n"),
                     0);
    assert_int_equal(config_ssh_port(&config), 22);
    assert_int_equal(config_web_port(&config), 8080);
    config.facts.chat_listens.item[0] = strdup("0.0.0.0:2222");
    config.facts.chat_listens.count = 1;
    assert_int_equal(config_ssh_port(&config), 2222);
    config.web.enabled = false;
    assert_int_equal(config_web_port(&config), 0);
    config_done(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_sound),
        cmocka_unit_test(defaults_are_those_of_the_interface),
        cmocka_unit_test(example_and_manual_are_whole),
        cmocka_unit_test(reads_values),
        cmocka_unit_test(names_every_mistake),
        cmocka_unit_test(bounds_each_kind),
        cmocka_unit_test(ranges_suit_their_network),
        cmocka_unit_test(comes_back_as_it_was_put),
        cmocka_unit_test(compares),
        SCRATCH_TEST(loads_files),
        cmocka_unit_test(ports_are_those_that_work),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
