/*
 * config: riad.conf as a checked struct.
 *
 * config.c holds one table with a row for each key: section, name, kind of value, default, bounds,
 * where it goes in the struct, and how it is applied when it changes under a running box
 * (riad.conf(5) describes them all). Reading is strict: an unknown section or key, a value out of
 * bounds, a key given twice is an error that names the file, the line and what is allowed there.
 * All errors of a file are reported, not only the first.
 *
 * The keeper reads the file once, and hands the checked result to the services as text again
 * (config_put), with the facts of this start in a section [facts] that no file may contain.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/listen.h"
#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_DEFAULT_PATH "/etc/riad/riad.conf"
#define CONFIG_MAX_MIRRORS  16 /* [mirror] and the named ones */
#define CONFIG_MAX_URLS     16
#define CONFIG_MAX_NAMES    32

enum config_newcomers { NEWCOMERS_OPEN, NEWCOMERS_ASK, NEWCOMERS_CLOSED };
enum config_upload { UPLOAD_ANYONE, UPLOAD_PEOPLE, UPLOAD_NOBODY };
enum config_dhcp_mode { DHCP_OFF, DHCP_AUTO, DHCP_ON };

/* A list of words; a NULL ends it, too. */
struct config_list {
    char *item[CONFIG_MAX_NAMES + 1];
    size_t count;
};

struct config_box {
    char *name, *domain, *title, *state, *user, *zone, *notice;
    enum log_level log;
    int64_t keep; /* seconds; 0 never */
    enum config_newcomers newcomers;
    int64_t reserve_bytes; /* one of these two is set */
    int64_t reserve_percent;
};

struct config_lan {
    char *interface;            /* "" leaves the network alone */
    uint32_t address;           /* IPv4, host byte order */
    int prefix;                 /* bits of the network */
    char *wifi, *wifi_password; /* for the poster: what guests join; "" none */
};

struct config_chat {
    bool enabled;
    struct config_list listen; /* each accepted by listen_parse */
    int64_t history, idle;
    int64_t rate; /* messages a person may say in rate_window */
    int64_t rate_window;
    int64_t max_per_address;     /* connections of one address */
    int64_t max_unauthenticated; /* connections not yet authenticated, in all */
    int64_t login_time;          /* seconds to authenticate */
    int64_t max_message;         /* bytes of one message */
};

struct config_web {
    bool enabled;
    struct config_list listen;
    enum config_upload upload;
    int64_t max_file, expire;
    struct config_list hosts;
};

struct config_mirror {
    char *name; /* "" for [mirror], NAME for [mirror NAME] */
    bool enabled;
    struct config_list upstream; /* one URL; a list for the day it is more */
    struct config_list caches;
    int64_t refresh, cache_size, parallel, max_rate, retries;
};

struct config_dhcp {
    enum config_dhcp_mode mode;
    uint32_t first, last; /* host byte order; filled in when range is empty */
    char *user;
    int64_t lease;
    uint32_t gateway; /* 0 none */
    bool portal;
};

struct config_dns {
    bool enabled;
    struct config_list forward;
};

/* What the keeper found out at this start. */
struct config_facts {
    char *host_key;                  /* "SHA256:..." of the SSH host key; "" if unknown */
    char *host_key_line;             /* "ssh-ed25519 AAAA..." */
    struct config_list chat_listens; /* ADDRESS:PORT of those that really listen */
    struct config_list web_listens;
    int64_t started_ms; /* wall time of the box's start */
};

struct config {
    struct config_box box;
    struct config_lan lan;
    struct config_chat chat;
    struct config_web web;
    struct config_mirror mirror[CONFIG_MAX_MIRRORS]; /* [0] is [mirror] */
    size_t mirror_count;
    struct config_dhcp dhcp;
    struct config_dns dns;
    struct config_facts facts;
};

/* Receives one error of a configuration as a whole sentence, `FILE:LINE: ...`. */
typedef void config_complain(void *context, const char *sentence);

/* Fills config with the defaults. */
void config_init(struct config *config);
/* Releases what config holds. */
void config_done(struct config *config);

/* The file to read: path unless it is NULL, else $RIAD_CONF unless that is empty, else
 * CONFIG_DEFAULT_PATH if it exists. NULL: none, the defaults hold. */
const char *config_find(const char *path);

/*
 * Reads the file that config_find finds over the defaults into config, which is initialised here.
 * Each error goes to complain. 0; -1 if there was any error: config is then done.
 */
int config_load(struct config *config, const char *path, config_complain *complain, void *context);

/* The same from bytes; name stands for the file in errors. */
int config_parse(struct config *config, const char *name, const void *bytes, size_t length,
                 config_complain *complain, void *context);

/* Appends config as text that config_parse_whole reads back, facts included. */
void config_put(struct buf *out, const struct config *config);
/* Like config_parse, and accepts [facts]. */
int config_parse_whole(struct config *config, const char *name, const void *bytes, size_t length,
                       config_complain *complain, void *context);

/* How a change is applied: by order of effort. */
enum config_effort {
    CONFIG_SAME,    /* nothing changed */
    CONFIG_AT_ONCE, /* limits, rates, texts, history: services take it up by themselves */
    CONFIG_SERVICE, /* the service must be started again */
    CONFIG_BOX,     /* only a full restart helps: state, user, listen, [lan] */
};

struct config_change {
    enum config_effort chat, web, mirror, dhcp; /* the most effort that each one needs */
    struct config_list box;                     /* "section.key" of those that need the box */
};

/* What differs. Names in change->box are not to be freed. */
void config_compare(const struct config *before, const struct config *after,
                    struct config_change *change);

/* PATH below the state folder, yours to free: config_path(c, "store/riad.db"). */
char *config_path(const struct config *config, const char *below);

/* The bytes of the disk that uploads and mirror leave free, for a disk of total bytes. */
int64_t config_reserve(const struct config *config, int64_t disk_total);

/*
 * How to reach the box, the same everywhere it is told. SSH and web port that really work (the
 * facts, else the configuration); 0 if the service is off. 22 and 80 need not be shown.
 */
int config_ssh_port(const struct config *config);
int config_web_port(const struct config *config);

#endif
