#include "config/keys.h"
#include "base/text.h"
#include "base/when.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOUR          3600
#define DAY           (24 * HOUR)
#define CENTURY       ((int64_t)36500 * DAY)
#define GIGABYTE      ((int64_t)1 << 30)
#define PETABYTE      ((int64_t)1 << 50)
#define BOX(field)    offsetof(struct config, box.field)
#define LAN(field)    offsetof(struct config, lan.field)
#define CHAT(field)   offsetof(struct config, chat.field)
#define WEB(field)    offsetof(struct config, web.field)
#define MIRROR(field) offsetof(struct config_mirror, field)
#define DHCP(field)   offsetof(struct config, dhcp.field)
#define DNS(field)    offsetof(struct config, dns.field)
#define FACTS(field)  offsetof(struct config, facts.field)

static bool is_one_of(const char *text, const char *characters)
{
    return strspn(text, characters) == strlen(text);
}

/* RFC 1123: letters, digits and inner hyphens, at most 63. */
static bool is_label(const char *text, size_t length)
{
    if (length < 1 || length > 63 || text[0] == '-' || text[length - 1] == '-')
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") >= length;
}

static bool is_box_name(const char *text)
{
    return is_label(text, strlen(text));
}

static bool is_domain(const char *text)
{
    const char *dot;

    if (strlen(text) > 253)
        return false;
    for (; (dot = strchr(text, '.')) != NULL; text = dot + 1)
        if (!is_label(text, (size_t)(dot - text)))
            return false;
    return is_label(text, strlen(text));
}

static bool is_account(const char *text)
{
    return strlen(text) <= 32 && text[0] != '-' &&
           is_one_of(text, "abcdefghijklmnopqrstuvwxyz0123456789_-");
}

/* A zone of the tz database, when there is one; else whatever could be a name. */
static bool is_zone(const char *text)
{
    char path[256] = "/usr/share/zoneinfo/";

    if (*text == '\0')
        return true;
    if (strlen(text) > 100 || strstr(text, "..") != NULL || *text == '/' || *text == ':')
        return false;
    if (access(path, X_OK) < 0)
        return true;
    strcat(path, text);
    return access(path, R_OK) == 0;
}

static bool is_interface(const char *text)
{
    return strlen(text) <= 15 && strcmp(text, ".") != 0 && strcmp(text, "..") != 0 &&
           strpbrk(text, "/ \t:,*") == NULL;
}

static bool is_listen(const char *text)
{
    union listen_address address;

    return listen_parse(text, &address) == 0;
}

static bool is_listen_v4(const char *text)
{
    union listen_address address;

    return listen_parse(text, &address) == 0 && address.any.sa_family == AF_INET;
}

static bool is_url(const char *text)
{
    const char *host = NULL;

    if (strncmp(text, "http://", 7) == 0)
        host = text + 7;
    else if (strncmp(text, "https://", 8) == 0)
        host = text + 8;
    return host != NULL && *host != '\0' && *host != '/' && strlen(text) <= 1000 &&
           strpbrk(text, " \t\"<>\\^`{|}") == NULL;
}

/* ADDRESS, ADDRESS#PORT as dnsmasq writes it, or ADDRESS:PORT. */
static bool is_resolver(const char *text)
{
    char host[LISTEN_TEXT_MAX];
    union listen_address address;
    struct in6_addr bytes;
    size_t length = strcspn(text, "#");

    if (listen_parse(text, &address) == 0)
        return listen_port(&address) != 0;
    if (length >= sizeof(host))
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    if (inet_pton(AF_INET, host, &bytes) != 1 && inet_pton(AF_INET6, host, &bytes) != 1)
        return false;
    if (text[length] == '\0')
        return true;
    text += length + 1;
    return strlen(text) <= 5 && is_one_of(text, "0123456789") && atoi(text) >= 1 &&
           atoi(text) <= 65535;
}

static bool is_host(const char *text)
{
    struct in_addr bytes;
    char lower[256];

    if (strlen(text) >= sizeof(lower))
        return false;
    strcpy(lower, text);
    text_lower(lower);
    return is_domain(lower) || inet_pton(AF_INET, text, &bytes) == 1;
}

static bool is_wifi_password(const char *text)
{
    return *text == '\0' || strlen(text) >= 8;
}

static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const newcomers[] = {"open", "ask", "closed", NULL};
static const char *const uploaders[] = {"anyone", "people", "nobody", NULL};
static const char *const modes[] = {"off", "auto", "on", NULL};

#define LISTEN_RULE                                                                                \
    "1 to 8 of ADDRESS:PORT are allowed, with commas between, e.g. 0.0.0.0:22 or [::]:22"
#define URL_RULE "http:// or https:// addresses are allowed"

const char *const key_sections[SECTION_COUNT] = {"box",    "lan",  "chat", "web",
                                                 "mirror", "dhcp", "dns",  "facts"};

