/* Commands for hosts: each act of identity/act.h under its own name, and what is to be seen. */
#include "base/text.h"
#include "base/when.h"
#include "chat/command.h"
#include "identity/act.h"
#include "identity/roll.h"

#include <stdio.h>
#include <string.h>

static const char *slash(const struct request *request)
{
    return request->door == DOOR_EXEC ? "" : "/";
}

static const char *without_at(const char *name)
{
    return name != NULL && name[0] == '@' ? name + 1 : name;
}

/* ---- acting ---- */

/* A time at the front of the arguments, taken away; `3rd time` is none. */
static int64_t take_until(struct request *request)
{
    char *rest = request->arguments;
    char word[48];
    size_t length = strcspn(rest, " ");
    int64_t until;

    if (length == 0 || length >= sizeof(word) || rest[0] < '0' || rest[0] > '9')
        return 0;
    memcpy(word, rest, length);
    word[length] = '\0';
    if (act_until(word, &until) != 0)
        return 0;
    request->arguments += length + strspn(rest + length, " ");
    return until;
}

/* What stands behind the first word. 0, or -1: that has been said. words: where a reason of
 * several words is put together, since ssh takes the quotes away from --reason "cool down". */
static int read_wish(struct request *request, const struct act *act, struct act_wish *wish,
                     struct buf *words)
{
    const char *until = command_option(request, "until");
    const char *reason = command_option(request, "reason");

    if (until != NULL && act_until(until, &wish->until_ms) != 0) {
        command_fail(request, 2, "--until takes a time like 2h or 3d, or one to come");
        return -1;
    }
    if (act->takes & ACT_OTHER)
        wish->other = without_at(command_word(&request->arguments));
    if ((act->takes & ACT_UNTIL) && until == NULL)
        wish->until_ms = take_until(request);
    if (act->takes & ACT_REASON) {
        buf_printf(words, "%s%s%s", reason != NULL ? reason : "",
                   reason != NULL && request->arguments[0] != '\0' ? " " : "", request->arguments);
        wish->reason = buf_text(words);
    } else if ((act->takes & ACT_UNTIL) && request->arguments[0] != '\0') {
        command_fail(request, 2, "%s takes a time like 2h or 3d, or one to come, not %.40s",
                     act->name, request->arguments);
        return -1;
    }
    wish->words = command_option(request, "words") != NULL;
    if ((act->takes & ACT_OTHER) && wish->other == NULL) {
        command_fail(request, 2, "%s takes %s", act->name, act->usage);
        return -1;
    }
    return 0;
}

/* What cannot be undone is asked first; the same line with --yes does it. */
static void ask(struct request *request, const struct act *act, const struct act_wish *wish)
{
    struct buf text;

    buf_init(&text, 2048);
    act_question(act, wish, &text);
    buf_printf(&text, "\nTo do it: %s%s %s%s%s%s --yes", slash(request), act->name, wish->who,
               wish->other != NULL ? " " : "", wish->other != NULL ? wish->other : "",
               wish->words ? " --words" : "");
    command_fail(request, 1, "%s", buf_text(&text));
    buf_done(&text);
}

void command_act(struct store *store, struct request *request)
{
    const struct act *act = act_find(request->command->name);
    struct act_wish wish = {.by_id = request->person.id};
    struct person person;
    struct buf told, words;

    wish.who = without_at(command_word(&request->arguments));
    if (wish.who == NULL) {
        command_fail(request, 2, "whom? %s %s", act->name, request->command->usage);
        return;
    }
    buf_init(&words, MESSAGE_MAX_TEXT);
    if (read_wish(request, act, &wish, &words) != 0)
        goto out;
    if (act->final && command_option(request, "yes") == NULL &&
        person_by_name(store, wish.who, &person) == 1 && person.id != request->person.id) {
        ask(request, act, &wish);
        goto out;
    }
    buf_init(&told, 4096);
    if (act_do(store, act, &wish, &told) == ACT_DONE)
        command_say(request, "%s", buf_text(&told));
    else
        command_fail(request, 1, "%s", buf_text(&told));
    buf_done(&told);
out:
    buf_done(&words);
}

/* ---- looking ---- */

static bool json(const struct request *request)
{
    return command_option(request, "json") != NULL;
}

/* Ends what was looked up. */
static void end_look(struct request *request, int result)
{
    if (result != 0)
        command_fail(request, 1, "the store does not answer; try again");
    else if (json(request))
        buf_putc(&request->out, '\n');
}

static void put_row(void *context, const struct roll_row *row)
{
    struct request *request = context;
    char seen[WHEN_MAX];

    when_rfc3339(row->person->seen_at, seen);
    render_name(&request->out, row->person->name, &request->style);
    buf_printf(&request->out, "  %s%s%s%s%s, seen %s\n", person_role_name(row->person->role),
               row->banned ? ", banned" : "", row->muted ? ", muted" : "",
               row->doors[0] != '\0' ? ", here by " : "", row->doors, seen);
}

static void list(struct store *store, struct request *request)
{
    struct roll roll;
    int result = roll_open(&roll, store, true);

    if (result == 0)
        result = json(request) ? roll_list_json(&roll, &request->out)
                               : roll_list(&roll, put_row, request);
    end_look(request, result);
    roll_close(&roll);
}

void command_show(struct store *store, struct request *request)
{
    struct roll_style style = {.bold = render_bold(&request->style),
                               .bad = render_bold(&request->style),
                               .plain = render_reset(&request->style)};
    struct person person;
    struct roll roll;
    int result;

    if (command_person(request, store, command_word(&request->arguments), &person) != 0)
        return;
    result = roll_open(&roll, store, true);
    if (result == 0)
        result = json(request) ? roll_show_json(&roll, &person, &request->out)
                               : roll_show(&roll, &person, &style, &request->out);
    end_look(request, result);
    roll_close(&roll);
}

static void put_ban(void *context, const struct ban *ban)
{
    struct request *request = context;
    char subject[ROLL_SUBJECT_MAX], until[WHEN_MAX] = "for ever";

    if (ban->until != 0)
        when_rfc3339(ban->until, until);
    buf_printf(&request->out, "%s%s%s  %s %s, by %s%s%s\n", render_bold(&request->style),
               roll_subject(ban, subject), render_reset(&request->style),
               ban->until != 0 ? "until" : "", until, ban->by[0] != '\0' ? ban->by : "the box",
               ban->reason[0] != '\0' ? ": " : "", ban->reason);
}

void command_bans(struct store *store, struct request *request)
{
    size_t before = request->out.len;
    int result =
        json(request) ? roll_bans_json(store, &request->out) : ban_list(store, put_ban, request);

    if (result == 0 && request->out.len == before && request->door != DOOR_EXEC)
        command_say(request, "nobody is banned");
    end_look(request, result);
}

/* The words of `riad people`: alone or `list` everybody, else a command of hosts. */
void command_people(struct store *store, struct request *request)
{
    char *word = command_word(&request->arguments);
    const struct command *command;

    if (word == NULL || strcmp(word, "list") == 0) {
        list(store, request);
        return;
    }
    command = command_find(word, strlen(word), request->door);
    if (command == NULL || !command->hosts || command->run == command_people) {
        command_fail(request, 2, "people takes list, or a command of hosts; %shelp lists them",
                     slash(request));
        return;
    }
    request->command = command;
    command->run(store, request);
}
