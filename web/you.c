#include "web/you.h"

#include "base/when.h"
#include "identity/credential.h"
#include "web/address.h"
#include "web/asset.h"
#include "web/form.h"
#include "web/html.h"
#include "web/page.h"
#include "web/qr.h"
#include "web/signin.h"
#include "web/template.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX (512 * 1024)

/* ---- what signs them in ---- */

struct listed {
    struct buf *out;
    int64_t this_one; /* the credential of this browser */
    int count;
};

static const char *kind_text(const char *kind)
{
    if (strcmp(kind, "key") == 0)
        return "SSH key";
    return strcmp(kind, "token") == 0 ? "Token" : "Browser";
}

static void put_credential(void *context, const struct credential *credential)
{
    struct listed *listed = context;
    struct buf *out = listed->out;
    bool here = credential->id == listed->this_one;
    int64_t now = when_wall_ms();
    listed->count++;
    buf_puts(out, "<li><span>");
    html_text(out, credential->label[0] == '\0' ? kind_text(credential->kind) : credential->label);
    buf_printf(out, "</span> <small>%s%s</small> <small>last used ", kind_text(credential->kind),
               here ? ", this one" : "");
    html_time(out, credential->used_at, now);
    buf_puts(out, "</small> ");
    if (credential->expires_at != 0) {
        buf_puts(out, "<small>until ");
        html_time(out, credential->expires_at, now);
        buf_puts(out, "</small> ");
    }
    if (!here)
        buf_printf(out,
                   "<form method=post action=\"/you/revoke\"><input type=hidden name=id "
                   "value=%lld><button class=small>Take away</button></form>",
                   (long long)credential->id);
    buf_puts(out, "</li>\n");
}

/* A button for each other address of the box. */
static void put_ways(const struct call *call, const struct address *address, struct buf *out)
{
    for (size_t i = 0; i < address->way_count; i++) {
        const char *host = address->way[i] + strlen("http://");
        if (strcmp(host, call->http->host) == 0)
            continue;
        buf_puts(out, "<form method=post action=\"/you/move\"><button name=to value=\"");
        html_text(out, address->way[i]);
        buf_puts(out, "\">");
        html_text(out, host);
        buf_puts(out, "</button></form>");
    }
}

void you_answer(struct call *call)
{
    struct address address;
    struct buf body, list, ways;
    if (!call->visitor.known) {
        call->rest = "";
        signin_ask(call);
        return;
    }
    buf_init(&body, BODY_MAX);
    buf_init(&list, BODY_MAX);
    buf_init(&ways, BODY_MAX);
    address_of(call, &address);
    struct listed listed = {.out = &list, .this_one = call->visitor.credential_id};
    credential_list(call->store, call->visitor.person.id, NULL, put_credential, &listed);
    put_ways(call, &address, &ways);
    const struct person *person = &call->visitor.person;
    const struct template_value values[] = {
        TEMPLATE_TEXT("name", person->name),
        TEMPLATE_TEXT("host", person->role == ROLE_HOST ? "1" : ""),
        TEMPLATE_TEXT("waiting", person->role == ROLE_WAITING ? "1" : ""),
        TEMPLATE_TEXT("only", listed.count == 1 ? "1" : ""),
        TEMPLATE_HTML("list", buf_text(&list)),
        TEMPLATE_HTML("ways", buf_text(&ways)),
        TEMPLATE_TEXT("ssh", address.ssh),
        TEMPLATE_TEXT("fingerprint", call->config->facts.host_key),
    };
    template_put(&body, asset_template("you.html"), values, sizeof values / sizeof values[0]);
    page_reply(call, 200, person->name, "you", &body);
    buf_done(&body);
    buf_done(&list);
    buf_done(&ways);
}

/* ---- changing it ---- */

/* Back to the page, or a page that says why not. */
static void answer_act(struct call *call, enum person_act act, const char *why_not)
{
    if (act == ACT_DONE)
        reply_redirect(call->http, 303, "/you");
    else
        page_note(call, act == ACT_FAILED ? 500 : 409, "That did not work",
                  why_not != NULL ? why_not : person_act_text(act), "/you", "Back");
}

void you_rename(struct call *call)
{
    struct form form = {0};
    if (form_read(call->http, &form) == -1)
        return;
    char name[NAME_MAX_BYTES];
    const char *typed = form_value(&form, "name");
    enum name_verdict verdict = name_check(typed, name);
    answer_act(call,
               verdict == NAME_GOOD ? person_rename(call->store, call->visitor.person.id, name)
                                    : ACT_BAD_NAME,
               verdict == NAME_GOOD ? NULL : name_rule(verdict));
    form_done(&form);
}

