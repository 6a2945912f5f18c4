#include "supervisor/command.h"

#include "base/when.h"
#include "identity/person.h"
#include "supervisor/people.h"

#include <stdio.h>
#include <string.h>

/* A word behind `riad people`; each act finds its names in line->words[1 ...]. */
struct act {
    const char *name;
    const char *names; /* what it needs, for the usage */
    size_t count;
    int (*run)(struct command_line *line, struct store *store);
};

/* ---- finding who is meant ---- */

static int no_such_person(const char *name)
{
    fprintf(stderr, "riad: nobody is called `%s`; `riad people list` shows everybody\n", name);
    return EXIT_FAILURE;
}

/* 0 found, else an exit status. */
static int find(struct store *store, const char *name, struct person *person)
{
    int found = person_by_name(store, name, person);
    if (found == 0)
        return no_such_person(name);
    return found == 1 ? 0 : EXIT_FAILURE;
}

/* Says in one sentence what an act came to: `done` if it was done. */
static int tell(enum person_act act, const char *done, const char *name)
{
    if (act == ACT_DONE) {
        printf("%s %s\n", name, done);
        return EXIT_SUCCESS;
    }
    if (act == ACT_NOTHING_TO_DO) {
        printf("%s: nothing to do\n", name);
        return EXIT_SUCCESS;
    }
    fprintf(stderr, "riad: %s: %s\n", name, person_act_text(act));
    return EXIT_FAILURE;
}

/* ---- the acts ---- */

static int run_list(struct command_line *line, struct store *store)
{
    return people_print_list(&line->config, store, command_given(line, "json"));
}

static int run_show(struct command_line *line, struct store *store)
{
    struct person person;
    int status = find(store, line->words[1], &person);
    return status ? status
                  : people_print_one(&line->config, store, &person, command_given(line, "json"));
}

static int run_bans(struct command_line *line, struct store *store)
{
    return people_print_bans(store, command_given(line, "json"));
}

static int run_rename(struct command_line *line, struct store *store)
{
    struct person person;
    int status = find(store, line->words[1], &person);
    if (status)
        return status;
    enum person_act act = person_rename(store, person.id, line->words[2]);
    char folded[NAME_MAX_BYTES];
    if (act == ACT_BAD_NAME) {
        fprintf(stderr, "riad: `%s`: %s\n", line->words[2],
                name_rule(name_check(line->words[2], folded)));
        return EXIT_FAILURE;
    }
    if (act == ACT_TAKEN) {
        fprintf(stderr, "riad: `%s` is taken, or looks like a name that is\n", line->words[2]);
        return EXIT_FAILURE;
    }
    char done[NAME_MAX_BYTES + 16] = "";
    if (act == ACT_DONE && name_check(line->words[2], folded) == NAME_GOOD)
        snprintf(done, sizeof done, "is now %s", folded);
    return tell(act, done, person.name);
}

/* Until when: a time in the future, or a duration from now. 0, or -1. */
static int parse_until(const char *text, int64_t *until_ms)
{
    int64_t now = when_wall_ms(), seconds;
    if (when_duration_parse(text, &seconds) == 0)
        *until_ms = now + seconds * 1000;
    else if (when_parse(text, now, until_ms))
        return -1;
    return *until_ms > now ? 0 : -1;
}

/* What a ban or its end is about: somebody's name, an address, a key's fingerprint. 0, else an exit
 * status, told. */
static int find_subject(struct command_line *line, struct store *store,
                        struct people_subject *subject)
{
    int found = people_subject_find(store, line->words[1], subject);
    if (found == 0) {
        fprintf(stderr,
                "riad: `%s` is nobody's name, no IP address and no fingerprint `SHA256:...` "
                "of a key\n",
                line->words[1]);
        return EXIT_FAILURE;
    }
    return found == 1 ? 0 : EXIT_FAILURE;
}

static int run_ban(struct command_line *line, struct store *store)
{
    struct people_subject subject;
    const char *until = command_value(line, "until");
    int64_t until_ms = 0;
    if (until && parse_until(until, &until_ms))
        return command_usage(line,
                             "--until takes a duration (`2h`, `3d`) or a time to come (RFC 3339, "
                             "YYYY-MM-DD), not `%s`",
                             until);
    int status = find_subject(line, store, &subject);
    if (status)
        return status;
    enum person_act act =
        ban_set(store, subject.kind, subject.subject, command_value(line, "reason"), 0, until_ms);
    char done[64] = "is banned", end[WHEN_MAX];
    if (until_ms) {
        when_rfc3339(until_ms, end);
        snprintf(done, sizeof done, "is banned until %s", end);
    }
    return tell(act, done, line->words[1]);
}

static int run_unban(struct command_line *line, struct store *store)
{
    struct people_subject subject;
    int status = find_subject(line, store, &subject);
    if (status)
        return status;
    return tell(ban_lift(store, subject.kind, subject.subject), "is no longer banned",
                line->words[1]);
}

