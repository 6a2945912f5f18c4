#include "chat/login.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"

#include <stdlib.h>
#include <string.h>

#define CLAIMS   64 /* on their way at once */
#define CLAIM_MS 5000
#define SIBLINGS 512

struct login {
    struct store *store;
    const struct config *config;
    struct {
        char skeleton[NAME_MAX_BYTES];
        uint8_t key[DIGEST_SHA256_SIZE];
        int64_t until;
    } claims[CLAIMS];
    size_t next_claim;
    uint8_t siblings[SIBLINGS][DIGEST_SHA256_SIZE];
    size_t next_sibling;
};

struct login *login_open(const char *path, const struct config *config)
{
    struct store *store = store_open(path);
    struct login *login;

    if (store == NULL)
        return NULL;
    login = mem_alloc(sizeof(*login));
    login->store = store;
    login->config = config;
    return login;
}

void login_close(struct login *login)
{
    if (login == NULL)
        return;
    store_close(login->store);
    free(login);
}

void login_reconfigure(struct login *login, const struct config *config)
{
    login->config = config;
}

/* ---- claims on their way ---- */

/* Whether another key claims that name at this moment. */
static bool is_being_claimed(const struct login *login, const char *name, const uint8_t *key)
{
    char skeleton[NAME_MAX_BYTES];
    int64_t now = when_monotonic_ms();

    name_skeleton(name, skeleton);
    for (size_t i = 0; i < CLAIMS; i++)
        if (login->claims[i].until > now && strcmp(login->claims[i].skeleton, skeleton) == 0 &&
            memcmp(login->claims[i].key, key, DIGEST_SHA256_SIZE) != 0)
            return true;
    return false;
}

static void note_claim(struct login *login, const char *name, const uint8_t *key)
{
    size_t at = login->next_claim++ % CLAIMS;

    name_skeleton(name, login->claims[at].skeleton);
    memcpy(login->claims[at].key, key, DIGEST_SHA256_SIZE);
    login->claims[at].until = when_monotonic_ms() + CLAIM_MS;
}

void login_settled(struct login *login, const uint8_t *key)
{
    for (size_t i = 0; i < CLAIMS; i++)
        if (memcmp(login->claims[i].key, key, DIGEST_SHA256_SIZE) == 0)
            login->claims[i].until = 0;
}

void login_sibling(struct login *login, const uint8_t *key)
{
    memcpy(login->siblings[login->next_sibling++ % SIBLINGS], key, DIGEST_SHA256_SIZE);
}

bool login_is_sibling(const struct login *login, const uint8_t *key)
{
    for (size_t i = 0; i < SIBLINGS; i++)
        if (memcmp(login->siblings[i], key, DIGEST_SHA256_SIZE) == 0)
            return true;
    return false;
}

/* ---- texts ---- */

static void put_ssh(struct login *login, const struct login_try *attempt, const char *name,
                    struct buf *text)
{
    int port = config_ssh_port(login->config);

    buf_puts(text, "ssh ");
    if (port != 0 && port != 22)
        buf_printf(text, "-p %d ", port);
    buf_printf(text, "%s@%s", name, attempt->local);
    if (login->config->facts.host_key[0] != '\0')
        buf_printf(text, "\n    (the box's key: %s)", login->config->facts.host_key);
}

static void put_web(struct login *login, const struct login_try *attempt, struct buf *text)
{
    int port = config_web_port(login->config);

    buf_printf(text, strchr(attempt->local, ':') != NULL ? "http://[%s]" : "http://%s",
               attempt->local);
    if (port != 0 && port != 80)
        buf_printf(text, ":%d", port);
    buf_putc(text, '/');
}

/* A name like the one typed that nobody has. */
static void free_name(struct login *login, const char *typed, char *out)
{
    struct person person;

    for (unsigned attempt = 0; attempt < 20; attempt++) {
        struct person_attempt ask = {.name = out, .kind = "key", .label = "", .address = ""};

        name_suggest(typed, attempt, out);
        ask.newcomers = NEWCOMERS_OPEN;
        if (person_enter(login->store, &ask, &person) == CLAIM_MADE)
            return;
    }
}

static void say_bad_name(struct login *login, const struct login_try *attempt,
                         enum name_verdict verdict, struct buf *text)
{
    char name[NAME_MAX_BYTES];
    struct buf typed;

    buf_init(&typed, 64);
    text_clean(&typed, attempt->user, strnlen(attempt->user, 60), TEXT_ONE_LINE);
    free_name(login, attempt->user, name);
    buf_printf(text, "\"%s\" cannot be a name here. %s\nThis one would do:\n\n    ",
               buf_text(&typed), name_rule(verdict));
    put_ssh(login, attempt, name, text);
    buf_puts(text, "\n\n");
    buf_done(&typed);
}

/* asked: they are asked for a code at once. */
static void say_taken(struct login *login, const struct login_try *attempt,
                      const struct person *person, bool asked, struct buf *text)
{
    char day[WHEN_MAX], name[NAME_MAX_BYTES];

    when_day(person->created_at, day);
    free_name(login, person->name, name);
    buf_printf(text,
               "The name %s belongs to somebody since %s, and this key is not one of theirs.\n"
               "\n"
               "If you are new here, take another name:\n\n    ",
               person->name, day);
    put_ssh(login, attempt, name, text);
    if (asked) {
        buf_printf(text, "\n\nIf you are %s, type the code that /key add has shown you.\n\n",
                   person->name);
        return;
    }
    buf_printf(text,
               "\n\nIf you are %s, add this key: where you are signed in already type\n\n"
               "    /key add\n\n"
               "and connect again from here; you will be asked for the code that it shows.\n",
               person->name);
    if (config_web_port(login->config) != 0) {
        buf_puts(text, "Or use your browser: ");
        put_web(login, attempt, text);
        buf_putc(text, '\n');
    }
    buf_putc(text, '\n');
}

