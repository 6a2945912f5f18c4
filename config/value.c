#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "config/keys.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fits(const struct key *key, int64_t number)
{
    return number >= key->min && number <= key->max;
}

/* ---- texts and lists ---- */

static bool is_good_text(const struct key *key, const char *text)
{
    return text_is_safe(text, strlen(text)) && (key->check == NULL || key->check(text));
}

static int parse_text(const struct key *key, void *field, const char *text)
{
    char **to = field;

    if (!fits(key, (int64_t)strlen(text)) || !is_good_text(key, text))
        return -1;
    free(*to);
    *to = mem_dup(text);
    return 0;
}

static void put_text(const struct key *key, const void *field, struct buf *out)
{
    (void)key;
    buf_puts(out, *(char *const *)field);
}

static void list_done(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->item[i]);
    *list = (struct config_list){0};
}

static int parse_list(const struct key *key, void *field, const char *text)
{
    struct config_list *to = field, list = {0};
    char *copy = mem_dup(text), *rest = copy;
    int result = -1;

    while (*text != '\0' && rest != NULL) {
        char *word = text_trim(strsep(&rest, ","));

        if (list.count == CONFIG_MAX_NAMES || *word == '\0' || !is_good_text(key, word))
            goto out;
        list.item[list.count++] = mem_dup(word);
    }
    if (!fits(key, (int64_t)list.count))
        goto out;
    list_done(to);
    *to = list;
    list = (struct config_list){0};
    result = 0;
out:
    list_done(&list);
    free(copy);
    return result;
}

static void put_list(const struct key *key, const void *field, struct buf *out)
{
    const struct config_list *list = field;

    (void)key;
    for (size_t i = 0; i < list->count; i++)
        buf_printf(out, "%s%s", i > 0 ? "," : "", list->item[i]);
}

/* ---- yes or no, words, numbers ---- */

static int parse_bool(const struct key *key, void *field, const char *text)
{
    static const char *const words[] = {"no", "yes", "off", "on", "false", "true"};

    (void)key;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *(bool *)field = i % 2 == 1;
            return 0;
        }
    }
    return -1;
}

static void put_bool(const struct key *key, const void *field, struct buf *out)
{
    (void)key;
    buf_puts(out, *(const bool *)field ? "yes" : "no");
}

static int parse_choice(const struct key *key, void *field, const char *text)
{
    for (unsigned i = 0; key->words[i] != NULL; i++) {
        if (strcmp(text, key->words[i]) == 0) {
            *(unsigned *)field = i;
            return 0;
        }
    }
    return -1;
}

static void put_choice(const struct key *key, const void *field, struct buf *out)
{
    buf_puts(out, key->words[*(const unsigned *)field]);
}

static int parse_number(const struct key *key, void *field, const char *text)
{
    int64_t number;
    int result;

    if (key->kind == KEY_TIME)
        result = when_duration_parse(text, &number);
    else if (key->kind == KEY_SIZE)
        result = when_size_parse(text, &number);
    else
        result = strspn(text, "0123456789") == strlen(text) ? when_size_parse(text, &number) : -1;
    if (result < 0 || !fits(key, number))
        return -1;
    *(int64_t *)field = number;
    return 0;
}

static void put_number(const struct key *key, const void *field, struct buf *out)
{
    (void)key;
    buf_printf(out, "%" PRId64, *(const int64_t *)field);
}

/* reserve_bytes with reserve_percent behind it; one of them is set. */
static int parse_reserve(const struct key *key, void *field, const char *text)
{
    int64_t *reserve = field, number;
    char digits[4] = "";
    size_t length = strlen(text);

    if (length >= 2 && length <= 3 && text[length - 1] == '%') {
        memcpy(digits, text, length - 1);
        if (strspn(digits, "0123456789") != length - 1 || atoi(digits) > 90)
            return -1;
        reserve[0] = 0;
        reserve[1] = atoi(digits);
        return 0;
    }
    if (when_size_parse(text, &number) < 0 || !fits(key, number))
        return -1;
    reserve[0] = number;
    reserve[1] = 0;
    return 0;
}

static void put_reserve(const struct key *key, const void *field, struct buf *out)
{
    const int64_t *reserve = field;

    (void)key;
    if (reserve[0] == 0)
        buf_printf(out, "%" PRId64 "%%", reserve[1]);
    else
        buf_printf(out, "%" PRId64, reserve[0]);
}

/* ---- addresses, in host byte order ---- */

static bool to_address(const char *text, uint32_t *address)
{
    struct in_addr bytes;

    if (inet_pton(AF_INET, text, &bytes) != 1)
        return false;
    *address = ntohl(bytes.s_addr);
    return true;
}

static void put_ipv4(uint32_t address, struct buf *out)
{
    buf_printf(out, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
               address & 255);
}

static int parse_network(const struct key *key, void *field, const char *text)
{
    struct config_lan *lan =
        (struct config_lan *)((char *)field - offsetof(struct config_lan, address));
    const char *slash = strchr(text, '/');
    char host[16] = "";
    uint32_t address, hosts;
    int64_t bits;

    if (slash == NULL || (size_t)(slash - text) >= sizeof(host) ||
        strspn(slash + 1, "0123456789") != strlen(slash + 1) ||
        when_size_parse(slash + 1, &bits) < 0 || !fits(key, bits))
        return -1;
    memcpy(host, text, (size_t)(slash - text));
    if (!to_address(host, &address))
        return -1;
    /* Neither the network itself nor its broadcast address. */
    hosts = UINT32_MAX >> bits;
    if ((address & hosts) == 0 || (address & hosts) == hosts)
        return -1;
    lan->address = address;
    lan->prefix = (int)bits;
    return 0;
}

