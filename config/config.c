#include "config/config.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/keys.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (256 * 1024)
#define KEYS_MAX 64

/* ---- fields ---- */

/* Where a key's field is. Mirrors share their rows: number says which. */
static void *field_of(const struct config *config, const struct key *key, size_t number)
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

    if (value_parse(key, field_of(config, key, number), key->fallback, &allowed) < 0)
        abort(); /* the table contradicts itself; a unit test walks it */
}

static void add_mirror(struct config *config, const char *name)
{
    size_t number = config->mirror_count++;

    config->mirror[number].name = mem_dup(name);
    for (size_t i = 0; i < keys_count; i++)
        if (keys[i].section == SECTION_MIRROR)
            set_default(config, &keys[i], number);
}

/* .50 to .250, or the upper three quarters of a small network, beside the box itself. */
static void fill_range(struct config *config)
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
    add_mirror(config, "");
    fill_range(config);
}

void config_done(struct config *config)
{
    for (size_t i = 0; i < keys_count; i++)
        for (size_t number = 0; number < instances(config, &keys[i]); number++)
            value_done(&keys[i], field_of(config, &keys[i], number));
    for (size_t number = 0; number < config->mirror_count; number++)
        free(config->mirror[number].name);
    memset(config, 0, sizeof(*config));
}

/* ---- reading ---- */

struct reading {
    struct config *config;
    const char *name;
    config_complain *complain;
    void *context;
    bool whole; /* [facts] is allowed */
    bool failed;
    int line;
    int section;   /* of the lines being read; -1 before the first and in an unknown one */
    bool skipping; /* the section is unknown: its keys are not complained about */
    size_t number; /* which mirror */
    int seen[CONFIG_MAX_MIRRORS][KEYS_MAX]; /* the line that gave a key; 0 not given */
};

__attribute__((format(printf, 3, 4))) static void complain(struct reading *reading, int line,
                                                           const char *format, ...)
{
    va_list arguments;
    struct buf sentence;

    buf_init(&sentence, 4000);
    buf_printf(&sentence, "%s:%d: ", reading->name, line);
    va_start(arguments, format);
    buf_vprintf(&sentence, format, arguments);
    va_end(arguments);
    reading->failed = true;
    if (reading->complain != NULL)
        reading->complain(reading->context, buf_text(&sentence));
    buf_done(&sentence);
}

/* What a person typed, fit to be shown, cut short; yours to free. */
static char *shown(const char *text)
{
    struct buf out;

    buf_init(&out, 80);
    text_clean(&out, text, strlen(text), TEXT_ONE_LINE);
    return (char *)out.data;
}

static bool section_is_open(const struct reading *reading, int section)
{
    return section != SECTION_FACTS || reading->whole;
}

static void complain_section(struct reading *reading, const char *word)
{
    char *typed = shown(word);
    struct buf list;

    buf_init(&list, 1000);
    for (int i = 0; i < SECTION_COUNT; i++)
        if (section_is_open(reading, i))
            buf_printf(&list, "[%s], ", key_sections[i]);
    complain(reading, reading->line, "unknown section [%s]; allowed are %s[mirror NAME]", typed,
             buf_text(&list));
    buf_done(&list);
    free(typed);
}

static bool is_mirror_name(const char *name)
{
    static const char *const taken[] = {"cache", "repo", "index.tar.gz", "packages", "archives"};

    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (strcmp(name, taken[i]) == 0)
            return false;
    return *name != '\0' && *name != '.' && *name != '-' && strlen(name) <= 32 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(name);
}

static void open_mirror(struct reading *reading, const char *name)
{
    struct config *config = reading->config;

    for (size_t i = 1; i < config->mirror_count; i++) {
        if (strcmp(config->mirror[i].name, name) == 0) {
            reading->number = i;
            return;
        }
    }
    reading->skipping = true;
    if (!is_mirror_name(name)) {
        char *typed = shown(name);

        complain(reading, reading->line,
                 "[mirror %s]: up to 32 of a-z 0-9 . _ - are allowed as its name, except cache, "
                 "repo, packages, archives and index.tar.gz",
                 typed);
        free(typed);
    } else if (config->mirror_count == CONFIG_MAX_MIRRORS) {
        complain(reading, reading->line, "[mirror %s]: at most %d mirrors are allowed", name,
                 CONFIG_MAX_MIRRORS);
    } else {
        reading->number = config->mirror_count;
        reading->skipping = false;
        add_mirror(config, name);
        reading->seen[reading->number][KEYS_MAX - 1] = reading->line;
    }
}

