#include "chat/command.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_LINE (MESSAGE_MAX_TEXT + 256)

/* clang-format off */
const struct command command_table[] = {
    {"help", "h", DOOR_ANY, .waiting = true, .usage = "[COMMAND | all]",
     .help = "what one can do here, or more about one command", .example = "help history", .run = command_help},
    {"who", "w", DOOR_ANY, .options = "json", .usage = "[--json]",
     .help = "who is here", .example = "who", .run = command_who},
    {"chat", NULL, DOOR_EXEC, .waiting = true, .usage = "[--json] [--since ID]",
     .help = "the conversation as lines, each line in said: what a shell without a terminal gets; --since: from behind that message on",
     .example = "chat --json --since 1042", .run = command_chat},
    {"say", NULL, DOOR_ANY, .usage = "[TEXT]",
     .help = "say something in the room; with ssh and without words: each line of standard input",
     .example = "say good morning", .run = command_say_words},
    {"msg", "m", DOOR_ANY, .usage = "NAME TEXT",
     .help = "tell one person in private, here or not", .example = "msg ada lunch?", .run = command_msg},
    {"reply", "r", DOOR_SESSION, .usage = "TEXT",
     .help = "answer the last private message", .example = "reply yes, in ten minutes", .run = command_reply},
    {"me", NULL, DOOR_ANY, .usage = "TEXT",
     .help = "say what you do", .example = "me fetches coffee", .run = command_me},
    {"join", "j", DOOR_SESSION, .usage = "ROOM",
     .help = "open a room, or make it; it stays open until you leave it", .example = "join ocaml", .run = command_join},
    {"leave", "part", DOOR_SESSION, .usage = "[ROOM]",
     .help = "close a room", .example = "leave", .run = command_leave},
    {"rooms", NULL, DOOR_ANY, .options = "json", .usage = "",
     .help = "which rooms there are, and what they are about", .example = "rooms", .run = command_rooms},
    {"topic", NULL, DOOR_ANY, .usage = "[TEXT]",
     .help = "what this room is about, or set it", .example = "topic demos at 17:00", .run = command_topic},
    {"away", NULL, DOOR_SESSION, .usage = "[REASON]",
     .help = "tell others that you are away; without a reason: back again", .example = "away lunch", .run = command_away},
    {"ignore", NULL, DOOR_ANY, .usage = "[NAME]",
     .help = "do not read somebody, or read them again; without a name: whom you ignore",
     .example = "ignore noisybot", .run = command_ignore},
    {"nick", NULL, DOOR_ANY, .usage = "NAME",
     .help = "take another name; your keys move with you", .example = "nick ada.l", .run = command_nick},
    {"color", "colour", DOOR_ANY, .usage = "on|off|16|256",
     .help = "colours on your terminals", .example = "color off", .run = command_color},
    {"time", NULL, DOOR_ANY, .usage = "on|off|long",
     .help = "times before messages", .example = "time long", .run = command_time},
    {"bell", NULL, DOOR_ANY, .usage = "on|off|all",
     .help = "ring when you are named or written to, never, or at every message", .example = "bell off", .run = command_bell},
    {"plain", NULL, DOOR_ANY, .usage = "on|off",
     .help = "plain lines without colours, signs or moving cursor, for screen readers and slow links",
     .example = "plain on", .run = command_plain},
    {"history", NULL, DOOR_ANY, .options = "since= room= with= limit= json", .usage = "[--since WHEN] [--room ROOM] [--with NAME] [--limit N] [--json]",
     .help = "what was said; WHEN is a time, a day, `yesterday`, how long ago, or the number of a message; --with: your private messages with somebody",
     .example = "history --since 2h", .run = command_history},
    {"search", NULL, DOOR_ANY, .options = "room= by= limit= json", .usage = "WORDS [--room ROOM] [--by NAME] [--limit N] [--json]",
     .help = "find what was said", .example = "search wifi password", .run = command_search},
    {"files", "ls", DOOR_ANY, .options = "json", .usage = "[WORDS] [--json]",
     .help = "what is in the drop, newest last", .example = "files slides", .run = command_files},
    {"drop", NULL, DOOR_ANY, .usage = "NAME",
     .help = "put a file into the drop, from standard input", .example = "drop slides.pdf < slides.pdf", .run = command_drop},
    {"get", NULL, DOOR_ANY, .usage = "NAME",
     .help = "fetch a file, to standard output", .example = "get slides.pdf > slides.pdf", .run = command_get},
    {"rm", NULL, DOOR_ANY, .usage = "NAME",
     .help = "remove a file of yours from the drop", .example = "rm slides.pdf", .run = command_rm},
    {"web", NULL, DOOR_ANY, .usage = "[list | revoke NUMBER]",
     .help = "a link, good once, that signs your browser in as you; or the browsers that are", .example = "web", .run = command_web},
    {"token", NULL, DOOR_ANY, .options = "expires=", .usage = "[--expires 7d] [LABEL] | list | revoke NUMBER",
     .help = "a secret with which a script may speak HTTP as you (`Authorization: Bearer ...`); or those that do",
     .example = "token --expires 7d weather bot", .run = command_token},
    {"key", NULL, DOOR_ANY, .usage = "[list | add | remove NUMBER]",
     .help = "the keys that are you; `add` gives a code for another device", .example = "key add", .run = command_key},
    {"delete", NULL, DOOR_ANY, .usage = "[NAME | ID]",
     .help = "take back the last thing you said here; hosts: the last of NAME, or any by its number", .example = "delete", .run = command_delete},
    {"report", NULL, DOOR_ANY, .usage = "NAME [WHY]",
     .help = "tell the hosts about somebody, with what was said before", .example = "report mallory rude in private", .run = command_report},
    {"whoami", NULL, DOOR_ANY, .waiting = true, .options = "json", .usage = "",
     .help = "your name, your role, your keys", .example = "whoami", .run = command_whoami},
    {"quit", "exit", DOOR_SESSION, .waiting = true, .usage = "",
     .help = "leave; so does Ctrl-D", .example = "quit", .run = command_quit},
    {"people", NULL, DOOR_ANY, .hosts = true, .options = "json until= reason= words yes", .usage = "[list | COMMAND ...] [--json]",
     .help = "everybody who has a name, those who wait first; or any of the commands below, as `riad people` takes them",
     .example = "people", .run = command_people},
    {"show", NULL, DOOR_ANY, .hosts = true, .options = "json", .usage = "NAME [--json]",
     .help = "one person: keys, browsers, sessions and their devices", .example = "show mallory", .run = command_show},
    {"bans", NULL, DOOR_ANY, .hosts = true, .options = "json", .usage = "[--json]",
     .help = "who may not come in, until when and why", .example = "bans", .run = command_bans},
    {"admit", NULL, DOOR_ANY, .hosts = true, .usage = "NAME",
     .help = "let somebody in who waits", .example = "admit bob", .run = command_act},
    {"kick", NULL, DOOR_ANY, .hosts = true, .usage = "NAME",
     .help = "end somebody's sessions, browsers' too, and uploads; they may come back", .example = "kick mallory", .run = command_act},
    {"mute", NULL, DOOR_ANY, .hosts = true, .options = "until=", .usage = "NAME [HOW LONG]",
     .help = "let somebody read but not speak (10 minutes, if not said)", .example = "mute mallory 1h", .run = command_act},
    {"unmute", NULL, DOOR_ANY, .hosts = true, .usage = "NAME",
     .help = "let somebody speak again", .example = "unmute mallory", .run = command_act},
    {"ban", NULL, DOOR_ANY, .hosts = true, .options = "until= reason=", .usage = "WHO [HOW LONG] [REASON]",
     .help = "keep out a person, an IP address or a key (its fingerprint SHA256:...)", .example = "ban mallory 2h cool down", .run = command_act},
    {"unban", NULL, DOOR_ANY, .hosts = true, .usage = "WHO",
     .help = "let them in again", .example = "unban mallory", .run = command_act},
    {"rename", NULL, DOOR_ANY, .hosts = true, .usage = "NAME NEW",
     .help = "give somebody another name; their history follows", .example = "rename xx-best-xx bob", .run = command_act},
    {"promote", NULL, DOOR_ANY, .hosts = true, .usage = "NAME",
     .help = "make somebody a host", .example = "promote ada", .run = command_act},
    {"demote", NULL, DOOR_ANY, .hosts = true, .usage = "NAME",
     .help = "make a host a person like others", .example = "demote ada", .run = command_act},
    {"forget", NULL, DOOR_ANY, .hosts = true, .options = "words yes", .usage = "NAME [--words] [--yes]",
     .help = "what is theirs goes; what they said stays under no name, or goes with --words; asks first",
     .example = "forget mallory --words", .run = command_act},
    {"merge", NULL, DOOR_ANY, .hosts = true, .options = "yes", .usage = "NAME OTHER [--yes]",
     .help = "OTHER's keys, words and files become NAME's; asks first", .example = "merge ada ada-laptop", .run = command_act},
};
/* clang-format on */
const size_t command_count = sizeof(command_table) / sizeof(command_table[0]);