void you_revoke(struct call *call)
{
    struct form form = {0};
    long long id = 0;
    if (form_read(call->http, &form) == -1)
        return;
    sscanf(form_value(&form, "id"), "%lld", &id);
    form_done(&form);
    enum person_act act = credential_remove(call->store, call->visitor.person.id, id);
    answer_act(call, act,
               act == ACT_NOTHING_TO_DO ? "It is not there, or it is the last one you have."
                                        : NULL);
}

/* ---- secrets that are shown once ---- */

/* A page with a secret: what to do with it, itself, and its QR code (an address) or none. */
static void show_secret(struct call *call, const char *heading, const char *text,
                        const char *secret, bool qr)
{
    struct buf body;
    buf_init(&body, BODY_MAX);
    buf_puts(&body, "<section><h1>");
    html_text(&body, heading);
    buf_puts(&body, "</h1><p>");
    html_text(&body, text);
    buf_puts(&body, "</p><pre><code>");
    html_text(&body, secret);
    buf_puts(&body, "</code></pre>");
    if (qr)
        qr_svg(&body, secret, "The same as a QR code");
    buf_puts(&body, "<p><a class=button href=\"/you\">Done</a></p></section>");
    page_reply(call, 200, heading, "note", &body);
    buf_done(&body);
}

static void code_for_key(struct call *call)
{
    struct address address;
    char code[CODE_TEXT], text[ADDRESS_MAX + 300];
    address_of(call, &address);
    if (code_make(call->store, call->visitor.person.id, "key", code) == -1) {
        reply_error(call->http, 500, "The box could not make a code.");
        return;
    }
    snprintf(text, sizeof text,
             "On the device that has the key, run %s and type this code when you are asked for it. "
             "It is good for ten minutes, once. The box's key: %s",
             address.ssh, call->config->facts.host_key);
    show_secret(call, "Add a key", text, code, false);
}

static void link_for_browser(struct call *call)
{
    char secret[SECRET_TEXT];
    char link[ADDRESS_MAX + SECRET_TEXT + 16];
    if (code_make(call->store, call->visitor.person.id, "web", secret) == -1) {
        reply_error(call->http, 500, "The box could not make a code.");
        return;
    }
    snprintf(link, sizeof link, "http://%.255s/join/%s", call->http->host, secret);
    show_secret(call, "Another browser",
                "Open this address there, or scan it. It is good for two minutes, once.", link,
                true);
}

static void code_for_browser(struct call *call)
{
    char code[CODE_TEXT];
    if (code_make(call->store, call->visitor.person.id, "browser", code) == -1) {
        reply_error(call->http, 500, "The box could not make a code.");
        return;
    }
    show_secret(call, "A code for another browser",
                "Type this under “Sign in” there. It is good for ten minutes, once.", code, false);
}

void you_code(struct call *call)
{
    static const struct {
        const char *kind;
        void (*make)(struct call *call);
    } kinds[] = {
        {"key",     code_for_key    },
        {"link",    link_for_browser},
        {"browser", code_for_browser}
    };
    struct form form = {0};
    if (form_read(call->http, &form) == -1)
        return;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(form_value(&form, "kind"), kinds[i].kind) != 0)
            continue;
        form_done(&form);
        kinds[i].make(call);
        return;
    }
    form_done(&form);
    reply_error(call->http, 400, "A code is for a key, a link or a browser.");
}

void you_token(struct call *call)
{
    struct form form = {0};
    char secret[SECRET_TEXT];
    uint8_t digest[DIGEST_SHA256_SIZE];
    int64_t life_s = 0;
    if (form_read(call->http, &form) == -1)
        return;
    const char *expires = form_value(&form, "expires");
    if (expires[0] != '\0' && (when_duration_parse(expires, &life_s) == -1 || life_s == 0)) {
        reply_error(call->http, 400, "How long is written as in 7d, 12h or 30m.");
    } else {
        secret_new(secret);
        secret_digest(secret, digest);
        if (credential_add(call->store, call->visitor.person.id, "token", digest, "", "", life_s) !=
            0)
            reply_error(call->http, 500, "The box could not make a token.");
        else
            show_secret(call, "A token",
                        "Scripts send it as the header Authorization: Bearer TOKEN. It is shown "
                        "only now.",
                        secret, false);
    }
    form_done(&form);
}