/* clang-format off */
const struct key keys[] = {
    {"name", SECTION_BOX, KEY_TEXT, BOX(name), "riad", 1, 63, NULL, is_box_name,
     "a host name is allowed: a-z, 0-9 and inner hyphens", "asas"},
    {"domain", SECTION_BOX, KEY_TEXT, BOX(domain), "lan", 1, 253, NULL, is_domain,
     "a domain is allowed: labels of a-z, 0-9 and inner hyphens, with dots between", "asas"},
    {"title", SECTION_BOX, KEY_TEXT, BOX(title), "riad", 1, 200, NULL, NULL,
     "1 to 200 bytes of text are allowed", "aaaa"},
    {"state", SECTION_BOX, KEY_TEXT, BOX(state), "/var/lib/riad", 1, 1000, NULL, NULL,
     "a folder is allowed", "bbbb"},
    {"user", SECTION_BOX, KEY_TEXT, BOX(user), "riad", 0, 32, NULL, is_account,
     "the name of an account is allowed, or nothing", "bbbb"},
    {"log", SECTION_BOX, KEY_CHOICE, BOX(log), "info", 0, 0, levels, NULL, NULL, "aaaa"},
    {"keep", SECTION_BOX, KEY_TIME, BOX(keep), "0", 0, CENTURY, NULL, NULL, NULL, "aaaa"},
    {"zone", SECTION_BOX, KEY_TEXT, BOX(zone), "", 0, 100, NULL, is_zone,
     "a time zone is allowed as in /usr/share/zoneinfo, e.g. Africa/Casablanca, or nothing", "aaaa"},
    {"notice", SECTION_BOX, KEY_TEXT, BOX(notice), "", 0, 1000, NULL, NULL,
     "the path of a text file is allowed, or nothing", "ss--"},
    {"newcomers", SECTION_BOX, KEY_CHOICE, BOX(newcomers), "open", 0, 0, newcomers, NULL, NULL, "aa--"},
    {"reserve", SECTION_BOX, KEY_RESERVE, BOX(reserve_bytes), "5%", 0, PETABYTE, NULL, NULL,
     "0% to 90% or a size is allowed, e.g. 5% or 2G", "aaa-"},

    {"interface", SECTION_LAN, KEY_TEXT, LAN(interface), "", 0, 15, NULL, is_interface,
     "the name of a network interface is allowed, e.g. eth0, or nothing", "bbbb"},
    {"address", SECTION_LAN, KEY_NETWORK, LAN(address), "10.77.0.1/24", 8, 30, NULL, NULL,
     "an IPv4 address with the bits of its network (8 to 30) is allowed, e.g. 10.77.0.1/24", "bbbb"},
    {"wifi", SECTION_LAN, KEY_TEXT, LAN(wifi), "", 0, 32, NULL, NULL,
     "the name of a Wi-Fi network is allowed, up to 32 bytes, or nothing", "-a--"},
    {"wifi_password", SECTION_LAN, KEY_TEXT, LAN(wifi_password), "", 0, 63, NULL, is_wifi_password,
     "8 to 63 bytes are allowed, or nothing for an open network", "-a--"},

    {"enabled", SECTION_CHAT, KEY_BOOL, CHAT(enabled), "yes", 0, 0, NULL, NULL, NULL, "s---"},
    {"listen", SECTION_CHAT, KEY_LIST, CHAT(listen), "0.0.0.0:22,0.0.0.0:2222", 1, LISTEN_MAX, NULL,
     is_listen, LISTEN_RULE, "b---"},
    {"history", SECTION_CHAT, KEY_NUMBER, CHAT(history), "50", 0, 1000, NULL, NULL, NULL, "a---"},
    {"idle", SECTION_CHAT, KEY_TIME, CHAT(idle), "0", 0, CENTURY, NULL, NULL, NULL, "a---"},
    {"rate", SECTION_CHAT, KEY_NUMBER, CHAT(rate), "100", 1, 1000000, NULL, NULL, NULL, "aa--"},
    {"rate_window", SECTION_CHAT, KEY_TIME, CHAT(rate_window), "10s", 1, HOUR, NULL, NULL, NULL, "aa--"},
    {"max_per_address", SECTION_CHAT, KEY_NUMBER, CHAT(max_per_address), "1000", 1, 100000, NULL,
     NULL, NULL, "a---"},
    {"max_unauthenticated", SECTION_CHAT, KEY_NUMBER, CHAT(max_unauthenticated), "250", 1, 10000,
     NULL, NULL, NULL, "a---"},
    {"login_time", SECTION_CHAT, KEY_TIME, CHAT(login_time), "2m", 5, HOUR, NULL, NULL, NULL, "a---"},
    {"max_message", SECTION_CHAT, KEY_SIZE, CHAT(max_message), "8K", 80, 16384, NULL, NULL, NULL, "aa--"},

    {"enabled", SECTION_WEB, KEY_BOOL, WEB(enabled), "yes", 0, 0, NULL, NULL, NULL, "as--"},
    {"listen", SECTION_WEB, KEY_LIST, WEB(listen), "0.0.0.0:80", 1, LISTEN_MAX, NULL, is_listen_v4,
     "1 to 8 of IPv4 ADDRESS:PORT are allowed, with commas between, e.g. 0.0.0.0:80", "-b--"},
    {"upload", SECTION_WEB, KEY_CHOICE, WEB(upload), "anyone", 0, 0, uploaders, NULL, NULL, "aa--"},
    {"max_file", SECTION_WEB, KEY_SIZE, WEB(max_file), "10G", 1, PETABYTE, NULL, NULL, NULL, "aa--"},
    {"hosts", SECTION_WEB, KEY_LIST, WEB(hosts), "", 0, CONFIG_MAX_NAMES, NULL, is_host,
     "up to 32 host names are allowed, with commas between", "-a--"},
    {"expire", SECTION_WEB, KEY_TIME, WEB(expire), "0", 0, CENTURY, NULL, NULL, NULL, "aa--"},

    {"enabled", SECTION_MIRROR, KEY_BOOL, MIRROR(enabled), "yes", 0, 0, NULL, NULL, NULL, "-ss-"},
    {"upstream", SECTION_MIRROR, KEY_LIST, MIRROR(upstream), "https://opam.ocaml.org", 1, 1, NULL,
     is_url, "the http:// or https:// address of an opam repository is allowed", "-ss-"},
    {"caches", SECTION_MIRROR, KEY_LIST, MIRROR(caches), "https://opam.ocaml.org/cache", 0,
     CONFIG_MAX_URLS, NULL, is_url, "up to 16 " URL_RULE ", with commas between", "--s-"},
    {"refresh", SECTION_MIRROR, KEY_TIME, MIRROR(refresh), "1h", 0, CENTURY, NULL, NULL, NULL, "--a-"},
    {"cache_size", SECTION_MIRROR, KEY_SIZE, MIRROR(cache_size), "20G", 0, PETABYTE, NULL, NULL, NULL, "--a-"},
    {"parallel", SECTION_MIRROR, KEY_NUMBER, MIRROR(parallel), "4", 1, 32, NULL, NULL, NULL, "--a-"},
    {"max_rate", SECTION_MIRROR, KEY_SIZE, MIRROR(max_rate), "0", 0, PETABYTE, NULL, NULL, NULL, "--a-"},
    {"retries", SECTION_MIRROR, KEY_NUMBER, MIRROR(retries), "8", 0, 1000, NULL, NULL, NULL, "--a-"},

    {"mode", SECTION_DHCP, KEY_CHOICE, DHCP(mode), "auto", 0, 0, modes, NULL, NULL, "---s"},
    {"range", SECTION_DHCP, KEY_RANGE, DHCP(first), "", 0, 0, NULL, NULL,
     "FIRST,LAST is allowed, two IPv4 addresses, or nothing", "---s"},
    {"user", SECTION_DHCP, KEY_TEXT, DHCP(user), "riad-net", 0, 32, NULL, is_account,
     "the name of an account is allowed, or nothing", "---b"},
    {"lease", SECTION_DHCP, KEY_TIME, DHCP(lease), "2h", 120, 30 * DAY, NULL, NULL, NULL, "---s"},
    {"gateway", SECTION_DHCP, KEY_ADDRESS, DHCP(gateway), "", 0, 0, NULL, NULL,
     "an IPv4 address is allowed, or nothing", "---s"},
    {"portal", SECTION_DHCP, KEY_BOOL, DHCP(portal), "off", 0, 0, NULL, NULL,
     "on or off is allowed", "-a-s"},

    {"enabled", SECTION_DNS, KEY_BOOL, DNS(enabled), "yes", 0, 0, NULL, NULL, NULL, "---s"},
    {"forward", SECTION_DNS, KEY_LIST, DNS(forward), "", 0, CONFIG_MAX_NAMES, NULL, is_resolver,
     "addresses of resolvers are allowed, with commas between, e.g. 9.9.9.9, or nothing", "---s"},

    {"host_key", SECTION_FACTS, KEY_TEXT, FACTS(host_key), "", 0, 200, NULL, NULL, "text", "aa--"},
    {"host_key_line", SECTION_FACTS, KEY_TEXT, FACTS(host_key_line), "", 0, 2000, NULL, NULL, "text", "aa--"},
    {"chat_listens", SECTION_FACTS, KEY_LIST, FACTS(chat_listens), "", 0, LISTEN_MAX, NULL,
     is_listen, LISTEN_RULE, "aaaa"},
    {"web_listens", SECTION_FACTS, KEY_LIST, FACTS(web_listens), "", 0, LISTEN_MAX, NULL,
     is_listen, LISTEN_RULE, "aaaa"},
    {"started_ms", SECTION_FACTS, KEY_NUMBER, FACTS(started_ms), "0", 0, INT64_MAX, NULL, NULL, NULL, "aaaa"},
};
/* clang-format on */

const size_t keys_count = sizeof(keys) / sizeof(keys[0]);
