/*
 * keys: the one table of riad.conf.
 *
 * A row for each key: where it stands in the file and in struct config, its kind, default and
 * bounds, and what it takes to apply a change. Reading, writing (config_put), comparing
 * (config_compare) and the sentences about mistakes are all driven by it; only config.c,
 * read.c and value.c include this header.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "config/config.h"

#include <stddef.h>

/* How text becomes a field; value.c has a reader and a writer for each. */
enum key_kind {
    KEY_TEXT,    /* char *; `check` says whether it will do */
    KEY_BOOL,    /* bool */
    KEY_NUMBER,  /* int64_t, min to max */
    KEY_TIME,    /* int64_t seconds, min to max */
    KEY_SIZE,    /* int64_t bytes, min to max */
    KEY_CHOICE,  /* an enum, by its place in `words` */
    KEY_LIST,    /* struct config_list, each item as `check` says, min to max items */
    KEY_RESERVE, /* reserve_bytes or reserve_percent of struct config_box */
    KEY_NETWORK, /* address and prefix of struct config_lan */
    KEY_RANGE,   /* first and last of struct config_dhcp */
    KEY_ADDRESS, /* uint32_t IPv4, or empty: 0 */
    KEY_KINDS
};

enum key_section {
    SECTION_BOX,
    SECTION_LAN,
    SECTION_CHAT,
    SECTION_WEB,
    SECTION_MIRROR,
    SECTION_DHCP,
    SECTION_DNS,
    SECTION_FACTS,
    SECTION_COUNT
};

struct key {
    const char *name;
    enum key_section section;
    enum key_kind kind;
    size_t at;            /* offset in struct config; of a mirror's keys in struct config_mirror */
    const char *fallback; /* the default, as it would be written */
    int64_t min, max;     /* bounds; of texts in bytes, of lists in items */
    const char *const *words;
    bool (*check)(const char *text);
    const char *allowed; /* what is allowed, for the sentence; NULL: follows from the bounds */
    const char *effort;  /* for chat, web, mirror, dhcp: - nothing, a at once, s service, b box */
};

extern const struct key keys[];
extern const size_t keys_count;

/* No more rows than this. */
#define KEYS_MAX 64

/* "box", "lan", ... */
extern const char *const key_sections[SECTION_COUNT];

/* Reads text into the field. 0, or -1 with *allowed saying what is allowed there, yours to free. */
int value_parse(const struct key *key, void *field, const char *text, char **allowed);

/* Appends the field as text that value_parse reads back. */
void value_put(const struct key *key, const void *field, struct buf *out);

/* Releases what the field holds. */
void value_done(const struct key *key, void *field);

/* ---- for config.c and read.c ---- */

/* Where a key's field is. Mirrors share their rows: number says which. */
void *key_field(const struct config *config, const struct key *key, size_t number);

/* Adds a mirror of that name with the defaults; there must be room. */
void keys_add_mirror(struct config *config, const char *name);

/* An empty range becomes .50 to .250, or the upper three quarters of a small network, beside the
 * box itself. */
void keys_fill_range(struct config *config);

#endif
