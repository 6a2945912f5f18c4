#include "supervisor/ruleset.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kernel refuses rules that jump deeper. */
#define DEPTH_MAX 16

struct chain {
    const char *table, *name; /* `inet filter`, `input` */
    bool input, closed;       /* hooks into input; its policy drops */
    size_t first, end;        /* its rules */
};

struct ruleset {
    char *text;
    const char **rule;
    struct chain *chain;
    size_t rules, chains;
};

/* ---- parsing: the lines of a ruleset, cut up in place ---- */

/* Cuts the line ` table inet filter {` behind its first word; NULL if that is another. */
static char *headline(char *line, const char *word)
{
    size_t length = strlen(word);

    if (strncmp(line, word, length) != 0 || line[length] != ' ')
        return NULL;
    line[strcspn(line, "{")] = '\0';
    return text_trim(line + length);
}

static void read_hook(struct chain *chain, const char *line)
{
    chain->input = strncmp(line, "type filter hook input ", 23) == 0 &&
                   (strncmp(chain->table, "ip ", 3) == 0 || strncmp(chain->table, "inet ", 5) == 0);
    chain->closed = strstr(line, "policy drop") != NULL;
}

struct ruleset *ruleset_parse(const char *text)
{
    struct ruleset *set = mem_alloc(sizeof(*set));
    char *rest = set->text = mem_dup(text), *line;
    const char *table = "", *name;
    size_t lines = 1;
    bool inside = false;

    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    set->rule = mem_array(lines, sizeof(*set->rule));
    set->chain = mem_array(lines, sizeof(*set->chain));
    while ((line = strsep(&rest, "\n")) != NULL) {
        line = text_trim(line);
        if (!inside && (name = headline(line, "table")) != NULL) {
            table = name;
        } else if (!inside && (name = headline(line, "chain")) != NULL) {
            set->chain[set->chains++] = (struct chain){table, name, .first = set->rules};
            inside = true;
        } else if (inside && *line == '}') {
            set->chain[set->chains - 1].end = set->rules;
            inside = false;
        } else if (inside && strncmp(line, "type ", 5) == 0) {
            read_hook(&set->chain[set->chains - 1], line);
        } else if (inside && *line != '\0') {
            set->rule[set->rules++] = line;
        }
    }
    if (inside)
        set->chain[set->chains - 1].end = set->rules;
    return set;
}

void ruleset_free(struct ruleset *set)
{
    if (set == NULL)
        return;
    free(set->rule);
    free(set->chain);
    free(set->text);
    free(set);
}

static const struct chain *find_chain(const struct ruleset *set, const char *table,
                                      const char *name, size_t length)
{
    for (size_t i = 0; i < set->chains; i++)
        if (strcmp(set->chain[i].table, table) == 0 &&
            strncmp(set->chain[i].name, name, length) == 0 && set->chain[i].name[length] == '\0')
            return &set->chain[i];
    return NULL;
}

/* ---- words of a rule ---- */

struct word {
    const char *at;
    size_t length;
};

/* The next word, taken off *rest: up to a blank, or a whole "text" or { set }. */
static struct word next(const char **rest)
{
    struct word word = {*rest + strspn(*rest, " "), 0};
    const char *end;

    if (*word.at == '"' && (end = strchr(word.at + 1, '"')) != NULL)
        word.length = (size_t)(end - word.at) + 1;
    else if (*word.at == '{' && (end = strchr(word.at, '}')) != NULL)
        word.length = (size_t)(end - word.at) + 1;
    else
        word.length = strcspn(word.at, " ");
    *rest = word.at + word.length;
    return word;
}

static bool is(struct word word, const char *text)
{
    return strlen(text) == word.length && memcmp(word.at, text, word.length) == 0;
}

static bool is_one_of(struct word word, const char *const *texts)
{
    while (*texts != NULL && !is(word, *texts))
        texts++;
    return *texts != NULL;
}

static struct word peek(const char *rest)
{
    return next(&rest);
}

/* ---- matches ---- */

enum match { NO, YES, MAYBE };

/* Whether one item is what the packet has. */
typedef enum match item_match(struct word item, const struct ruleset_packet *packet);

static enum match match_port(struct word item, const struct ruleset_packet *packet)
{
    char *behind;
    long first = strtol(item.at, &behind, 10), last = first;

    if (behind == item.at)
        return MAYBE;
    if (*behind == '-')
        last = strtol(behind + 1, NULL, 10);
    return packet->port >= first && packet->port <= last ? YES : NO;
}

/* A name as in "eth0", or a pattern as in "eth*". */
static enum match match_interface(struct word item, const struct ruleset_packet *packet)
{
    const char *name = packet->interface;

