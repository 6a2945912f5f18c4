#include "web/people.h"

#include "base/when.h"
#include "identity/event.h"
#include "identity/lease.h"
#include "identity/presence.h"
#include "web/asset.h"
#include "web/form.h"
#include "web/html.h"
#include "web/page.h"
#include "web/template.h"
#include "web/url.h"
#include "web/words.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX (1024 * 1024)
#define MUTE_MS  (10 * 60 * 1000)

/* ---- who is here ---- */

struct crowd {
    struct call *call;
    struct buf *out;
    char name[NAME_MAX_BYTES]; /* of the line that is open; "" none */
    int guests;
};

static void button_put(struct buf *out, const char *act, const char *name, const char *text)
{
    buf_printf(
        out, "<form method=post action=\"/people/act\"><input type=hidden name=act value=%s>", act);
    buf_puts(out, "<input type=hidden name=name value=\"");
    html_text(out, name);
    buf_puts(out, "\"><button class=small aria-label=\"");
    html_text(out, text);
    buf_puts(out, " ");
    html_text(out, name);
    buf_printf(out, "\">%s</button></form>", text);
}

/* Ends a person's line with what this visitor can do. */
static void line_end(struct crowd *crowd)
{
    const struct visitor *visitor = &crowd->call->visitor;
    if (crowd->name[0] == '\0')
        return;
    if (visitor->known && strcmp(crowd->name, visitor->person.name) != 0) {
        buf_puts(crowd->out, "<a href=\"/chat?with=");
        url_encode(crowd->out, crowd->name, false);
        buf_puts(crowd->out, "\">Write privately</a>");
    }
    buf_puts(crowd->out, "</li>\n");
    crowd->name[0] = '\0';
}

/* Which device it is, for hosts: by lease, else the address. */
static void device_put(struct crowd *crowd, const struct presence *presence)
{
    struct lease lease;
    if (!crowd->call->visitor.actor.host)
        return;
    bool named =
        lease_by_ip(crowd->call->store, presence->address, &lease) == 1 && lease.host[0] != '\0';
    buf_puts(crowd->out, " from ");
    html_text(crowd->out, named ? lease.host : presence->address);
}

static void put_presence(void *context, const struct presence *presence)
{
    struct crowd *crowd = context;
    if (presence->person_id == 0) {
        crowd->guests++;
        return;
    }
    if (strcmp(crowd->name, presence->name) != 0) {
        line_end(crowd);
        snprintf(crowd->name, sizeof crowd->name, "%s", presence->name);
        buf_printf(crowd->out, "<li><b class=c%u>", words_colour(presence->name));
        html_text(crowd->out, presence->name);
        buf_printf(crowd->out, "</b>%s", presence->role == ROLE_HOST ? " <small>host</small>" : "");
    }
    buf_puts(crowd->out, " <small>");
    html_text(crowd->out, strcmp(presence->door, "web") == 0 ? "browser" : presence->door);
    if (presence->room[0] != '\0' && strcmp(presence->room, "lobby") != 0) {
        buf_puts(crowd->out, " in ");
        html_text(crowd->out, presence->room);
    }
    device_put(crowd, presence);
    if (presence->away[0] != '\0') {
        buf_puts(crowd->out, ", away: ");
        html_text(crowd->out, presence->away);
    }
    buf_puts(crowd->out, "</small> <small>since ");
    html_time(crowd->out, presence->since, when_wall_ms());
    buf_puts(crowd->out, "</small> ");
}

/* ---- for hosts: everybody ---- */

static void put_person(struct call *call, struct rows *rows, struct buf *out)
{
    const char *name = rows_text(rows, 0), *role = rows_text(rows, 1);
    bool waiting = strcmp(role, "waiting") == 0, host = strcmp(role, "host") == 0;
    bool muted = rows_int(rows, 3) > when_wall_ms(), banned = rows_int(rows, 4) != 0;
    buf_puts(out, "<li><span>");
    html_text(out, name);
    buf_printf(out, "</span> <small>%s%s%s, seen ", role, muted ? ", muted" : "",
               banned ? ", banned" : "");
    html_time(out, rows_int(rows, 2), when_wall_ms());
    buf_puts(out, "</small> ");
    if (strcmp(name, call->visitor.person.name) != 0) {
        if (waiting)
            button_put(out, "admit", name, "Let in");
        button_put(out, "kick", name, "Kick");
        button_put(out, muted ? "unmute" : "mute", name, muted ? "Unmute" : "Mute 10 min");
        button_put(out, banned ? "unban" : "ban", name, banned ? "Unban" : "Ban");
        if (!waiting)
            button_put(out, host ? "demote" : "promote", name,
                       host ? "No longer a host" : "Make a host");
    }
    buf_puts(out, "</li>\n");
}