static int set_role(struct command_line *line, struct store *store, enum person_role role,
                    const char *done)
{
    struct person person;
    int status = find(store, line->words[1], &person);
    return status ? status : tell(person_set_role(store, person.id, role), done, person.name);
}

static int run_promote(struct command_line *line, struct store *store)
{
    return set_role(line, store, ROLE_HOST, "is a host now");
}

static int run_demote(struct command_line *line, struct store *store)
{
    return set_role(line, store, ROLE_PERSON, "is no longer a host");
}

static int run_admit(struct command_line *line, struct store *store)
{
    struct person person;
    int status = find(store, line->words[1], &person);
    if (status)
        return status;
    if (person.role != ROLE_WAITING)
        return tell(ACT_NOTHING_TO_DO, "", person.name);
    return tell(person_set_role(store, person.id, ROLE_PERSON), "may come in", person.name);
}

static int run_forget(struct command_line *line, struct store *store)
{
    struct person person;
    int status = find(store, line->words[1], &person);
    if (status)
        return status;
    bool words = command_given(line, "words");
    return tell(person_forget(store, person.id, words),
                words ? "is forgotten, with all that they said"
                      : "is forgotten; what they said stays under no name",
                person.name);
}

static int run_merge(struct command_line *line, struct store *store)
{
    struct person person, other;
    int status = find(store, line->words[1], &person);
    if (status == 0)
        status = find(store, line->words[2], &other);
    if (status)
        return status;
    char done[NAME_MAX_BYTES + 64];
    snprintf(done, sizeof done, "has now the keys, words and files of %s", other.name);
    return tell(person_merge(store, person.id, other.id), done, person.name);
}

static const struct act acts[] = {
    {"list",    "",           0, run_list   },
    {"show",    "NAME",       1, run_show   },
    {"rename",  "NAME NEW",   2, run_rename },
    {"ban",     "WHO",        1, run_ban    },
    {"unban",   "WHO",        1, run_unban  },
    {"bans",    "",           0, run_bans   },
    {"promote", "NAME",       1, run_promote},
    {"demote",  "NAME",       1, run_demote },
    {"admit",   "NAME",       1, run_admit  },
    {"forget",  "NAME",       1, run_forget },
    {"merge",   "NAME OTHER", 2, run_merge  },
};
#define ACTS (sizeof acts / sizeof *acts)

/* Which options belong to which act; elsewhere they are refused. */
static const struct {
    const char *option;
    const char *acts;
} options[] = {
    {"json",   "list, show, bans"},
    {"until",  "ban"             },
    {"reason", "ban"             },
    {"words",  "forget"          },
};

static int check_options(const struct command_line *line, const struct act *act)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (command_given(line, options[i].option) && !strstr(options[i].acts, act->name))
            return command_usage(line, "--%s goes with %s, not with `%s`", options[i].option,
                                 options[i].acts, act->name);
    }
    return 0;
}

static int run(struct command_line *line)
{
    const char *word = line->count > 0 ? line->words[0] : "list";
    const struct act *act = acts;
    while (act < acts + ACTS && strcmp(act->name, word) != 0)
        act++;
    if (act == acts + ACTS)
        return command_usage(line,
                             "`riad people` has no word `%s`; it has list, show, rename, ban, "
                             "unban, bans, promote, demote, admit, forget, merge",
                             word);
    size_t given = line->count > 0 ? line->count - 1 : 0;
    if (given != act->count)
        return command_usage(line, "usage: riad people %s %s", act->name, act->names);
    int status = check_options(line, act);
    if (status)
        return status;
    struct store *store = command_open_store(&line->config);
    if (!store)
        return EXIT_FAILURE;
    status = act->run(line, store);
    store_close(store);
    return status;
}

const struct command command_people = {
    .name = "people",
    .words = "[list|show|rename|ban|unban|bans|promote|demote|admit|forget|merge] ...",
    .summary = "who is known, and what they may do",
    .help = "  list                 everybody (the default)\n"
            "  show NAME            one person: keys, browsers, sessions and their devices\n"
            "  rename NAME NEW      their history follows\n"
            "  ban WHO              a name, an IP address or a key's fingerprint SHA256:...;\n"
            "                       every open door closes within a second\n"
            "  unban WHO            lifts it\n"
            "  bans                 those that hold\n"
            "  promote NAME         makes a host, who may moderate\n"
            "  demote NAME          takes that back\n"
            "  admit NAME           lets in who waits, with [box] newcomers = ask\n"
            "  forget NAME          what is theirs goes; their words stay under no name, their\n"
            "                       files without an owner\n"
            "  merge NAME OTHER     OTHER's keys, words and files become NAME's\n",
    .options = {{.name = "json", .help = "as JSON, for programs (list, show, bans)"},
                {.name = "until", .value = "TIME", .help = "a ban ends then: `2h`, or a time"},
                {.name = "reason", .value = "TEXT", .help = "told to whoever is banned"},
                {.name = "words", .help = "forget what they said, too"}},
    .run = run,
};