    if (item.length < 3 || *item.at != '"')
        return MAYBE;
    item = (struct word){item.at + 1, item.length - 2};
    if (is(item, "lo"))
        return NO;
    if (*name == '\0')
        return MAYBE;
    if (item.at[item.length - 1] == '*')
        return strncmp(item.at, name, item.length - 1) == 0 ? YES : NO;
    return is(item, name) ? YES : NO;
}

static enum match match_protocol(struct word item, const struct ruleset_packet *packet)
{
    return is(item, packet->protocol) ? YES : NO;
}

static enum match match_family(struct word item, const struct ruleset_packet *packet)
{
    (void)packet;
    return is(item, "ipv4") ? YES : NO;
}

/* It is the first of its connection, and has come straight to us. */
static enum match match_state(struct word item, const struct ruleset_packet *packet)
{
    (void)packet;
    return is(item, "new") || is(item, "untracked") ? YES : NO;
}

static enum match match_status(struct word item, const struct ruleset_packet *packet)
{
    (void)item;
    (void)packet;
    return NO;
}

static enum match match_kind(struct word item, const struct ruleset_packet *packet)
{
    return is(item, packet->to) ? YES : NO;
}

/* mDNS has one address; of others that it might come to nothing is known. */
static enum match match_address(struct word item, const struct ruleset_packet *packet)
{
    if (is(item, "224.0.0.251"))
        return packet->port == 5353 ? YES : NO;
    return MAYBE;
}

static const struct {
    const char *words[3]; /* how it is written */
    item_match *match;
} matches[] = {
    {{"iif"},                  match_interface},
    {{"iifname"},              match_interface},
    {{"meta", "l4proto"},      match_protocol },
    {{"meta", "nfproto"},      match_family   },
    {{"ct", "state"},          match_state    },
    {{"ct", "status"},         match_status   },
    {{"fib", "daddr", "type"}, match_kind     },
    {{"ip", "protocol"},       match_protocol },
    {{"ip", "daddr"},          match_address  },
    {{"th", "dport"},          match_port     },
    {{"tcp", "dport"},         match_port     },
    {{"udp", "dport"},         match_port     },
};

/* A rule as far as it has been read. */
struct reading {
    const char *rest;
    enum match so_far;
    struct word verdict; /* by a verdict map; length 0 if the rule says it itself */
};

static void add_match(struct reading *reading, enum match match)
{
    if (match == NO || (match == MAYBE && reading->so_far == YES))
        reading->so_far = match;
}

/* Reads `22`, `22,80`, `{ 22, 80 }` or `vmap { 22 : accept, 80 : jump x }`. */
static void read_value(struct reading *reading, item_match *match,
                       const struct ruleset_packet *packet)
{
    bool differs = is(peek(reading->rest), "!="), map = is(peek(reading->rest), "vmap");
    enum match found = NO;
    struct word value;
    const char *at, *end;

    if (differs || map)
        next(&reading->rest);
    value = next(&reading->rest);
    at = value.at + strspn(value.at, "{ ");
    end = value.at + value.length - (value.length > 0 && *value.at == '{');
    while (at < end && found != YES) {
        struct word item = {at, strcspn(at, map ? " ," : " ,}")};
        enum match one = *item.at == '@' ? MAYBE : match(item, packet);
        const char *behind = at + strcspn(at, ",}");

        if (one != NO)
            found = one;
        if (one == YES && map)
            reading->verdict = (struct word){at + strcspn(at, ":"), (size_t)(behind - at)};
        at = behind >= end ? end : behind + strspn(behind, ", ");
    }
    if (map && found == MAYBE) /* what it maps to is not known */
        found = NO;
    if (differs)
        found = found == MAYBE ? MAYBE : found == YES ? NO : YES;
    add_match(reading, found);
}

/* Whether the rule goes on with this match; its words are taken off then. */
static bool goes_on_with(struct reading *reading, const char *const words[3])
{
    const char *rest = reading->rest;

    for (size_t i = 0; i < 3 && words[i] != NULL; i++)
        if (!is(next(&rest), words[i]))
            return false;
    reading->rest = rest;
    return true;
}

/* What belongs to a statement that decides nothing. */
static bool skip_statement(struct reading *reading, struct word word)
{
    static const char *const with_value[] = {"packets",         "bytes", "name",  "prefix",
                                             "level",           "group", "flags", "snaplen",
                                             "queue-threshold", NULL};

    if (is(word, "comment")) {
        next(&reading->rest);
        return true;
    }
    if (!is(word, "counter") && !is(word, "log"))
        return false;
    while (is_one_of(peek(reading->rest), with_value)) {
        next(&reading->rest);
        next(&reading->rest);
    }
    return true;
}

