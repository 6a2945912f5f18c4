/*
 * hosts: everybody, one person and the bans as hosts see them in a browser, and what they do.
 *
 * The acts are those of identity/act.h; a form sends `act`, `name` and what the act takes besides
 * (`other`, `until`, `reason`, `words`). What cannot be undone is asked on a page of its own, whose
 * button sends the same with `sure`.
 */
#include "base/when.h"
#include "identity/act.h"
#include "identity/roll.h"
#include "web/asset.h"
#include "web/form.h"
#include "web/html.h"
#include "web/page.h"
#include "web/people.h"
#include "web/template.h"
#include "web/url.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX  (1024 * 1024)
#define PAGE_FULL (256 * 1024) /* bytes from which on people are on the next page */

/* ---- small things ---- */

static void hidden_put(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "<input type=hidden name=%s value=\"", name);
    html_text(out, value);
    buf_puts(out, "\">");
}

/* A form that is one button. */
static void button_put(struct buf *out, const char *act, const char *name, const char *text)
{
    buf_puts(out, "<form method=post action=\"/people/act\">");
    hidden_put(out, "act", act);
    hidden_put(out, "name", name);
    buf_puts(out, "<button class=small aria-label=\"");
    html_text(out, text);
    buf_puts(out, " ");
    html_text(out, name);
    buf_printf(out, "\">%s</button></form>", text);
}

static void person_address(struct buf *out, const char *name)
{
    buf_puts(out, "/people/");
    url_encode(out, name, false);
}

/* ---- everybody ---- */

struct everybody {
    struct buf *out;
    int64_t from, at; /* the first that is shown, the next */
    int64_t next;     /* the first that is not; 0 none */
};

static void put_row(void *context, const struct roll_row *row)
{
    struct everybody *everybody = context;
    struct buf *out = everybody->out;
    const struct person *person = row->person;
    int64_t at = everybody->at++;
    if (at < everybody->from || everybody->next != 0)
        return;
    if (out->len >= PAGE_FULL) {
        everybody->next = at;
        return;
    }
    buf_puts(out, "<li><a href=\"");
    person_address(out, person->name);
    buf_puts(out, "\">");
    html_text(out, person->name);
    buf_printf(out, "</a> <small>%s%s%s%s%s, seen ", person_role_name(person->role),
               row->banned ? ", banned" : "", row->muted ? ", muted" : "",
               row->doors[0] != '\0' ? ", here by " : "", row->doors);
    html_time(out, person->seen_at, when_wall_ms());
    buf_puts(out, "</small> ");
    if (person->role == ROLE_WAITING)
        button_put(out, "admit", person->name, "Let in");
    buf_puts(out, "</li>\n");
}

static void put_ban(void *context, const struct ban *ban)
{
    struct buf *out = context;
    char subject[ROLL_SUBJECT_MAX];
    const char *who = roll_subject(ban, subject);
    buf_puts(out, "<li><span>");
    html_text(out, who);
    buf_puts(out, "</span> <small>");
    if (ban->until) {
        buf_puts(out, "until ");
        html_time(out, ban->until, when_wall_ms());
    } else {
        buf_puts(out, "for ever");
    }
    buf_puts(out, ", by ");
    html_text(out, ban->by[0] ? ban->by : "the box");
    buf_puts(out, ban->reason[0] ? ": " : "");
    html_text(out, ban->reason);
    buf_puts(out, "</small> ");
    button_put(out, "unban", who, "Unban");
    buf_puts(out, "</li>\n");
}

void hosts_everybody(struct call *call, struct buf *everybody, struct buf *bans)
{
    struct roll roll;
    struct everybody rows = {.out = everybody};
    http_query_int(call->http, "from", &rows.from);
    if (roll_open(&roll, call->store, true) == 0)
        roll_list(&roll, put_row, &rows);
    roll_close(&roll);
    if (rows.next != 0)
        buf_printf(everybody, "<li><a href=\"/people?from=%lld\">More</a></li>\n",
                   (long long)rows.next);
    ban_list(call->store, put_ban, bans);
}

/* ---- one person ---- */

/* The box's own text, a line each, as what it says to `riad people show` and in the chat. */
static int facts_put(struct call *call, const struct person *person, struct buf *out)
{
    static const struct roll_style plain = {"", "", ""};
    struct roll roll;
    struct buf text;
    buf_init(&text, BODY_MAX / 8);
    int result = roll_open(&roll, call->store, true);
    if (result == 0)
        result = roll_show(&roll, person, &plain, &text);
    const char *facts = strchr(buf_text(&text), '\n'); /* the first line is the heading */
    html_text(out, facts == NULL ? "" : facts + 1);
    buf_done(&text);
    roll_close(&roll);
    return result;
}

