/*
 * command: the words behind `riad`, a row each.
 *
 * Each command is a file of its own, command_NAME.c, that defines `const struct command
 * command_NAME` as declared at the end of this header and has a line in the table of commands.c.
 * What is common is done here, before a command runs: `-c FILE` and `--help`, its options and the
 * number of its words, all checked against its row (whatever is unknown is exit status 2 with a
 * sentence that names the word and what is allowed), the configuration read and checked, the time
 * zone set. A command finds what it was given in a struct command_line, prints to standard output,
 * and returns an exit status; what went wrong goes to standard error as one sentence.
 *
 *     static int run(struct command_line *line)
 *     {
 *         bool json = command_given(line, "json");
 *         ...
 *         return EXIT_SUCCESS;
 *     }
 *
 *     const struct command command_status = {
 *         .name = "status",
 *         .summary = "services, people, savings",
 *         .options = {{.name = "json", .help = "as JSON, for programs"}},
 *         .run = run,
 *     };
 */
#ifndef SUPERVISOR_COMMAND_H
#define SUPERVISOR_COMMAND_H

#include "config/config.h"
#include "identity/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define COMMAND_MAX_OPTIONS 8
#define COMMAND_USAGE       2 /* exit status: the line or the configuration is wrong */

struct command_option {
    const char *name;  /* `json` for --json; NULL ends the row */
    const char *value; /* what its value is called in the usage: `TEXT`; NULL: it takes none */
    const char *help;  /* one line */
};

struct command_line;

struct command {
    const char *name;
    const char *words;   /* the words it takes, for the usage: `DIRECTORY`; NULL: none */
    size_t least, most;  /* how many; most 0 with words set: any number */
    const char *summary; /* one line, no capital, no full stop */
    const char *help;    /* paragraphs for --help, or NULL */
    struct command_option options[COMMAND_MAX_OPTIONS + 1]; /* ended by a row without a name */
    int (*run)(struct command_line *line);
};

/* What a command was given. */
struct command_line {
    const struct command *command;
    const char *config_path;                /* as -c said; NULL: none was named */
    struct config config;                   /* read and checked */
    const char *given[COMMAND_MAX_OPTIONS]; /* see command_given, command_value */
    const char **words;                     /* in order, NULL behind the last */
    size_t count;
};

/* Does what the program's arguments say; the program's exit status. */
int command_main(int argc, char **argv);

/* Whether --NAME was given. Asking for an option that the row lacks is a defect. */
bool command_given(const struct command_line *line, const char *name);
/* The value given with --NAME, or NULL. Lent. */
const char *command_value(const struct command_line *line, const char *name);

/* A sentence to standard error, followed by where the help is; returns COMMAND_USAGE. For words
 * that a command itself finds wrong. */
int command_usage(const struct command_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Asks a question on standard output; whether `yes` is typed. */
bool command_agrees(const char *question);

/*
 * Becomes the account of the box ([box] user) for good, when root runs the command and the
 * configuration names one; else nothing. Every command that touches the state calls this before it
 * opens anything there, so that no file of root's is left behind. 0, or -1, logged with the line
 * that makes the account.
 */
int command_become_user(const struct config *config);

/* Whether there is no store at path that could be opened, which is logged then. */
bool command_no_store(const char *path);

/* command_become_user, then the store opened for this command: on a running box it notices what is
 * written within a second. NULL, logged with what to do (no box has run here yet; no rights). */
struct store *command_open_store(const struct config *config);

/* The commands, in the order of the help; commands.c. A NULL ends it. */
extern const struct command *const commands[];

extern const struct command command_run;
extern const struct command command_check;
extern const struct command command_status;
extern const struct command command_people;
extern const struct command command_prefetch;
extern const struct command command_mirror;
extern const struct command command_backup;
extern const struct command command_export;
extern const struct command command_reset;

#endif