static void read_section(struct reading *reading, char *word)
{
    reading->section = -1;
    reading->number = 0;
    reading->skipping = false;
    if (strncmp(word, "mirror", 6) == 0 && (word[6] == ' ' || word[6] == '\t')) {
        reading->section = SECTION_MIRROR;
        open_mirror(reading, text_trim(word + 6));
        return;
    }
    for (int i = 0; i < SECTION_COUNT; i++)
        if (section_is_open(reading, i) && strcmp(word, key_sections[i]) == 0)
            reading->section = i;
    if (reading->section == -1) {
        reading->skipping = true;
        complain_section(reading, word);
    }
}

/* "box", "mirror overlay": the section as it stands in the file; out has 64 bytes. */
static const char *section_text(const struct reading *reading, char *out)
{
    const char *name = reading->config->mirror[reading->number].name;

    strcpy(out, key_sections[reading->section]);
    if (reading->section == SECTION_MIRROR && reading->number > 0)
        strcat(strcat(out, " "), name);
    return out;
}

static void complain_key(struct reading *reading, const char *word)
{
    char section[64], *typed = shown(word);
    struct buf list;

    buf_init(&list, 1000);
    for (size_t i = 0; i < keys_count; i++)
        if ((int)keys[i].section == reading->section)
            buf_printf(&list, "%s%s", list.len > 0 ? ", " : "", keys[i].name);
    complain(reading, reading->line, "unknown key \"%s\" in [%s]; allowed are %s", typed,
             section_text(reading, section), buf_text(&list));
    buf_done(&list);
    free(typed);
}

static void read_value(struct reading *reading, size_t row, const char *value)
{
    int *seen = &reading->seen[reading->number][row];
    char section[64], *allowed = NULL, *typed;
    const struct key *key = &keys[row];
    void *field = field_of(reading->config, key, reading->number);

    section_text(reading, section);
    if (*seen != 0) {
        complain(reading, reading->line, "[%s] %s is given twice, first in line %d", section,
                 key->name, *seen);
        return;
    }
    *seen = reading->line;
    if (value_parse(key, field, value, &allowed) == 0)
        return;
    typed = shown(value);
    complain(reading, reading->line, "[%s] %s = \"%s\" will not do: %s", section, key->name, typed,
             allowed);
    free(typed);
    free(allowed);
}

static void read_key(struct reading *reading, const char *name, const char *value)
{
    if (reading->skipping)
        return;
    if (reading->section == -1) {
        complain(reading, reading->line, "\"%s\" stands before the first [section]", name);
        return;
    }
    for (size_t i = 0; i < keys_count; i++) {
        if ((int)keys[i].section == reading->section && strcmp(keys[i].name, name) == 0) {
            read_value(reading, i, value);
            return;
        }
    }
    complain_key(reading, name);
}

/* Cuts a comment: at the start, or behind a blank. */
static void cut_comment(char *line)
{
    for (char *at = line; *at != '\0'; at++) {
        if ((*at == '#' || *at == ';') && (at == line || at[-1] == ' ' || at[-1] == '\t')) {
            *at = '\0';
            return;
        }
    }
}

static void read_line(struct reading *reading, char *line)
{
    char *equals, *typed;
    size_t length;

    cut_comment(line);
    text_trim(line);
    length = strlen(line);
    if (length == 0)
        return;
    if (line[0] == '[' && line[length - 1] == ']') {
        line[length - 1] = '\0';
        read_section(reading, text_trim(line + 1));
        return;
    }
    equals = strchr(line, '=');
    if (line[0] == '[' || equals == NULL) {
        typed = shown(line);
        complain(reading, reading->line,
                 "\"%s\" is neither [section] nor key = value nor # a comment", typed);
        free(typed);
        return;
    }
    *equals = '\0';
    read_key(reading, text_trim(line), text_trim(equals + 1));
}

/* ---- what keys demand of each other ---- */

/* The line to blame: the one that gave the key, else the last. */
static int line_of(const struct reading *reading, enum key_section section, const char *name)
{
    for (size_t i = 0; i < keys_count; i++)
        if (keys[i].section == section && strcmp(keys[i].name, name) == 0)
            return reading->seen[0][i];
    return 0;
}

static bool in_network(const struct config_lan *lan, uint32_t address)
{
    uint32_t hosts = UINT32_MAX >> lan->prefix;

    return (address & ~hosts) == (lan->address & ~hosts) && (address & hosts) != 0 &&
           (address & hosts) != hosts;
}

static void check_range(struct reading *reading)
{
    const struct config_dhcp *dhcp = &reading->config->dhcp;
    const struct config_lan *lan = &reading->config->lan;
    int line = line_of(reading, SECTION_DHCP, "range");

    if (dhcp->first == 0 || reading->failed)
        return;
    if (!in_network(lan, dhcp->first) || !in_network(lan, dhcp->last))
        complain(reading, line,
                 "[dhcp] range: both addresses must lie in the network of [lan] address");
    else if (lan->address >= dhcp->first && lan->address <= dhcp->last)
        complain(reading, line, "[dhcp] range must not contain [lan] address, the box's own");
}