void request_init(struct request *request)
{
    buf_init(&request->out, COMMAND_MAX_OUT);
    buf_init(&request->err, 65536);
}

void request_done(struct request *request)
{
    buf_done(&request->out);
    buf_done(&request->err);
    free(request->line);
    free(request->words);
    free(request->path);
}

/* ---- finding ---- */

static bool is_word(const char *word, size_t length, const char *name)
{
    return name != NULL && strlen(name) == length && strncasecmp(word, name, length) == 0;
}

const struct command *command_find(const char *word, size_t length, enum door door)
{
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &command_table[i];

        if (!(command->doors & door))
            continue;
        if (is_word(word, length, command->name) || is_word(word, length, command->also))
            return command;
    }
    return NULL;
}

/* How many letters must change (Levenshtein); words here are short. */
static size_t distance(const char *one, const char *other)
{
    size_t row[32], width = strlen(other);

    if (width >= sizeof(row) / sizeof(row[0]))
        return width;
    for (size_t i = 0; i <= width; i++)
        row[i] = i;
    for (size_t y = 0; one[y] != '\0'; y++) {
        size_t corner = row[0];

        row[0] = y + 1;
        for (size_t x = 0; x < width; x++) {
            size_t best = corner + (one[y] != other[x]);

            corner = row[x + 1];
            if (row[x + 1] + 1 < best)
                best = row[x + 1] + 1;
            if (row[x] + 1 < best)
                best = row[x] + 1;
            row[x + 1] = best;
        }
    }
    return row[width];
}