static void say_like(struct login *login, const struct login_try *attempt,
                     const struct person *person, struct buf *text)
{
    char name[NAME_MAX_BYTES];

    free_name(login, attempt->user, name);
    buf_printf(text, "That name looks like %s, which is taken. This one would do:\n\n    ",
               person->name);
    put_ssh(login, attempt, name, text);
    buf_puts(text, "\n\n");
}

/* While nobody new is let in, the same for every name: whether it is somebody's is not told. */
static void say_closed(const struct login_try *attempt, struct buf *text)
{
    char name[NAME_MAX_BYTES];

    if (name_check(attempt->user, name) != NAME_GOOD)
        return;
    buf_printf(text,
               "No newcomers are let in now: ask a host.\n"
               "If %s is your name, add this key: where you are signed in already type\n\n"
               "    /key add\n\n"
               "and connect again from here; you will be asked for the code that it shows.\n\n",
               name);
}

static bool is_closed(const struct login *login)
{
    return login->config->box.newcomers == NEWCOMERS_CLOSED;
}

static void say_banned(struct login *login, const struct login_try *attempt,
                       const struct person *person, struct buf *text)
{
    char *reason = NULL;

    ban_holds(login->store, person->id, attempt->key, attempt->address, &reason);
    buf_printf(text, "You are banned%s%.300s.\n", reason != NULL && reason[0] ? ": " : "",
               reason != NULL ? reason : "");
    free(reason);
}

static void put_keygen(struct login *login, const struct login_try *attempt, struct buf *text)
{
    buf_puts(text, "If you have no SSH key yet, make one and connect again:\n\n"
                   "    ssh-keygen -t ed25519\n\n");
    if (config_web_port(login->config) != 0) {
        buf_puts(text, "Or use your browser: ");
        put_web(login, attempt, text);
        buf_puts(text, "\n\n");
    }
}

/* ---- verdicts ---- */

static enum person_claim ask(struct login *login, const struct login_try *attempt,
                             struct person *person)
{
    struct person_attempt question = {.name = attempt->user,
                                      .kind = "key",
                                      .label = "",
                                      .address = attempt->address,
                                      .newcomers = login->config->box.newcomers};

    if (attempt->key != NULL)
        memcpy(question.digest, attempt->key, sizeof(question.digest));
    return person_enter(login->store, &question, person);
}

bool login_greet(struct login *login, const struct login_try *attempt, struct buf *text)
{
    char name[NAME_MAX_BYTES];
    enum name_verdict verdict = name_check(attempt->user, name);
    struct person person;

    if (verdict != NAME_GOOD) {
        say_bad_name(login, attempt, verdict, text);
        return true;
    }
    switch (ask(login, attempt, &person)) {
    case CLAIM_LOOKS_LIKE:
        if (is_closed(login))
            return false;
        say_like(login, attempt, &person, text);
        return true;
    case CLAIM_MADE:
        buf_printf(text, "%s: the name %s is free; your key makes it yours.\n\n",
                   login->config->box.title, name);
        put_keygen(login, attempt, text);
        return false;
    default:
        return false;
    }
}

static enum login_verdict judge_taken(struct login *login, const struct login_try *attempt,
                                      const struct person *person, struct buf *text)
{
    bool asked = code_is_open(login->store, person->id, "key") == 1;

    if (!asked && is_closed(login))
        say_closed(attempt, text);
    else if (!login_is_sibling(login, attempt->key) && (!asked || attempt->verified))
        say_taken(login, attempt, person, asked, text);
    return asked ? LOGIN_CODE : LOGIN_REFUSED;
}

enum login_verdict login_key(struct login *login, const struct login_try *attempt, struct buf *text)
{
    struct person person;
    char name[NAME_MAX_BYTES];

    switch (ask(login, attempt, &person)) {
    case CLAIM_IS_YOURS:
        return LOGIN_GOOD;
    case CLAIM_MADE:
        name_check(attempt->user, name);
        if (is_being_claimed(login, name, attempt->key)) {
            buf_printf(text, "Somebody else is taking the name %s at this moment.\n", name);
            return LOGIN_REFUSED;
        }
        if (attempt->verified)
            note_claim(login, name, attempt->key);
        return LOGIN_GOOD;
    case CLAIM_TAKEN:
        return judge_taken(login, attempt, &person, text);
    case CLAIM_LOOKS_LIKE:
        if (is_closed(login))
            say_closed(attempt, text);
        else
            say_like(login, attempt, &person, text);
        return LOGIN_REFUSED;
    case CLAIM_BAD_NAME:
        say_bad_name(login, attempt, name_check(attempt->user, name), text);
        return LOGIN_REFUSED;
    case CLAIM_CLOSED:
        say_closed(attempt, text);
        return LOGIN_REFUSED;
    case CLAIM_BANNED:
        say_banned(login, attempt, &person, text);
        return LOGIN_REFUSED;
    default:
        buf_puts(text, "The box cannot read its store; please try again.\n");
        return LOGIN_REFUSED;
    }
}

/* ---- codes ---- */

int64_t login_wait_ms(const struct login_try *attempt)
{
    return guess_wait_ms(attempt->address);
}

bool login_code(struct login *login, const struct login_try *attempt, const char *typed, char *code)
{
    struct person owner, meant;

    if (guess_wait_ms(attempt->address) > 0)
        return false;
    if (code_normalise(typed, code) == 0 &&
        person_by_name(login->store, attempt->user, &meant) == 1 &&
        code_look(login->store, "key", code, &owner) == 1 && owner.id == meant.id)
        return true;
    guess_wrong(attempt->address);
    return false;
}
