#include "supervisor/command.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "supervisor/account.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- help ---- */

static void print_usage(FILE *out, const struct command *command)
{
    fprintf(out, "usage: riad %s [-c FILE]", command->name);
    for (const struct command_option *option = command->options; option->name; option++)
        fprintf(out, " [--%s%s%s]", option->name, option->value ? " " : "",
                option->value ? option->value : "");
    fprintf(out, "%s%s\n", command->words ? " " : "", command->words ? command->words : "");
}

static void print_command_help(const struct command *command)
{
    print_usage(stdout, command);
    printf("\n%s\n\n", command->summary);
    if (command->help)
        printf("%s\n", command->help);
    for (const struct command_option *option = command->options; option->name; option++) {
        char *label = mem_printf("--%s%s%s", option->name, option->value ? " " : "",
                                 option->value ? option->value : "");
        printf("  %-16s %s\n", label, option->help);
        free(label);
    }
    printf("  %-16s %s\n", "-c FILE",
           "the configuration; else $RIAD_CONF, else " CONFIG_DEFAULT_PATH ", else the defaults");
}

static void print_help(FILE *out)
{
    fputs("riad: one box for an event: SSH chat, shared files, opam mirror, DHCP and names.\n\n"
          "usage: riad COMMAND [-c FILE] ...\n\n",
          out);
    for (size_t i = 0; commands[i]; i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n`riad COMMAND --help` says more; so do riad(8), riad.conf(5) and riad-chat(7).\n",
          out);
}

/* ---- finding fault ---- */

static void print_allowed_commands(void)
{
    fputs("commands are:", stderr);
    for (size_t i = 0; commands[i]; i++)
        fprintf(stderr, " %s", commands[i]->name);
    fputs("; --help and --version too\n", stderr);
}

static int refuse_command(const char *word)
{
    if (strncmp(word, "-c", 2) == 0)
        fputs("riad: -c stands behind the command, as in `riad status -c FILE`; ", stderr);
    else
        fprintf(stderr, "riad: there is no %s `%s`; ", word[0] == '-' ? "option" : "command", word);
    print_allowed_commands();
    return COMMAND_USAGE;
}

static int refuse_option(const struct command *command, const char *word)
{
    fprintf(stderr, "riad: `riad %s` has no option `%s`; it has:", command->name, word);
    for (const struct command_option *option = command->options; option->name; option++)
        fprintf(stderr, " --%s", option->name);
    fputs(" -c --help\n", stderr);
    return COMMAND_USAGE;
}