const struct command *command_near(const char *word, enum door door)
{
    const struct command *nearest = NULL;
    size_t least = 3;

    if (strlen(word) > 30)
        return NULL;
    for (size_t i = 0; i < command_count; i++) {
        size_t far;

        if (!(command_table[i].doors & door))
            continue;
        far = distance(word, command_table[i].name);
        if (strncmp(command_table[i].name, word, strlen(word)) == 0)
            far = 1;
        if (far < least && far < strlen(command_table[i].name)) {
            least = far;
            nearest = &command_table[i];
        }
    }
    return nearest;
}

char *command_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \n");
    size_t length = strcspn(word, " \n");

    if (length == 0) {
        *rest = word;
        return NULL;
    }
    *rest = word + length;
    if (**rest != '\0') {
        **rest = '\0';
        (*rest)++;
        *rest += strspn(*rest, " \n");
    }
    return word;
}

/* Whether `name` is in the command's list of options, and whether it takes a value (`name=`). */
static bool knows_option(const struct command *command, const char *name, bool *takes_value)
{
    size_t length = strlen(name);
    const char *at = command->options;

    for (; *at != '\0'; at += strcspn(at, " "), at += strspn(at, " ")) {
        if (strncmp(at, name, length) != 0 ||
            (at[length] != '=' && at[length] != ' ' && at[length] != '\0'))
            continue;
        *takes_value = at[length] == '=';
        return true;
    }
    return false;
}

/* Takes one option, of which the word after the hyphens is given. 0, or -1 with the reason. */
static int take_option(struct request *request, char *word, char **rest)
{
    char *value = strchr(word, '=');
    bool takes_value = false;

    if (value != NULL)
        *value++ = '\0';
    if (!knows_option(request->command, word, &takes_value) ||
        request->option_count == COMMAND_MAX_OPTIONS) {
        command_fail(request, 2, "%s has no option --%.30s; it takes %s", request->command->name,
                     word, request->command->usage);
        return -1;
    }
    if (takes_value && value == NULL)
        value = command_word(rest);
    if (takes_value && (value == NULL || value[0] == '\0')) {
        command_fail(request, 2, "--%s needs a value", word);
        return -1;
    }
    request->options[request->option_count].name = word;
    request->options[request->option_count++].value = takes_value ? value : "";
    return 0;
}

/* Parts options from the other words. 0 or -1. */
static int parse_options(struct request *request)
{
    char *rest = request->arguments, *word;
    struct buf others;

    if (request->command->options == NULL)
        return 0;
    buf_init(&others, LONGEST_LINE);
    while ((word = command_word(&rest)) != NULL) {
        if (word[0] == '-' && word[1] == '-') {
            if (take_option(request, word + 2, &rest) != 0) {
                buf_done(&others);
                return -1;
            }
            continue;
        }
        buf_printf(&others, "%s%s", others.len > 0 ? " " : "", word);
    }
    request->words = request->arguments = buf_take(&others);
    buf_done(&others);
    return 0;
}