static void read_match(struct reading *reading, const struct ruleset_packet *packet)
{
    static const char *const others[] = {"ip6",     "icmp", "icmpv6", "igmp", "arp", "oif",
                                         "oifname", "sctp", "dccp",   "esp",  "ah",  NULL};
    struct word word;

    for (size_t i = 0; i < sizeof(matches) / sizeof(*matches); i++) {
        const char *first = matches[i].words[0];

        if (!goes_on_with(reading, matches[i].words))
            continue;
        if ((strcmp(first, "tcp") == 0 || strcmp(first, "udp") == 0) &&
            strcmp(first, packet->protocol) != 0)
            add_match(reading, NO);
        read_value(reading, matches[i].match, packet);
        return;
    }
    word = next(&reading->rest);
    if (is_one_of(word, others) ||
        ((is(word, "tcp") || is(word, "udp")) && !is(word, packet->protocol)))
        add_match(reading, NO);
    else if (!skip_statement(reading, word))
        add_match(reading, MAYBE);
}

/* ---- walking ---- */

struct walk {
    const struct ruleset *set;
    const struct ruleset_packet *packet;
    const char *table;
};

static enum ruleset_verdict walk_chain(const struct walk *walk, const struct chain *chain,
                                       int depth);

static const char *const verdicts[] = {"accept", "drop", "reject", "return",
                                       "jump",   "goto", "queue",  NULL};

/* What the verdict that begins with this word says; *leaves: the rest of the chain is passed over.
 * Who queues asks a program that we cannot ask. */
static enum ruleset_verdict follow(const struct walk *walk, struct word word, const char *rest,
                                   int depth, bool *leaves)
{
    const struct chain *target;
    struct word name;

    *leaves = is(word, "return") || is(word, "goto");
    if (is(word, "accept") || is(word, "queue"))
        return RULESET_ACCEPT;
    if (is(word, "drop"))
        return RULESET_DROP;
    if (is(word, "reject"))
        return RULESET_REJECT;
    if (is(word, "return") || depth >= DEPTH_MAX)
        return RULESET_GO_ON;
    name = next(&rest);
    name.length = strcspn(name.at, " ,}") < name.length ? strcspn(name.at, " ,}") : name.length;
    target = find_chain(walk->set, walk->table, name.at, name.length);
    return target == NULL ? RULESET_GO_ON : walk_chain(walk, target, depth + 1);
}

static enum ruleset_verdict walk_rule(const struct walk *walk, const char *rule, int depth,
                                      bool *leaves)
{
    struct reading reading = {.rest = rule, .so_far = YES};
    enum ruleset_verdict verdict;

    *leaves = false;
    while (reading.so_far != NO && reading.verdict.length == 0) {
        struct word word = peek(reading.rest);

        if (word.length == 0)
            return RULESET_GO_ON;
        if (is_one_of(word, verdicts))
            break;
        read_match(&reading, walk->packet);
    }
    if (reading.so_far == NO)
        return RULESET_GO_ON;
    if (reading.verdict.length > 0)
        reading.rest = reading.verdict.at + strspn(reading.verdict.at, ": ");
    reading.verdict = next(&reading.rest);
    reading.verdict.length = strcspn(reading.verdict.at, " ,}");
    verdict = follow(walk, reading.verdict, reading.rest, depth, leaves);
    if (reading.so_far == YES || verdict == RULESET_ACCEPT)
        return verdict;
    *leaves = false;
    return RULESET_GO_ON;
}

static enum ruleset_verdict walk_chain(const struct walk *walk, const struct chain *chain,
                                       int depth)
{
    for (size_t i = chain->first; i < chain->end; i++) {
        bool leaves;
        enum ruleset_verdict verdict = walk_rule(walk, walk->set->rule[i], depth, &leaves);

        if (verdict != RULESET_GO_ON || leaves)
            return verdict;
    }
    return RULESET_GO_ON;
}

enum ruleset_verdict ruleset_judge(const struct ruleset *set, const struct ruleset_packet *packet,
                                   char *chain, size_t size)
{
    for (size_t i = 0; i < set->chains; i++) {
        const struct chain *base = &set->chain[i];
        struct walk walk = {set, packet, base->table};
        enum ruleset_verdict verdict = base->input ? walk_chain(&walk, base, 0) : RULESET_GO_ON;

        if (verdict == RULESET_GO_ON && base->input && base->closed)
            verdict = RULESET_DROP;
        if (verdict == RULESET_DROP || verdict == RULESET_REJECT) {
            snprintf(chain, size, "%s %s", base->table, base->name);
            return verdict;
        }
    }
    return RULESET_GO_ON;
}

enum ruleset_maker ruleset_made_by(const struct ruleset *set)
{
    static const struct {
        const char *table, *chain;
        enum ruleset_maker maker;
    } signs[] = {
        {"inet firewalld", "filter_INPUT",     RULESET_FIREWALLD},
        {"ip filter",      "ufw-before-input", RULESET_UFW      },
        {"ip filter",      "INPUT",            RULESET_IPTABLES },
    };

    for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
        if (find_chain(set, signs[i].table, signs[i].chain, strlen(signs[i].chain)) != NULL)
            return signs[i].maker;
    return RULESET_NFT;
}
