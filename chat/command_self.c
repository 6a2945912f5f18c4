/* Commands about oneself: name, settings, keys, browsers. */
#include "base/when.h"
#include "chat/command.h"
#include "chat/qr.h"

#include <stdlib.h>
#include <string.h>

void command_nick(struct store *store, struct request *request)
{
    char *name = command_word(&request->arguments);
    char folded[NAME_MAX_BYTES], suggested[NAME_MAX_BYTES];
    enum name_verdict verdict;
    enum person_act act;
    struct buf line;

    if (name == NULL) {
        command_fail(request, 2, "which name? nick NAME");
        return;
    }
    verdict = name_check(name, folded);
    if (verdict != NAME_GOOD) {
        name_suggest(name, 0, suggested);
        command_fail(request, 1, "%s How about %s?", name_rule(verdict), suggested);
        return;
    }
    act = person_rename(store, request->person.id, folded);
    if (act != ACT_DONE) {
        command_fail(request, 1, "%s", person_act_text(act));
        return;
    }
    buf_init(&line, 256);
    command_ssh_line(request, folded, &line);
    command_say(request, "you are %s now; from elsewhere, too: %s", folded, buf_text(&line));
    buf_done(&line);
}

/* ---- settings ---- */

/* Sets one of the words that a setting may have, or says what it is. */
static void set(struct store *store, struct request *request, const char *const *words,
                const char *usual)
{
    char *word = command_word(&request->arguments);
    const char *name = request->command->name;
    char *value;

    if (word == NULL) {
        value = setting_get(store, request->person.id, name);
        command_say(request, "%s is %s; %s %s", name, value != NULL ? value : usual, name,
                    request->command->usage);
        free(value);
        return;
    }
    for (; *words != NULL; words++) {
        if (strcmp(*words, word) != 0)
            continue;
        if (setting_set(store, request->person.id, name, word) != 0)
            command_fail(request, 1, "that could not be kept; try again");
        else
            command_say(request, "%s is %s", name, word);
        request->effect = EFFECT_SETTINGS;
        return;
    }
    command_fail(request, 2, "%s takes %s", name, request->command->usage);
}

void command_color(struct store *store, struct request *request)
{
    static const char *const words[] = {"on", "off", "16", "256", NULL};

    set(store, request, words, "on");
}

void command_time(struct store *store, struct request *request)
{
    static const char *const words[] = {"on", "off", "long", NULL};

    set(store, request, words, "on");
}

void command_bell(struct store *store, struct request *request)
{
    static const char *const words[] = {"on", "off", "all", NULL};

    set(store, request, words, "on");
}

void command_plain(struct store *store, struct request *request)
{
    static const char *const words[] = {"on", "off", NULL};

    set(store, request, words, "off");
}

static void list_ignored(struct store *store, struct request *request)
{
    struct rows rows;
    size_t count = 0;

    rows_open(&rows, store,
              "SELECT person.name FROM ignored JOIN person ON person.id = ignored_id "
              "WHERE ignored.person_id = ? ORDER BY person.name",
              "i", request->person.id);
    while (rows_next(&rows) == 1) {
        buf_printf(&request->out, "%s\n", rows_text(&rows, 0));
        count++;
    }
    rows_close(&rows);
    if (count == 0)
        command_say(request, "you ignore nobody");
}

void command_ignore(struct store *store, struct request *request)
{
    char *name = command_word(&request->arguments);
    struct person other;
    bool ignored;

    if (name == NULL) {
        list_ignored(store, request);
        return;
    }
    if (command_person(request, store, name, &other) != 0)
        return;
    ignored = ignore_is(store, request->person.id, other.id) == 1;
    if (other.id == request->person.id) {
        command_fail(request, 1, "that is you");
    } else if (ignore_set(store, request->person.id, other.id, !ignored) != 0) {
        command_fail(request, 1, "that could not be kept; try again");
    } else {
        command_say(request, ignored ? "you read %s again" : "you do not read %s any more",
                    other.name);
        request->effect = EFFECT_SETTINGS;
    }
}

/* ---- keys, browsers, tokens ---- */

struct numbered {
    struct request *request;
    long number, wanted;
    int64_t id;
};

static void number_one(void *context, const struct credential *credential)
{
    struct numbered *list = context;
    char day[WHEN_MAX], until[WHEN_MAX];

    list->number++;
    if (list->wanted == list->number)
        list->id = credential->id;
    if (list->wanted != 0)
        return;
    when_day(credential->used_at, day);
    when_rfc3339(credential->expires_at, until);
    buf_printf(&list->request->out, "%ld  %s  last used %s%s%s%s\n", list->number,
               credential->label, day, credential->expires_at != 0 ? ", until " : "",
               credential->expires_at != 0 ? until : "",
               credential->id == list->request->credential_id ? "  (this one)" : "");
}