void hosts_person(struct call *call)
{
    struct person person;
    struct buf body, facts;
    int found = person_by_name(call->store, call->rest, &person);
    if (found == 0) {
        page_note(call, 404, "Nobody has that name", "Perhaps they have another one now.",
                  "/people", "Everybody");
        return;
    }
    buf_init(&body, BODY_MAX);
    buf_init(&facts, BODY_MAX / 2);
    if (found == -1 || facts_put(call, &person, &facts) == -1) {
        reply_error(call->http, 503, "The box cannot read its store just now; the log says why.");
        goto out;
    }
    bool self = person.id == call->visitor.person.id;
    bool banned = ban_holds(call->store, person.id, NULL, NULL, NULL) == 1;
    const struct template_value values[] = {
        TEMPLATE_TEXT("name", person.name),
        TEMPLATE_TEXT("role", person_role_name(person.role)),
        TEMPLATE_HTML("facts", buf_text(&facts)),
        TEMPLATE_TEXT("other", self ? "" : "1"),
        TEMPLATE_TEXT("waiting", person.role == ROLE_WAITING ? "1" : ""),
        TEMPLATE_TEXT("person", person.role == ROLE_PERSON ? "1" : ""),
        TEMPLATE_TEXT("host", person.role == ROLE_HOST ? "1" : ""),
        TEMPLATE_TEXT("muted", person.muted_until > when_wall_ms() ? "1" : ""),
        TEMPLATE_TEXT("banned", banned ? "1" : ""),
    };
    template_put(&body, asset_template("person.html"), values, sizeof values / sizeof values[0]);
    page_reply(call, 200, person.name, "person", &body);
out:
    buf_done(&body);
    buf_done(&facts);
}

/* ---- acting ---- */

/* 0, or -1: the form was wrong, and that has been answered. */
static int read_wish(struct call *call, const struct form *form, struct act_wish *wish)
{
    const char *until = form_value(form, "until");
    *wish = (struct act_wish){
        .by_id = call->visitor.person.id,
        .who = form_value(form, "name"),
        .other = form_value(form, "other"),
        .reason = form_value(form, "reason"),
        .words = form_value(form, "words")[0] != '\0',
    };
    if (until[0] == '\0' || act_until(until, &wish->until_ms) == 0)
        return 0;
    page_note(call, 400, "That did not work",
              "How long is written as in 2h or 3d; or a time to come, as in 2026-11-22.", "/people",
              "Back");
    return -1;
}

/* The page that asks before what cannot be undone. */
static void ask(struct call *call, const struct form *form, const struct act *act,
                const struct act_wish *wish)
{
    static const char *const fields[] = {"act", "name", "other", "words"};
    struct buf body, question;
    buf_init(&question, 2048);
    act_question(act, wish, &question);
    if (!page_wants_html(call)) {
        reply_error(call->http, 409, "%s Send the same with sure=1.", buf_text(&question));
        buf_done(&question);
        return;
    }
    buf_init(&body, BODY_MAX / 8);
    buf_puts(&body, "<section><h1>Are you sure?</h1><p>");
    html_text(&body, buf_text(&question));
    buf_puts(&body, "</p><form class=row method=post action=\"/people/act\">");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        hidden_put(&body, fields[i], form_value(form, fields[i]));
    hidden_put(&body, "sure", "1");
    buf_printf(&body, "<button class=main>Yes, %s</button><a class=button href=\"", act->name);
    person_address(&body, wish->who);
    buf_puts(&body, "\">No</a></form></section>");
    page_reply(call, 200, "Are you sure?", "note", &body);
    buf_done(&body);
    buf_done(&question);
}

/* Back to where it was done: the person's page while there is one. */
static void answer_done(struct call *call, const struct act_wish *wish, const char *told)
{
    struct person person;
    struct buf back;
    if (!page_wants_html(call)) {
        reply_text(call->http, 200, "%s", told);
        return;
    }
    buf_init(&back, 256);
    if (person_by_name(call->store, wish->who, &person) == 1 && person.role != ROLE_WAITING)
        person_address(&back, person.name);
    else
        buf_puts(&back, "/people");
    reply_redirect(call->http, 303, buf_text(&back));
    buf_done(&back);
}

static void answer_failed(struct call *call, enum person_act result, struct buf *told)
{
    int status = result == ACT_FAILED ? 500 : result == ACT_NOBODY ? 404 : 409;
    buf_putc(told, '.');
    if (page_wants_html(call))
        page_note(call, status, "That did not work", buf_text(told), "/people", "Back");
    else
        reply_error(call->http, status, "That did not work: %s", buf_text(told));
}

static void carry_out(struct call *call, const struct act *act, const struct act_wish *wish)
{
    struct buf told;
    buf_init(&told, 4096);
    enum person_act result = act_do(call->store, act, wish, &told);
    if (result == ACT_DONE)
        answer_done(call, wish, buf_text(&told));
    else
        answer_failed(call, result, &told);
    buf_done(&told);
}

void hosts_act(struct call *call)
{
    struct form form = {0};
    struct act_wish wish;
    if (form_read(call->http, &form) == -1)
        return;
    const struct act *act = act_find(form_value(&form, "act"));
    if (act == NULL)
        reply_error(call->http, 400, "There is no such thing for a host to do.");
    else if (read_wish(call, &form, &wish) == 0) {
        if (act->final && form_value(&form, "sure")[0] == '\0')
            ask(call, &form, act, &wish);
        else
            carry_out(call, act, &wish);
    }
    form_done(&form);
}
