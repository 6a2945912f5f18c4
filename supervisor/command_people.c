#include "supervisor/command.h"

#include "base/when.h"
#include "identity/act.h"
#include "identity/roll.h"
#include "supervisor/show.h"
#include "supervisor/state.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OUT_MAX (64 * 1024 * 1024)

/* ---- looking ---- */

static int print(struct buf *out, int result, bool json)
{
    if (result == 0) {
        fwrite(out->data, 1, out->len, stdout);
        if (json)
            putchar('\n');
    }
    buf_done(out);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void put_row(void *context, const struct roll_row *row)
{
    const struct person *person = row->person;
    char since[WHEN_MAX], seen[WHEN_MAX];
    bool here = row->doors[0] != '\0';
    when_rfc3339(person->created_at, since);
    when_rfc3339(person->seen_at, seen);
    show_table_row(context,
                   row->banned ? SHOW_BAD
                   : here      ? SHOW_GOOD
                               : SHOW_PLAIN,
                   person->name, person_role_name(person->role),
                   row->banned ? "banned"
                   : here      ? row->doors
                               : "away",
                   since, seen);
}

static int run_list(struct command_line *line, const struct roll *roll)
{
    struct buf out;
    struct show_table table;
    if (command_given(line, "json")) {
        buf_init(&out, OUT_MAX);
        return print(&out, roll_list_json(roll, &out), true);
    }
    show_table_init(&table, 5);
    show_table_row(&table, SHOW_DIM, "NAME", "ROLE", "HERE", "SINCE", "LAST SEEN");
    int result = roll_list(roll, put_row, &table);
    show_table_print(&table, 0);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_show(struct command_line *line, const struct roll *roll)
{
    const struct roll_style style = {.bold = show_style(SHOW_BOLD),
                                     .bad = show_style(SHOW_BAD),
                                     .plain = show_style(SHOW_PLAIN)};
    bool json = command_given(line, "json");
    struct person person;
    struct buf out;
    int found = person_by_name(roll->store, line->words[1], &person);
    if (found == 0)
        fprintf(stderr, "riad: nobody is called `%s`; `riad people list` shows everybody\n",
                line->words[1]);
    if (found != 1)
        return EXIT_FAILURE;
    buf_init(&out, OUT_MAX);
    int result =
        json ? roll_show_json(roll, &person, &out) : roll_show(roll, &person, &style, &out);
    return print(&out, result, json);
}

static void put_ban(void *context, const struct ban *ban)
{
    char subject[ROLL_SUBJECT_MAX], until[WHEN_MAX] = "for ever";
    if (ban->until)
        when_rfc3339(ban->until, until);
    show_table_row(context, SHOW_PLAIN, ban->kind, roll_subject(ban, subject), until,
                   ban->by[0] ? ban->by : "the box", ban->reason);
}

static int run_bans(struct command_line *line, const struct roll *roll)
{
    struct buf out;
    struct show_table table;
    if (command_given(line, "json")) {
        buf_init(&out, OUT_MAX);
        return print(&out, roll_bans_json(roll->store, &out), true);
    }
    show_table_init(&table, 5);
    show_table_row(&table, SHOW_DIM, "KIND", "WHO", "UNTIL", "BY", "REASON");
    int result = ban_list(roll->store, put_ban, &table);
    show_table_print(&table, 0);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static const struct {
    const char *name, *usage;
    size_t count; /* words behind it */
    int (*run)(struct command_line *line, const struct roll *roll);
} looks[] = {
    {"list", "",     0, run_list},
    {"show", "NAME", 1, run_show},
    {"bans", "",     0, run_bans},
};
#define LOOKS (sizeof looks / sizeof *looks)

static int look(struct command_line *line, size_t which)
{
    struct roll roll;
    struct store *store = command_open_store(&line->config);
    if (!store)
        return EXIT_FAILURE;
    int result = roll_open(&roll, store, state_holder(&line->config) > 0);
    int status = result == 0 ? looks[which].run(line, &roll) : EXIT_FAILURE;
    roll_close(&roll);
    store_close(store);
    return status;
}

/* ---- acting ---- */

/* Before what cannot be undone, whoever sits at a terminal is asked. */
static bool agrees(const struct command_line *line, const struct act *act,
                   const struct act_wish *wish)
{
    struct buf question;
    if (!act->final || command_given(line, "yes") || !isatty(STDIN_FILENO) || !show_terminal())
        return true;
    buf_init(&question, 1024);
    act_question(act, wish, &question);
    bool yes = command_agrees(buf_text(&question));
    buf_done(&question);
    if (!yes)
        fputs("riad: nothing was done (--yes goes on without asking)\n", stderr);
    return yes;
}

/* Does it and says in one sentence what came of it. */
static int carry_out(const struct command_line *line, const struct act *act, struct act_wish *wish)
{
    const char *until = command_value(line, "until");
    struct buf told;
    struct store *store = command_open_store(&line->config);
    if (!store)
        return EXIT_FAILURE;
    if (until) /* by the box's time, which is known only now */
        act_until(until, &wish->until_ms);
    buf_init(&told, 4096);
    enum person_act result = act_do(store, act, wish, &told);
    bool good = result == ACT_DONE || result == ACT_NOTHING_TO_DO;
    if (good)
        printf("%s\n", buf_text(&told));
    else
        fprintf(stderr, "riad: %s%s\n", buf_text(&told),
                result == ACT_NOBODY ? "; `riad people list` shows everybody" : "");
    buf_done(&told);
    store_close(store);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int act_on(struct command_line *line, const struct act *act)
{
    const char *until = command_value(line, "until");
    struct act_wish wish = {
        .who = line->words[1],
        .other = line->words[2],
        .reason = command_value(line, "reason"),
        .words = command_given(line, "words"),
    };
    if (until && act_until(until, &wish.until_ms))
        return command_usage(line,
                             "--until takes a duration (`2h`, `3d`) or a time to come (RFC 3339, "
                             "YYYY-MM-DD), not `%s`",
                             until);
    return agrees(line, act, &wish) ? carry_out(line, act, &wish) : EXIT_FAILURE;
}

/* ---- the line ---- */

/* Which options belong to which act; elsewhere they are refused. */
static int check_options(const struct command_line *line, const struct act *act, const char *word)
{
    const struct {
        const char *option, *where;
        bool fits;
    } options[] = {
        {"json",   "list, show and bans", !act                          },
        {"until",  "ban and mute",        act && act->takes & ACT_UNTIL },
        {"reason", "ban",                 act && act->takes & ACT_REASON},
        {"words",  "forget",              act && act->takes & ACT_WORDS },
        {"yes",    "forget and merge",    act && act->final             },
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (command_given(line, options[i].option) && !options[i].fits)
            return command_usage(line, "--%s goes with %s, not with `%s`", options[i].option,
                                 options[i].where, word);
    }
    return 0;
}

static int unknown(const struct command_line *line, const char *word)
{
    struct buf names;
    buf_init(&names, 1024);
    for (size_t i = 0; i < LOOKS; i++)
        buf_printf(&names, "%s, ", looks[i].name);
    for (const struct act *act = acts; act->name; act++)
        buf_printf(&names, "%s%s", act > acts ? ", " : "", act->name);
    int status =
        command_usage(line, "`riad people` has no word `%s`; it has %s", word, buf_text(&names));
    buf_done(&names);
    return status;
}

static int run(struct command_line *line)
{
    const char *word = line->count > 0 ? line->words[0] : "list";
    const struct act *act = act_find(word);
    size_t which = 0;
    while (which < LOOKS && strcmp(looks[which].name, word) != 0)
        which++;
    if (!act && which == LOOKS)
        return unknown(line, word);
    size_t given = line->count > 0 ? line->count - 1 : 0;
    size_t wanted = act ? 1 + (act->takes & ACT_OTHER) : looks[which].count;
    if (given != wanted)
        return command_usage(line, "usage: riad people %s %s", word,
                             act ? act->usage : looks[which].usage);
    int status = check_options(line, act, word);
    if (status)
        return status;
    return act ? act_on(line, act) : look(line, which);
}

const struct command command_people = {
    .name = "people",
    .words = "[list|show|bans|admit|kick|mute|unmute|ban|unban|rename|promote|demote|forget|merge] "
             "...",
    .summary = "who is known, and what they may do",
    .help = "  list                 everybody (the default), those who wait first\n"
            "  show NAME            one person: keys, browsers, sessions and their devices\n"
            "  bans                 those that hold\n"
            "  admit NAME           lets in who waits, with [box] newcomers = ask\n"
            "  kick NAME            ends their sessions, streams and uploads; they may come back\n"
            "  mute NAME            lets them read but not speak, for ten minutes or --until\n"
            "  unmute NAME          takes that back\n"
            "  ban WHO              a name, an IP address or a key's fingerprint SHA256:...;\n"
            "                       every open door closes within a second\n"
            "  unban WHO            lifts it\n"
            "  rename NAME NEW      their history follows\n"
            "  promote NAME         makes a host, who may do all of this in the chat and in a\n"
            "                       browser\n"
            "  demote NAME          takes that back\n"
            "  forget NAME          what is theirs goes; their words stay under no name, their\n"
            "                       files without an owner\n"
            "  merge NAME OTHER     OTHER's keys, words and files become NAME's\n",
    .options = {{.name = "json", .help = "as JSON, for programs (list, show, bans)"},
                {.name = "until", .value = "TIME", .help = "a ban or mute ends then: `2h`, a time"},
                {.name = "reason", .value = "TEXT", .help = "told to whoever is banned"},
                {.name = "words", .help = "forget what they said, too"},
                {.name = "yes", .help = "do not ask before forget and merge"}},
    .run = run,
};
