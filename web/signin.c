#include "web/signin.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "identity/credential.h"
#include "web/address.h"
#include "web/asset.h"
#include "web/form.h"
#include "web/page.h"
#include "web/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COOKIE_LIFE_S (365 * 24 * 3600) /* the store ends a sign-in earlier, if it is not used */
#define BODY_MAX      (64 * 1024)

/* ---- small things ---- */

void signin_label(const char *user_agent, char *out)
{
    static const struct {
        const char *token, *name;
    } browsers[] =
        {
            {"Edg",            "Edge"   },
            {"OPR/",           "Opera"  },
            {"SamsungBrowser", "Samsung"},
            {"Firefox",        "Firefox"},
            {"FxiOS",          "Firefox"},
            {"Chrome",         "Chrome" },
            {"CriOS",          "Chrome" },
            {"Safari",         "Safari" },
            {"curl",           "curl"   }
    },
      systems[] = {{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"},
                   {"Windows", "Windows"}, {"Mac OS", "a Mac"},  {"CrOS", "ChromeOS"},
                   {"Linux", "Linux"},     {"BSD", "BSD"}};
    const char *browser = "A browser", *system = NULL;
    for (size_t i = sizeof browsers / sizeof browsers[0]; i-- > 0;)
        if (strstr(user_agent, browsers[i].token) != NULL)
            browser = browsers[i].name;
    for (size_t i = sizeof systems / sizeof systems[0]; i-- > 0;)
        if (strstr(user_agent, systems[i].token) != NULL)
            system = systems[i].name;
    snprintf(out, 64, "%s%s%s", browser, system == NULL ? "" : " on ",
             system == NULL ? "" : system);
}

static void label_of(const struct call *call, char *out)
{
    const char *user_agent = http_header(call->http, "User-Agent");
    signin_label(user_agent == NULL ? "" : user_agent, out);
}

/* Whether this address must wait before it may guess again: that has been answered then. */
static bool must_wait(struct call *call)
{
    int64_t wait_ms = guess_wait_ms(call->http->address);
    if (wait_ms <= 0)
        return false;
    reply_extra(call->http, "Retry-After", "%lld", (long long)(wait_ms + 999) / 1000);
    reply_error(call->http, 429, "Too many wrong codes came from here: wait a moment.");
    return true;
}

/* The browser gets its cookie, and what a guest dropped becomes the person's. */
static void take_cookie(struct call *call, const char *secret, int64_t person_id)
{
    reply_cookie(call->http, VISITOR_COOKIE, secret, COOKIE_LIFE_S);
    if (!call->visitor.has_guest)
        return;
    drop_adopt(call->drop, call->visitor.actor.guest, person_id);
    reply_cookie(call->http, VISITOR_GUEST_COOKIE, "", 0);
}

/* Signs this browser in as person. 0, or -1: answered. */
static int sign_in(struct call *call, const struct person *person)
{
    char secret[SECRET_TEXT], label[64];
    uint8_t digest[DIGEST_SHA256_SIZE];
    secret_new(secret);
    secret_digest(secret, digest);
    label_of(call, label);
    if (credential_add(call->store, person->id, "browser", digest, label, call->http->address,
                       CREDENTIAL_BROWSER_IDLE_S) != 0) {
        reply_error(call->http, 500, "The box could not sign this browser in. Try again.");
        return -1;
    }
    take_cookie(call, secret, person->id);
    return 0;
}

/* ---- links and codes ---- */

static void spent(struct call *call)
{
    guess_wrong(call->http->address);
    page_note(call, 404, "This code is not good",
              "It has been used, has expired, or was mistyped. A link lasts two minutes and works "
              "once: make another where you are signed in.",
              "/join", "Type a code");
}

static void ask_page(struct call *call, const char *code, const char *name)
{
    struct address address;
    struct buf body;
    buf_init(&body, BODY_MAX);
    address_of(call, &address);
    const char *now = call->visitor.known ? call->visitor.person.name : "";
    const struct template_value values[] = {
        TEMPLATE_TEXT("code", code),
        TEMPLATE_TEXT("name", name),
        TEMPLATE_TEXT("now", strcmp(now, name) == 0 ? "" : now),
        TEMPLATE_TEXT("ssh", address.ssh),
        TEMPLATE_TEXT("fingerprint", call->config->facts.host_key),
        TEMPLATE_TEXT("open", call->config->box.newcomers == NEWCOMERS_CLOSED ? "" : "1"),
    };
    template_put(&body, asset_template("join.html"), values, sizeof values / sizeof values[0]);
    page_reply(call, 200, "Sign in", "join", &body);
    buf_done(&body);
}

void signin_ask(struct call *call)
{
    struct person person;
    if (call->rest == NULL || call->rest[0] == '\0') {
        ask_page(call, "", "");
        return;
    }
    if (must_wait(call))
        return;
    int found = code_look(call->store, "web", call->rest, &person);
    if (found == 1)
        ask_page(call, call->rest, person.name);
    else if (found == 0)
        spent(call);
    else
        reply_error(call->http, 500, "The box cannot look that up now.");
}

/* Uses up a link's secret, or a code that was typed. 1, 0, -1 as code_use. */
static int use(struct call *call, struct person *person)
{
    if (call->rest != NULL && call->rest[0] != '\0')
        return code_use(call->store, "web", call->rest, person);
    struct form form = {0};
    char code[CODE_TEXT];
    if (form_read(call->http, &form) == -1)
        return -2;
    int result = 0;
    if (code_normalise(form_value(&form, "code"), code) == 0)
        result = code_use(call->store, "browser", code, person);
    form_done(&form);
    return result;
}

/* Whether they may come in at all; else that has been answered, and the code is used up. */
static bool may_come_in(struct call *call, const struct person *person)
{
    char *reason = NULL;
    int banned = ban_holds(call->store, person->id, NULL, NULL, &reason);
    if (banned == 1)
        route_say_banned(call, reason);
    else if (banned == -1)
        reply_error(call->http, 500, "The box cannot look that up now.");
    free(reason);
    return banned == 0;
}

void signin_join(struct call *call)
{
    struct person person;
    if (must_wait(call))
        return;
    int used = use(call, &person);
    if (used == 0)
        spent(call);
    else if (used == -1)
        reply_error(call->http, 500, "The box cannot look that up now.");
    else if (used == 1 && may_come_in(call, &person) && sign_in(call, &person) == 0)
        reply_redirect(call->http, 303, "/");
}

void signin_leave(struct call *call)
{
    const struct visitor *visitor = &call->visitor;
    if (visitor->known && !visitor->by_token &&
        store_run(call->store, "DELETE FROM credential WHERE id = ? AND kind = 'browser'", "i",
                  visitor->credential_id) < 0) {
        reply_error(call->http, 503, "The box cannot sign you out now; try again in a moment.");
        return;
    }
    reply_cookie(call->http, VISITOR_COOKIE, "", 0);
    reply_redirect(call->http, 303, "/");
}

/* ---- a free name ---- */

static void refuse_name(struct call *call, enum person_claim claim, const char *typed,
                        const struct person *person)
{
    char suggestion[NAME_MAX_BYTES], name[NAME_MAX_BYTES], text[512] = "";
    const char *why = "The box could not do that now.";
    int status = 409;
    name_suggest(typed, 1, suggestion);
    /* While nobody new is let in, whether a name is somebody's is not told. */
    if (call->config->box.newcomers == NEWCOMERS_CLOSED &&
        (claim == CLAIM_TAKEN || claim == CLAIM_LOOKS_LIKE))
        claim = CLAIM_CLOSED;
    switch (claim) {
    case CLAIM_TAKEN:
        snprintf(
            text, sizeof text,
            "%s is taken. If that is you, sign in with a code from where you are signed in. If "
            "not, take another name: %s, say.",
            person->name, suggestion);
        break;
    case CLAIM_LOOKS_LIKE:
        snprintf(text, sizeof text, "That looks too much like %s. Take another name: %s, say.",
                 person->name, suggestion);
        break;
    case CLAIM_BAD_NAME:
        status = 400;
        name_suggest(typed, 0, suggestion);
        snprintf(text, sizeof text, "%s Take another one: %s, say.",
                 name_rule(name_check(typed, name)), suggestion);
        break;
    case CLAIM_CLOSED:
        status = 403;
        why = "No newcomers are let in now: ask a host.";
        break;
    case CLAIM_BANNED:
        status = 403;
        why = "You have been banned from this box.";
        break;
    default:
        status = 500;
    }
    page_note(call, status, "Not that name", text[0] != '\0' ? text : why, "/you", "Back");
}

static void claim_name(struct call *call, const char *typed)
{
    char secret[SECRET_TEXT], label[64];
    struct person person = {0};
    struct person_attempt attempt = {.name = typed,
                                     .kind = "browser",
                                     .label = label,
                                     .address = call->http->address,
                                     .newcomers = call->config->box.newcomers,
                                     .claim = true};
    secret_new(secret);
    secret_digest(secret, attempt.digest);
    label_of(call, label);
    enum person_claim claim = person_enter(call->store, &attempt, &person);
    if (claim != CLAIM_MADE) {
        refuse_name(call, claim, typed, &person);
        return;
    }
    take_cookie(call, secret, person.id);
    if (person.role == ROLE_WAITING)
        page_note(call, 200, "A host has to let you in",
                  "The name is yours. As soon as a host has seen you, you can read and write.", "/",
                  "To the first page");
    else
        reply_redirect(call->http, 303, "/#chat");
}

void signin_name(struct call *call)
{
    struct form form = {0};
    if (call->visitor.known) {
        page_note(call, 409, "You have a name", "Sign out first, or change your name.", "/you",
                  "Back");
        return;
    }
    if (form_read(call->http, &form) == -1)
        return;
    char *typed = mem_dup(form_value(&form, "name"));
    claim_name(call, text_trim(typed));
    free(typed);
    form_done(&form);
}

/* ---- from one of the box's names to another ---- */

void signin_move(struct call *call)
{
    struct form form = {0};
    struct address address;
    char code[SECRET_TEXT], to[ADDRESS_MAX + 64];
    if (form_read(call->http, &form) == -1)
        return;
    bool known = false;
    address_of(call, &address);
    const char *wanted = form_value(&form, "to");
    for (size_t i = 0; i < address.way_count && !known; i++)
        known = strcmp(address.way[i], wanted) == 0;
    if (!known)
        reply_error(call->http, 400, "The box does not go by that address.");
    else if (code_make(call->store, call->visitor.person.id, "web", code) == -1)
        reply_error(call->http, 500, "The box could not make a code.");
    else {
        snprintf(to, sizeof to, "%s/join/%s", wanted, code);
        reply_redirect(call->http, 307, to);
    }
    form_done(&form);
}