/* Those who wait first, then the last seen. */
static void put_everybody(struct call *call, struct buf *out)
{
    struct rows rows;
    rows_open(&rows, call->store,
              "SELECT name, role, seen_at, muted_until, EXISTS (SELECT 1 FROM ban WHERE kind = "
              "'person' AND subject = CAST(person.id AS TEXT) AND (until IS NULL OR until > ?)) "
              "FROM person ORDER BY role = 'waiting' DESC, seen_at DESC LIMIT 500",
              "i", when_wall_ms());
    while (rows_next(&rows) == 1)
        put_person(call, &rows, out);
    rows_close(&rows);
}

void people_answer(struct call *call)
{
    struct buf body, here, everybody;
    char guests[64] = "";
    buf_init(&body, BODY_MAX);
    buf_init(&here, BODY_MAX);
    buf_init(&everybody, BODY_MAX);
    struct crowd crowd = {.call = call, .out = &here};
    presence_list(call->store, put_presence, &crowd);
    line_end(&crowd);
    if (call->visitor.actor.host)
        put_everybody(call, &everybody);
    if (crowd.guests > 0)
        snprintf(guests, sizeof guests, "%d guest%s without a name.", crowd.guests,
                 crowd.guests == 1 ? "" : "s");
    const struct template_value values[] = {
        TEMPLATE_HTML("here", buf_text(&here)),
        TEMPLATE_TEXT("guests", guests),
        TEMPLATE_HTML("everybody", buf_text(&everybody)),
    };
    template_put(&body, asset_template("people.html"), values, sizeof values / sizeof values[0]);
    page_reply(call, 200, "People", "people", &body);
    buf_done(&body);
    buf_done(&here);
    buf_done(&everybody);
}

/* ---- what hosts do ---- */

static enum person_act admit(struct call *call, const struct person *person)
{
    return person->role == ROLE_WAITING ? person_set_role(call->store, person->id, ROLE_PERSON)
                                        : ACT_NOTHING_TO_DO;
}

static enum person_act promote(struct call *call, const struct person *person)
{
    return person_set_role(call->store, person->id, ROLE_HOST);
}

static enum person_act demote(struct call *call, const struct person *person)
{
    return person_set_role(call->store, person->id, ROLE_PERSON);
}

static enum person_act kick(struct call *call, const struct person *person)
{
    if (store_begin(call->store, STORE_SYNCED) == -1)
        return ACT_FAILED;
    int result = event_append(call->store, EVENT_KICK, person->id);
    return store_end(call->store, result) == 0 ? ACT_DONE : ACT_FAILED;
}

static enum person_act mute(struct call *call, const struct person *person)
{
    return person_mute(call->store, person->id, when_wall_ms() + MUTE_MS);
}

static enum person_act unmute(struct call *call, const struct person *person)
{
    return person_mute(call->store, person->id, 0);
}

static enum person_act ban(struct call *call, const struct person *person)
{
    char id[24];
    snprintf(id, sizeof id, "%lld", (long long)person->id);
    return ban_set(call->store, "person", id, "", call->visitor.person.id, 0);
}

static enum person_act unban(struct call *call, const struct person *person)
{
    char id[24];
    snprintf(id, sizeof id, "%lld", (long long)person->id);
    return ban_lift(call->store, "person", id);
}

static const struct {
    const char *word;
    enum person_act (*act)(struct call *call, const struct person *person);
} acts[] = {
    {"admit",   admit  },
    {"kick",    kick   },
    {"mute",    mute   },
    {"unmute",  unmute },
    {"ban",     ban    },
    {"unban",   unban  },
    {"promote", promote},
    {"demote",  demote },
};

static enum person_act act_on(struct call *call, const char *word, const struct person *person)
{
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
        if (strcmp(acts[i].word, word) == 0)
            return acts[i].act(call, person);
    return ACT_NOTHING_TO_DO;
}

void people_act(struct call *call)
{
    struct form form = {0};
    struct person person;
    if (form_read(call->http, &form) == -1)
        return;
    enum person_act result = ACT_NOBODY;
    if (person_by_name(call->store, form_value(&form, "name"), &person) == 1)
        result = act_on(call, form_value(&form, "act"), &person);
    form_done(&form);
    if (result != ACT_DONE)
        page_note(call,
                  result == ACT_FAILED   ? 500
                  : result == ACT_NOBODY ? 404
                                         : 409,
                  "That did not work", person_act_text(result), "/people", "Back");
    else if (page_wants_html(call))
        reply_redirect(call->http, 303, "/people");
    else
        reply_text(call->http, 200, "%s", person_act_text(result));
}
