#include "config/config.h"
#include "base/mem.h"
#include "config/keys.h"

#include <stdlib.h>
#include <string.h>

/* Above any value: a key stands on one line of a file of at most 256 kB. */
#define VALUE_MAX (256 * 1024)

/* ---- fields ---- */

void *key_field(const struct config *config, const struct key *key, size_t number)
{
    const void *base = config;

    if (key->section == SECTION_MIRROR)
        base = &config->mirror[number];
    /* Callers that read hold a const config, those that write do not. */
    return (char *)(uintptr_t)base + key->at;
}

static size_t instances(const struct config *config, const struct key *key)
{
    return key->section == SECTION_MIRROR ? config->mirror_count : 1;
}

static void set_default(struct config *config, const struct key *key, size_t number)
{
    char *allowed = NULL;

    if (value_parse(key, key_field(config, key, number), key->fallback, &allowed) < 0)
        abort(); /* the table contradicts itself; a unit test walks it */
}

void keys_add_mirror(struct config *config, const char *name)
{
    size_t number = config->mirror_count++;

    config->mirror[number].name = mem_dup(name);
    for (size_t i = 0; i < keys_count; i++)
        if (keys[i].section == SECTION_MIRROR)
            set_default(config, &keys[i], number);
}

void keys_fill_range(struct config *config)
{
    uint32_t hosts = UINT32_MAX >> config->lan.prefix;
    uint32_t network = config->lan.address & ~hosts, own = config->lan.address;
    uint32_t first = network + (hosts >= 255 ? 50 : (hosts + 1) / 4);
    uint32_t last = network + (hosts >= 255 ? 250 : hosts - 1);

    if (config->dhcp.first != 0)
        return;
    if (own >= first && own <= last) {
        if (own - first > last - own)
            last = own - 1;
        else
            first = own + 1;
    }
    config->dhcp.first = first;
    config->dhcp.last = last;
}

void config_init(struct config *config)
{
    memset(config, 0, sizeof(*config));
    for (size_t i = 0; i < keys_count; i++)
        if (keys[i].section != SECTION_MIRROR)
            set_default(config, &keys[i], 0);
    keys_add_mirror(config, "");
    keys_fill_range(config);
}

void config_done(struct config *config)
{
    for (size_t i = 0; i < keys_count; i++)
        for (size_t number = 0; number < instances(config, &keys[i]); number++)
            value_done(&keys[i], key_field(config, &keys[i], number));
    for (size_t number = 0; number < config->mirror_count; number++)
        free(config->mirror[number].name);
    memset(config, 0, sizeof(*config));
}

/* ---- writing ---- */

static void put_section(struct buf *out, const struct config *config, enum key_section section,
                        size_t number)
{
    const char *name = section == SECTION_MIRROR ? config->mirror[number].name : "";

    buf_printf(out, "[%s%s%s]\n", key_sections[section], *name != '\0' ? " " : "", name);
    for (size_t i = 0; i < keys_count; i++) {
        if (keys[i].section != section)
            continue;
        /* No blank before the value: one that begins with # would be a comment. */
        buf_printf(out, "%s =", keys[i].name);
        value_put(&keys[i], key_field(config, &keys[i], number), out);
        buf_putc(out, '\n');
    }
}

void config_put(struct buf *out, const struct config *config)
{
    for (int section = 0; section < SECTION_COUNT; section++) {
        size_t count = section == SECTION_MIRROR ? config->mirror_count : 1;

        for (size_t number = 0; number < count; number++)
            put_section(out, config, (enum key_section)section, number);
    }
}

/* ---- comparing ---- */

static void raise_effort(enum config_effort *effort, char letter)
{
    static const char letters[] = "-asb";
    enum config_effort needed = (enum config_effort)(strchr(letters, letter) - letters);

    if (needed > *effort)
        *effort = needed;
}

/* "section.key" of a row, for ever. */
static char *row_name(size_t row)
{
    static char text[KEYS_MAX][48];

    if (text[row][0] == '\0') {
        strcpy(text[row], key_sections[keys[row].section]);
        strcat(strcat(text[row], "."), keys[row].name);
    }
    return text[row];
}

static void note_change(struct config_change *change, size_t row)
{
    const char *effort = keys[row].effort;
    struct config_list *box = &change->box;

    raise_effort(&change->chat, effort[0]);
    raise_effort(&change->web, effort[1]);
    raise_effort(&change->mirror, effort[2]);
    raise_effort(&change->dhcp, effort[3]);
    if (strchr(effort, 'b') != NULL && box->count < CONFIG_MAX_NAMES &&
        (box->count == 0 || box->item[box->count - 1] != row_name(row)))
        box->item[box->count++] = row_name(row);
}

static bool differs(const struct config *before, const struct config *after, size_t row,
                    size_t number)
{
    struct buf one, other;
    bool result;

    buf_init(&one, VALUE_MAX);
    buf_init(&other, VALUE_MAX);
    value_put(&keys[row], key_field(before, &keys[row], number), &one);
    value_put(&keys[row], key_field(after, &keys[row], number), &other);
    result = strcmp(buf_text(&one), buf_text(&other)) != 0;
    buf_done(&one);
    buf_done(&other);
    return result;
}

static bool same_mirrors(const struct config *before, const struct config *after)
{
    bool same = before->mirror_count == after->mirror_count;

    for (size_t i = 0; same && i < before->mirror_count; i++)
        same = strcmp(before->mirror[i].name, after->mirror[i].name) == 0;
    return same;
}

void config_compare(const struct config *before, const struct config *after,
                    struct config_change *change)
{
    bool same = same_mirrors(before, after);

    memset(change, 0, sizeof(*change));
    if (!same)
        change->web = change->mirror = CONFIG_SERVICE;
    for (size_t i = 0; i < keys_count; i++) {
        size_t count = keys[i].section != SECTION_MIRROR ? 1 : same ? before->mirror_count : 0;

        for (size_t number = 0; number < count; number++)
            if (differs(before, after, i, number))
                note_change(change, i);
    }
}

/* ---- what follows from it ---- */

char *config_path(const struct config *config, const char *below)
{
    return mem_printf("%s/%s", config->box.state, below);
}

int64_t config_reserve(const struct config *config, int64_t disk_total)
{
    if (config->box.reserve_bytes != 0)
        return config->box.reserve_bytes;
    return disk_total / 100 * config->box.reserve_percent;
}

/* The first of the preferred port's listens, else the first at all; 0 if there is none. */
static int port_of(const struct config_list *facts, const struct config_list *wanted, int preferred)
{
    const struct config_list *list = facts->count > 0 ? facts : wanted;
    union listen_address address;
    int first = 0;

    for (size_t i = 0; i < list->count; i++) {
        if (listen_parse(list->item[i], &address) < 0)
            continue;
        if (listen_port(&address) == preferred)
            return preferred;
        if (first == 0)
            first = listen_port(&address);
    }
    return first;
}

int config_ssh_port(const struct config *config)
{
    if (!config->chat.enabled)
        return 0;
    return port_of(&config->facts.chat_listens, &config->chat.listen, 22);
}

int config_web_port(const struct config *config)
{
    if (!config->web.enabled)
        return 0;
    return port_of(&config->facts.web_listens, &config->web.listen, 80);
}
