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
        keys_add_mirror(config, name);
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
    void *field = key_field(reading->config, key, reading->number);

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
    keys_fill_range(config);
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

const char *config_find(const char *path)
{
    if (path != NULL)
        return path;
    path = getenv("RIAD_CONF");
    if (path != NULL && *path != '\0')
        return path;
    return access(CONFIG_DEFAULT_PATH, F_OK) < 0 && errno == ENOENT ? NULL : CONFIG_DEFAULT_PATH;
}

int config_load(struct config *config, const char *path, config_complain *complain_to,
                void *context)
{
    struct buf bytes;
    int result = -1;

    path = config_find(path);
    if (path == NULL) {
        config_init(config);
        return 0;
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
