/* What one can do here. */
#include "chat/command.h"

#include <string.h>

#define NAMES  12 /* columns before what a command does */
#define AROUND 6  /* lines of a list that are no commands */

/* A text by words: further lines begin under the first, which stands at that column. */
static void put_words(struct request *request, const char *text, int indent)
{
    int at = indent, columns = request->columns > 2 * indent ? request->columns : 0;

    while (*text != '\0') {
        int length = (int)strcspn(text, " ");

        if (columns > 0 && at > indent && at + 1 + length >= columns) {
            buf_printf(&request->out, "\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            buf_putc(&request->out, ' ');
            at++;
        }
        buf_printf(&request->out, "%.*s", length, text);
        at += length;
        text += length;
        text += strspn(text, " ");
    }
    buf_putc(&request->out, '\n');
}

static const char *slash(const struct request *request)
{
    return request->door == DOOR_EXEC ? "" : "/";
}

static void help_one(struct request *request, const struct command *command)
{
    struct buf *out = &request->out;

    buf_printf(out, "%s%s%s%s%s%s\n", render_bold(&request->style), slash(request), command->name,
               render_reset(&request->style), command->usage[0] != '\0' ? " " : "", command->usage);
    buf_puts(out, "    ");
    put_words(request, command->help, 4);
    if (command->also != NULL)
        buf_printf(out, "    also: %s%s\n", slash(request), command->also);
    buf_puts(out, "    example: ");
    if (request->door == DOOR_EXEC || !(command->doors & request->door))
        command_ssh_line(request, request->person.name, out);
    buf_printf(out, "%s%s\n", request->door == DOOR_EXEC ? " " : slash(request), command->example);
}

/* ---- the list ---- */

static bool is_listed(const struct request *request, const struct command *command, bool hosts)
{
    return (command->doors & request->door) && command->hosts == hosts;
}

static void list_rows(struct request *request, bool hosts)
{
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &command_table[i];

        if (!is_listed(request, command, hosts))
            continue;
        buf_printf(&request->out, "  %s%s%-*s%s ", render_bold(&request->style), slash(request),
                   NAMES - 3 - (int)strlen(slash(request)), command->name,
                   render_reset(&request->style));
        put_words(request, command->help, NAMES);
    }
}

/* Their names alone, for a window that is too low for a line each. */
static void list_names(struct request *request, bool hosts)
{
    struct buf names;

    buf_init(&names, 4096);
    for (size_t i = 0; i < command_count; i++)
        if (is_listed(request, &command_table[i], hosts))
            buf_printf(&names, "%s%s%s", names.len > 0 ? " " : "", slash(request),
                       command_table[i].name);
    buf_puts(&request->out, "  ");
    put_words(request, buf_text(&names), 2);
    buf_done(&names);
}

static void list_commands(struct request *request, bool all)
{
    bool host = request->person.role == ROLE_HOST;
    int count = AROUND;
    void (*list)(struct request *, bool);

    for (size_t i = 0; i < command_count; i++)
        count += is_listed(request, &command_table[i], false) ||
                 (host && is_listed(request, &command_table[i], true));
    list = request->rows > 0 && request->rows < count && !all ? list_names : list_rows;
    list(request, false);
    if (host) {
        buf_puts(&request->out, "for hosts:\n");
        list(request, true);
    }
    if (request->door != DOOR_TERMINAL)
        return;
    put_words(request,
              "What is not a command is said. Tab completes, the arrows bring back what "
              "you wrote, Ctrl-R searches it, Alt-Enter begins another line, Ctrl-D leaves.",
              0);
    put_words(request,
              list == list_names ? "/help COMMAND says more about one, /help all a line about each."
                                 : "/help COMMAND says more about one.",
              0);
}

void command_help(struct store *store, struct request *request)
{
    const char *word = request->arguments;
    const struct command *command;

    (void)store;
    word += word[0] == '/';
    if (word[0] == '\0' || strcmp(word, "all") == 0) {
        list_commands(request, word[0] != '\0');
        return;
    }
    command = command_find(word, strlen(word), DOOR_ANY);
    if (command == NULL)
        command_fail(request, 1, "there is no command %.40s", word);
    else
        help_one(request, command);
}
