#include "web/people.h"

#include "base/when.h"
#include "identity/roll.h"
#include "web/asset.h"
#include "web/html.h"
#include "web/page.h"
#include "web/template.h"
#include "web/url.h"
#include "web/words.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX (1024 * 1024)
#define HERE_MAX (256 * 1024) /* bytes from which on no further door is told */
#define IDLE_MS  (5 * 60000)  /* from then on it is said when somebody was seen last */

/* ---- who is here ---- */

struct crowd {
    struct call *call;
    struct buf *out;
    char name[NAME_MAX_BYTES];          /* of the line that is open; "" none */
    char door[8], room[NAME_MAX_BYTES]; /* said last there */
    int guests;
};

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
    crowd->name[0] = crowd->door[0] = '\0';
}

/* Whether it says the same as the one before: a second page of the same browser. Hosts see each. */
static bool says_the_same(struct crowd *crowd, const struct presence *presence)
{
    bool same = strcmp(crowd->door, presence->door) == 0 &&
                strcmp(crowd->room, presence->room) == 0 && presence->away[0] == '\0';
    snprintf(crowd->door, sizeof crowd->door, "%s", presence->door);
    snprintf(crowd->room, sizeof crowd->room, "%s", presence->room);
    return same && !crowd->call->visitor.actor.host;
}

/* Which device it is, for hosts: by lease, else the address. */
static void device_put(struct crowd *crowd, const struct presence *presence)
{
    char device[ROLL_DEVICE_MAX];
    if (!crowd->call->visitor.actor.host)
        return;
    roll_device(crowd->call->store, presence->address, device);
    buf_puts(crowd->out, " from ");
    html_text(crowd->out, device[0] != '\0' ? device : presence->address);
}

static void put_presence(void *context, const struct presence *presence)
{
    struct crowd *crowd = context;
    if (presence->person_id == 0) {
        crowd->guests++;
        return;
    }
    if (crowd->out->len > HERE_MAX)
        return;
    if (strcmp(crowd->name, presence->name) != 0) {
        line_end(crowd);
        snprintf(crowd->name, sizeof crowd->name, "%s", presence->name);
        buf_printf(crowd->out, "<li><b class=c%u>", words_colour(presence->name));
        html_text(crowd->out, presence->name);
        buf_printf(crowd->out, "</b>%s", presence->role == ROLE_HOST ? " <small>host</small>" : "");
    }
    if (says_the_same(crowd, presence))
        return;
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
    if (when_wall_ms() - presence->seen_at >= IDLE_MS) {
        buf_puts(crowd->out, ", last seen ");
        html_time(crowd->out, presence->seen_at, when_wall_ms());
    }
    buf_puts(crowd->out, "</small> ");
}

void people_answer(struct call *call)
{
    struct buf body, here, everybody, bans;
    char guests[64] = "";
    buf_init(&body, BODY_MAX);
    buf_init(&here, BODY_MAX);
    buf_init(&everybody, BODY_MAX);
    buf_init(&bans, BODY_MAX);
    struct crowd crowd = {.call = call, .out = &here};
    presence_list(call->store, put_presence, &crowd);
    line_end(&crowd);
    if (call->visitor.actor.host)
        hosts_everybody(call, &everybody, &bans);
    if (crowd.guests > 0)
        snprintf(guests, sizeof guests, "%d guest%s without a name.", crowd.guests,
                 crowd.guests == 1 ? "" : "s");
    const struct template_value values[] = {
        TEMPLATE_HTML("here", buf_text(&here)),
        TEMPLATE_TEXT("guests", guests),
        TEMPLATE_HTML("everybody", buf_text(&everybody)),
        TEMPLATE_HTML("bans", buf_text(&bans)),
    };
    template_put(&body, asset_template("people.html"), values, sizeof values / sizeof values[0]);
    page_reply(call, 200, "People", "people", &body);
    buf_done(&body);
    buf_done(&here);
    buf_done(&everybody);
    buf_done(&bans);
}