static void check_gateway(struct reading *reading)
{
    uint32_t gateway = reading->config->dhcp.gateway;
    const struct config_dhcp *dhcp = &reading->config->dhcp;
    int line = line_of(reading, SECTION_DHCP, "gateway");

    if (gateway == 0 || reading->failed)
        return;
    if (!in_network(&reading->config->lan, gateway))
        complain(reading, line, "[dhcp] gateway must lie in the network of [lan] address");
    else if (gateway >= dhcp->first && gateway <= dhcp->last)
        complain(reading, line, "[dhcp] gateway must lie outside [dhcp] range");
}

/* A named mirror is of something else than the first. */
static void check_mirrors(struct reading *reading)
{
    for (size_t number = 1; number < reading->config->mirror_count; number++) {
        bool given = false;

        for (size_t i = 0; i < keys_count; i++)
            given |= keys[i].section == SECTION_MIRROR && strcmp(keys[i].name, "upstream") == 0 &&
                     reading->seen[number][i] != 0;
        if (!given)
            complain(reading, reading->seen[number][KEYS_MAX - 1],
                     "[mirror %s] must name its upstream", reading->config->mirror[number].name);
    }
}

static int parse(struct config *config, const char *name, const char *bytes, size_t length,
                 bool whole, config_complain *hear, void *context)
{
    struct reading *reading = mem_alloc(sizeof(*reading));
    char *copy = mem_dup_bytes(bytes, length), *rest = copy;
    int result;

    _Static_assert(sizeof(reading->seen[0]) / sizeof(int) == KEYS_MAX, "a line for each key");
    *reading = (struct reading){.config = config,
                                .name = name,
                                .complain = hear,
                                .context = context,
                                .whole = whole,
                                .section = -1};
    config_init(config);
    config->dhcp.first = config->dhcp.last = 0;
    if (strncmp(copy, "\xEF\xBB\xBF", 3) == 0)
        rest += 3;
    if (strlen(copy) != length)
        complain(reading, 1, "this is no text file: it contains a NUL byte");
    while (rest != NULL) {
        char *line = strsep(&rest, "\n");

        reading->line++;
        read_line(reading, line);
    }
    check_range(reading);
    fill_range(config);
    check_gateway(reading);
    check_mirrors(reading);
    result = reading->failed ? -1 : 0;
    if (result < 0)
        config_done(config);
    free(copy);
    free(reading);
    return result;
}

int config_parse(struct config *config, const char *name, const void *bytes, size_t length,
                 config_complain *complain_to, void *context)
{
    return parse(config, name, bytes, length, false, complain_to, context);
}

int config_parse_whole(struct config *config, const char *name, const void *bytes, size_t length,
                       config_complain *complain_to, void *context)
{
    return parse(config, name, bytes, length, true, complain_to, context);
}

int config_load(struct config *config, const char *path, config_complain *complain_to,
                void *context)
{
    struct buf bytes;
    int result = -1;

    if (path == NULL && (path = getenv("RIAD_CONF")) == NULL) {
        if (access(CONFIG_DEFAULT_PATH, F_OK) < 0 && errno == ENOENT) {
            config_init(config);
            return 0;
        }
        path = CONFIG_DEFAULT_PATH;
    }
    buf_init(&bytes, FILE_MAX);
    if (fs_read_file(path, &bytes) < 0) {
        char *sentence = mem_printf("%s: cannot read the configuration: %s", path,
                                    errno == EFBIG ? "larger than 256 kB" : strerror(errno));

        if (complain_to != NULL)
            complain_to(context, sentence);
        free(sentence);
    } else {
        result = config_parse(config, path, bytes.data, bytes.len, complain_to, context);
    }
    buf_done(&bytes);
    return result;
}

/* ---- writing ---- */

static void put_section(struct buf *out, const struct config *config, enum key_section section,
                        size_t number)
{
    buf_printf(out, "[%s%s%s]\n", key_sections[section], number > 0 ? " " : "",
               number > 0 ? config->mirror[number].name : "");
    for (size_t i = 0; i < keys_count; i++) {
        if (keys[i].section != section)
            continue;
        buf_printf(out, "%s = ", keys[i].name);
        value_put(&keys[i], field_of(config, &keys[i], number), out);
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

    buf_init(&one, FILE_MAX);
    buf_init(&other, FILE_MAX);
    value_put(&keys[row], field_of(before, &keys[row], number), &one);
    value_put(&keys[row], field_of(after, &keys[row], number), &other);
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