int command_usage(const struct command_line *line, const char *format, ...)
{
    va_list arguments;

    fputs("riad: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " (`riad %s --help` says more)\n", line->command->name);
    return COMMAND_USAGE;
}

/* ---- reading the line ---- */

/* What reading came to: go on, or end with a status. */
enum { GO_ON = -1 };

struct reader {
    struct command_line *line;
    char **next;
    bool words_only; /* after -- */
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

/* The value of an option: behind its `=`, else the next word. */
static const char *take_value(struct reader *reader, const char *equals)
{
    if (equals)
        return equals + 1;
    return *reader->next ? *reader->next++ : NULL;
}

static int read_config_path(struct reader *reader, const char *attached)
{
    const char *path = attached ? attached : take_value(reader, NULL);

    if (!path || !*path)
        return command_usage(reader->line, "-c needs the name of a configuration file");
    reader->line->config_path = path;
    return GO_ON;
}

static int read_long_option(struct reader *reader, const char *word)
{
    const struct command *command = reader->line->command;
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);

    for (size_t i = 0; command->options[i].name; i++) {
        const struct command_option *option = &command->options[i];
        if (strlen(option->name) != length - 2 || strncmp(option->name, word + 2, length - 2) != 0)
            continue;
        if (!option->value && equals)
            return command_usage(reader->line, "--%s takes no value", option->name);
        reader->line->given[i] = option->value ? take_value(reader, equals) : "";
        if (!reader->line->given[i])
            return command_usage(reader->line, "--%s needs a value: %s", option->name,
                                 option->value);
        return GO_ON;
    }
    return refuse_option(command, word);
}

static int read_word(struct reader *reader, const char *word)
{
    struct command_line *line = reader->line;

    if (reader->words_only || word[0] != '-' || !word[1]) {
        line->words[line->count++] = word;
        return GO_ON;
    }
    if (strcmp(word, "--") == 0) {
        reader->words_only = true;
        return GO_ON;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_command_help(line->command);
        return EXIT_SUCCESS;
    }
    if (word[1] == 'c')
        return read_config_path(reader, word[2] ? word + 2 : NULL);
    return word[1] == '-' ? read_long_option(reader, word) : refuse_option(line->command, word);
}

static int check_words(const struct command_line *line)
{
    const struct command *command = line->command;

    if (!command->words && line->count > 0)
        return command_usage(line, "`riad %s` takes no word, but `%s` is one", command->name,
                             line->words[0]);
    if (line->count < command->least)
        return command_usage(line, "`riad %s` needs %s", command->name, command->words);
    if (command->most > 0 && line->count > command->most)
        return command_usage(line, "`riad %s` takes %s, so `%s` is one word too many",
                             command->name, command->words, line->words[command->most]);
    return GO_ON;
}

static int read_line(struct command_line *line, char **arguments)
{
    struct reader reader = {.line = line, .next = arguments};

    while (*reader.next) {
        const char *word = *reader.next++;
        int status = read_word(&reader, word);
        if (status != GO_ON)
            return status;
    }
    return check_words(line);
}

bool command_given(const struct command_line *line, const char *name)
{
    return command_value(line, name) != NULL;
}

const char *command_value(const struct command_line *line, const char *name)
{
    for (size_t i = 0; line->command->options[i].name; i++)
        if (strcmp(line->command->options[i].name, name) == 0)
            return line->given[i];
    assert(!"an option that the command's row lacks");
    return NULL;
}

/* ---- running it ---- */

static void complain(void *context, const char *sentence)
{
    (void)context;
    fprintf(stderr, "riad: %s\n", sentence);
}

static int run_command(struct command_line *line, char **arguments)
{
    int status = read_line(line, arguments);

    if (status != GO_ON)
        return status;
    if (config_load(&line->config, line->config_path, complain, NULL) < 0)
        return COMMAND_USAGE;
    when_set_zone(line->config.box.zone);
    status = line->command->run(line);
    config_done(&line->config);
    if (fflush(stdout) != 0 && status == EXIT_SUCCESS) {
        log_errno("standard output");
        status = EXIT_FAILURE;
    }
    return status;
}

int command_main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    struct command_line line = {0};
    int status;

    log_open("riad", LOG_LEVEL_INFO);
    if (!word) {
        print_help(stderr);
        return COMMAND_USAGE;
    }
    if (strcmp(word, "--version") == 0) {
        puts("riad " RIAD_VERSION);
        return EXIT_SUCCESS;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_help(stdout);
        return EXIT_SUCCESS;
    }
    line.command = find_command(word);
    if (!line.command)
        return refuse_command(word);
    line.words = mem_array((size_t)argc, sizeof *line.words);
    status = run_command(&line, argv + 2);
    free(line.words);
    return status;
}

/* ---- for the commands ---- */

bool command_agrees(const char *question)
{
    char answer[16] = "";
    printf("%s\nType yes to go on: ", question);
    fflush(stdout);
    return fgets(answer, sizeof answer, stdin) && strcmp(answer, "yes\n") == 0;
}

int command_become_user(const struct config *config)
{
    struct account account;

    if (account_find(&account, config->box.user, NULL) < 0)
        return -1;
    return account_become(&account);
}

bool command_no_store(const char *path)
{
    if (access(path, F_OK) == 0)
        return false;
    if (errno == ENOENT)
        log_error("%s: no box has run with this configuration yet (`riad run` makes it)", path);
    else
        log_errno("cannot open the store %s", path);
    return true;
}

struct store *command_open_store(const struct config *config)
{
    char *path = config_path(config, "store/riad.db");
    struct store *store = NULL;

    if (command_become_user(config) < 0)
        goto out;
    if (!command_no_store(path))
        store = store_open(path);
out:
    free(path);
    return store;
}