static void put_network(const struct key *key, const void *field, struct buf *out)
{
    const struct config_lan *lan =
        (const struct config_lan *)((const char *)field - offsetof(struct config_lan, address));

    (void)key;
    put_ipv4(lan->address, out);
    buf_printf(out, "/%d", lan->prefix);
}

static int parse_range(const struct key *key, void *field, const char *text)
{
    uint32_t *range = field, first, last;
    char *copy, *rest;
    int result = -1;

    (void)key;
    if (*text == '\0') {
        range[0] = range[1] = 0;
        return 0;
    }
    rest = copy = mem_dup(text);
    strsep(&rest, ",");
    if (rest != NULL && to_address(text_trim(copy), &first) && to_address(text_trim(rest), &last) &&
        first != 0 && first <= last) {
        range[0] = first;
        range[1] = last;
        result = 0;
    }
    free(copy);
    return result;
}

static void put_range(const struct key *key, const void *field, struct buf *out)
{
    const uint32_t *range = field;

    (void)key;
    if (range[0] == 0)
        return;
    put_ipv4(range[0], out);
    buf_putc(out, ',');
    put_ipv4(range[1], out);
}

static int parse_address(const struct key *key, void *field, const char *text)
{
    uint32_t address = 0;

    (void)key;
    if (*text != '\0' && (!to_address(text, &address) || address == 0))
        return -1;
    *(uint32_t *)field = address;
    return 0;
}

static void put_address(const struct key *key, const void *field, struct buf *out)
{
    uint32_t address = *(const uint32_t *)field;

    (void)key;
    if (address != 0)
        put_ipv4(address, out);
}

/* ---- all kinds ---- */

static const struct {
    int (*parse)(const struct key *key, void *field, const char *text);
    void (*put)(const struct key *key, const void *field, struct buf *out);
} kinds[KEY_KINDS] = {
    [KEY_TEXT] = {parse_text,    put_text   },
      [KEY_BOOL] = {parse_bool,    put_bool   },
    [KEY_NUMBER] = {parse_number,  put_number },
      [KEY_TIME] = {parse_number,  put_number },
    [KEY_SIZE] = {parse_number,  put_number },
      [KEY_CHOICE] = {parse_choice,  put_choice },
    [KEY_LIST] = {parse_list,    put_list   },
      [KEY_RESERVE] = {parse_reserve, put_reserve},
    [KEY_NETWORK] = {parse_network, put_network},
      [KEY_RANGE] = {parse_range,   put_range  },
    [KEY_ADDRESS] = {parse_address, put_address},
};

/* The largest unit that divides number, as it would be written. */
static void put_unit(struct buf *out, int64_t number, const char *units, const int64_t *worths)
{
    for (size_t i = strlen(units); i-- > 0;) {
        if (number > 0 && number % worths[i] == 0) {
            buf_printf(out, "%" PRId64 "%c", number / worths[i], units[i]);
            return;
        }
    }
    buf_printf(out, "%" PRId64, number);
}

static char *describe(const struct key *key)
{
    static const int64_t times[] = {1, 60, 3600, 86400};
    static const int64_t sizes[] = {1 << 10, 1 << 20, 1 << 30, (int64_t)1 << 40};
    struct buf out;

    if (key->allowed != NULL)
        return mem_dup(key->allowed);
    buf_init(&out, 1000);
    if (key->kind == KEY_BOOL) {
        buf_puts(&out, "yes or no is allowed");
    } else if (key->kind == KEY_CHOICE) {
        for (size_t i = 0; key->words[i] != NULL; i++)
            buf_printf(&out, "%s%s",
                       i == 0                      ? ""
                       : key->words[i + 1] == NULL ? " or "
                                                   : ", ",
                       key->words[i]);
        buf_puts(&out, " is allowed");
    } else if (key->kind == KEY_TIME) {
        buf_puts(&out, "a time from ");
        put_unit(&out, key->min, "smhd", times);
        buf_puts(&out, " to ");
        put_unit(&out, key->max, "smhd", times);
        buf_puts(&out, " is allowed, in s, m, h or d");
    } else if (key->kind == KEY_SIZE) {
        buf_puts(&out, "a size from ");
        put_unit(&out, key->min, "KMGT", sizes);
        buf_puts(&out, " to ");
        put_unit(&out, key->max, "KMGT", sizes);
        buf_puts(&out, " is allowed, in K, M, G or T");
    } else {
        buf_printf(&out, "a number from %" PRId64 " to %" PRId64 " is allowed", key->min, key->max);
    }
    return (char *)out.data;
}

int value_parse(const struct key *key, void *field, const char *text, char **allowed)
{
    if (kinds[key->kind].parse(key, field, text) == 0)
        return 0;
    *allowed = describe(key);
    return -1;
}

void value_put(const struct key *key, const void *field, struct buf *out)
{
    kinds[key->kind].put(key, field, out);
}

void value_done(const struct key *key, void *field)
{
    if (key->kind == KEY_LIST) {
        list_done(field);
    } else if (key->kind == KEY_TEXT) {
        free(*(char **)field);
        *(char **)field = NULL;
    }
}