/* Those of one kind, numbered from 1 in the order in which they came. */
static void list_own(struct store *store, struct request *request, const char *kind)
{
    struct numbered list = {.request = request};

    credential_list(store, request->person.id, kind, number_one, &list);
    if (list.number == 0 && request->door != DOOR_EXEC)
        command_say(request, "you have none");
}

static void revoke_own(struct store *store, struct request *request, const char *kind)
{
    const char *word = command_word(&request->arguments), *name = request->command->name;
    struct numbered list = {.request = request,
                            .wanted = word != NULL ? strtol(word, NULL, 10) : 0};
    enum person_act act;

    if (list.wanted > 0)
        credential_list(store, request->person.id, kind, number_one, &list);
    if (list.id == 0) {
        command_fail(request, 2, "which one? `%s list` numbers them", name);
        return;
    }
    act = credential_remove(store, request->person.id, list.id);
    if (act == ACT_DONE)
        command_say(request, "%s %ld opens nothing any more", kind, list.wanted);
    else if (act == ACT_NOTHING_TO_DO)
        command_fail(request, 1, "that is your last key; without it you could not come back");
    else
        command_fail(request, 1, "%s", person_act_text(act));
}

/* `list`, `revoke NUMBER`, `remove NUMBER`: done here. False: the arguments say something else. */
static bool own_credentials(struct store *store, struct request *request, const char *kind)
{
    char *rest = request->arguments;
    size_t length = strcspn(rest, " ");

    if (length == 4 && strncmp(rest, "list", 4) == 0) {
        list_own(store, request, kind);
        return true;
    }
    if (length != 6 || (strncmp(rest, "revoke", 6) != 0 && strncmp(rest, "remove", 6) != 0))
        return false;
    command_word(&request->arguments);
    revoke_own(store, request, kind);
    return true;
}

static void add_key(struct store *store, struct request *request)
{
    char code[CODE_TEXT];
    struct buf line;

    if (code_make(store, request->person.id, "key", code) != 0) {
        command_fail(request, 1, "no code could be made; try again");
        return;
    }
    buf_init(&line, 256);
    command_ssh_line(request, request->person.name, &line);
    command_say(request, "on the other device, within %d minutes: %s", CODE_KEY_LIFE_S / 60,
                buf_text(&line));
    if (request->config->facts.host_key[0] != '\0')
        command_say(request, "the box's key, for it to compare: %s",
                    request->config->facts.host_key);
    command_say(request, "and when it asks for the code: %s", code);
    buf_done(&line);
}

void command_key(struct store *store, struct request *request)
{
    char *word;

    if (own_credentials(store, request, "key"))
        return;
    word = command_word(&request->arguments);
    if (word == NULL)
        list_own(store, request, "key");
    else if (strcmp(word, "add") == 0)
        add_key(store, request);
    else
        command_fail(request, 2, "key takes %s", request->command->usage);
}

void command_web(struct store *store, struct request *request)
{
    char secret[SECRET_TEXT];
    struct buf link;

    if (own_credentials(store, request, "browser"))
        return;
    if (request->arguments[0] != '\0') {
        command_fail(request, 2, "web takes %s", request->command->usage);
        return;
    }
    if (config_web_port(request->config) == 0) {
        command_fail(request, 1, "the box has no web page");
        return;
    }
    if (code_make(store, request->person.id, "web", secret) != 0) {
        command_fail(request, 1, "no link could be made; try again");
        return;
    }
    buf_init(&link, 256);
    command_web_address(request, &link);
    buf_printf(&link, "join/%s", secret);
    if (request->style.form == RENDER_TERMINAL && !request->style.plain)
        qr_put(&request->out, buf_text(&link), request->style.color != COLOR_NONE);
    buf_printf(&request->out, "%s\n", buf_text(&link));
    if (request->door == DOOR_TERMINAL)
        command_say(request, "good once, for %d seconds: it signs a browser in as you",
                    CODE_LIFE_S);
    buf_done(&link);
}

void command_token(struct store *store, struct request *request)
{
    const char *expires = command_option(request, "expires");
    const char *label = request->arguments[0] != '\0' ? request->arguments : "token";
    uint8_t digest[DIGEST_SHA256_SIZE];
    char secret[SECRET_TEXT];
    int64_t life = 0;

    if (own_credentials(store, request, "token"))
        return;
    if (expires != NULL && (when_duration_parse(expires, &life) != 0 || life == 0)) {
        command_fail(request, 2, "--expires takes a time like 12h or 7d");
        return;
    }
    secret_new(secret);
    secret_digest(secret, digest);
    if (credential_add(store, request->person.id, "token", digest, label, "", life) != 0) {
        command_fail(request, 1, "the token could not be kept; try again");
        return;
    }
    buf_printf(&request->out, "%s\n", secret);
    if (request->door == DOOR_TERMINAL)
        command_say(request, "shown once; `Authorization: Bearer` and this speaks HTTP as you");
}