static void fail_unknown(struct request *request, const char *text, size_t length)
{
    const char *slash = request->door == DOOR_EXEC ? "" : "/";
    const struct command *near;
    struct buf clean;

    buf_init(&clean, 32);
    text_clean(&clean, text, length < 32 ? length : 32, TEXT_ONE_LINE);
    near = command_near(buf_text(&clean), request->door);
    if (request->door == DOOR_EXEC && command_find(text, length, DOOR_ANY) != NULL)
        command_fail(request, 2, "%s is for those who sit in the chat: there, /%s",
                     buf_text(&clean), buf_text(&clean));
    else if (near != NULL)
        command_fail(request, 2, "there is no command %s%s; did you mean %s%s? %shelp lists them",
                     slash, buf_text(&clean), slash, near->name, slash);
    else
        command_fail(request, 2, "there is no command %s%s; %shelp lists them", slash,
                     buf_text(&clean), slash);
    buf_done(&clean);
}

int command_parse(struct request *request, const char *line)
{
    size_t length;

    line += strspn(line, " ");
    /* Typed from habit. */
    line += request->door == DOOR_EXEC && line[0] == '/';
    length = strcspn(line, " \n\t");
    if (length == 0) {
        command_fail(request, 2, "which command? %shelp lists them",
                     request->door == DOOR_EXEC ? "" : "/");
        return -1;
    }
    request->command = command_find(line, length, request->door);
    if (request->command == NULL) {
        fail_unknown(request, line, length);
        return -1;
    }
    request->line = mem_dup(line + length);
    request->arguments = text_trim(request->line);
    return parse_options(request);
}

void command_carry_out(struct request *request, struct store *store)
{
    if (request->command->hosts && request->person.role != ROLE_HOST) {
        command_fail(request, 1, "%s is for hosts only", request->command->name);
        return;
    }
    if (!request->command->waiting && request->person.role == ROLE_WAITING) {
        command_fail(request, 1, "a host has to let you in first");
        return;
    }
    request->command->run(store, request);
    if (request->out.overflowed)
        command_fail(request, 1,
                     "that is too much for one answer, and not all of it: ask for less");
}

/* ---- for handlers ---- */

const char *command_option(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->option_count; i++)
        if (strcmp(request->options[i].name, name) == 0)
            return request->options[i].value;
    return NULL;
}

static void put_line(struct request *request, struct buf *out, const char *format,
                     va_list arguments)
{
    struct buf line;

    buf_init(&line, 16384);
    buf_vprintf(&line, format, arguments);
    render_notice(out, buf_text(&line), &request->style);
    buf_done(&line);
}

void command_fail(struct request *request, int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    put_line(request, &request->err, format, arguments);
    va_end(arguments);
    request->status = status;
}

void command_say(struct request *request, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    put_line(request, &request->out, format, arguments);
    va_end(arguments);
}

int command_person(struct request *request, struct store *store, const char *name,
                   struct person *person)
{
    int found;

    if (name == NULL) {
        command_fail(request, 2, "whom? %s %s", request->command->name, request->command->usage);
        return -1;
    }
    found = person_by_name(store, name[0] == '@' ? name + 1 : name, person);
    if (found == 1)
        return 0;
    if (found < 0)
        command_fail(request, 1, "the store does not answer; try again");
    else
        command_fail(request, 1, "nobody here is called %.40s", name);
    return -1;
}

void command_ssh_line(const struct request *request, const char *name, struct buf *out)
{
    int port = config_ssh_port(request->config);

    buf_puts(out, "ssh ");
    if (port != 0 && port != 22)
        buf_printf(out, "-p %d ", port);
    buf_printf(out, "%s@%s", name, request->address);
}

static void put_web_address(const struct config *config, const char *address, struct buf *out)
{
    int port = config_web_port(config);
    bool six = strchr(address, ':') != NULL;

    buf_printf(out, six ? "http://[%s]" : "http://%s", address);
    if (port != 0 && port != 80)
        buf_printf(out, ":%d", port);
    buf_putc(out, '/');
}

void command_web_address(const struct request *request, struct buf *out)
{
    put_web_address(request->config, request->address, out);
}

void command_topic_of(const struct config *config, const char *address, const struct room *room,
                      struct buf *out)
{
    size_t before = out->len;

    if (room->id == ROOM_LOBBY && config->web.enabled)
        put_web_address(config, address, out);
    if (out->len > before && room->topic[0] != '\0')
        buf_puts(out, " · ");
    buf_puts(out, room->topic);
}

/* ---- what the session does itself ---- */

/* client_open.c has taken it up before it gets here. */
void command_chat(struct store *store, struct request *request)
{
    (void)store;
    command_fail(request, 2, "chat takes %s", request->command->usage);
}

void command_quit(struct store *store, struct request *request)
{
    (void)store;
    request->effect = EFFECT_QUIT;
}
