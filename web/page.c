#include "web/page.h"

#include "identity/presence.h"
#include "web/address.h"
#include "web/asset.h"
#include "web/feed.h"
#include "web/home.h"
#include "web/listing.h"
#include "web/people.h"
#include "web/poster.h"
#include "web/signin.h"
#include "web/talk.h"
#include "web/template.h"
#include "web/you.h"

#include <string.h>

#define PAGE_MAX (1024 * 1024)

/* ---- the frame ---- */

bool page_wants_html(const struct call *call)
{
    const char *accept = http_header(call->http, "Accept");
    return accept != NULL && strstr(accept, "text/html") != NULL;
}

/* The other addresses of the box, for the page whose forms lead there. */
static void ways(const struct call *call, const char *kind, struct buf *out)
{
    struct address address;
    if (strcmp(kind, "you") != 0)
        return;
    address_of(call, &address);
    for (size_t i = 0; i < address.way_count; i++)
        buf_printf(out, "%s%s", i > 0 ? " " : "", address.way[i]);
}

void page_reply(struct call *call, int status, const char *heading, const char *kind,
                const struct buf *body)
{
    struct buf out;
    buf_init(&out, PAGE_MAX);
    const struct template_value values[] = {
        TEMPLATE_TEXT("heading", heading),
        TEMPLATE_TEXT("title", call->config->box.title),
        TEMPLATE_TEXT("style", asset_address("style.css")),
        TEMPLATE_TEXT("script", asset_address("riad.js")),
        TEMPLATE_TEXT("class", kind),
        TEMPLATE_TEXT("person", call->visitor.known ? call->visitor.person.name : ""),
        TEMPLATE_TEXT("host", call->visitor.actor.host ? "1" : ""),
        TEMPLATE_HTML("body", buf_text(body)),
    };
    int result =
        template_put(&out, asset_template("frame.html"), values, sizeof values / sizeof values[0]);
    if (result == -1 || body->overflowed) {
        reply_error(call->http, 500, "This page became too large.");
    } else {
        reply_begin(call->http, status, "text/html; charset=utf-8");
        struct buf forms;
        buf_init(&forms, 4096);
        ways(call, kind, &forms);
        reply_own_page_to(call->http, buf_text(&forms));
        buf_done(&forms);
        reply_header(call->http, "Vary", "Accept, Cookie");
        call_release(call);
        reply_end(call->http, out.data, out.len);
    }
    buf_done(&out);
}

void page_note(struct call *call, int status, const char *heading, const char *text,
               const char *way, const char *way_text)
{
    struct buf body;
    if (!page_wants_html(call)) {
        if (status >= 400)
            reply_error(call->http, status, "%s. %s", heading, text);
        else
            reply_text(call->http, status, "%s. %s", heading, text);
        return;
    }
    buf_init(&body, PAGE_MAX);
    const struct template_value values[] = {
        TEMPLATE_TEXT("heading", heading),
        TEMPLATE_TEXT("text", text),
        TEMPLATE_TEXT("way", way),
        TEMPLATE_TEXT("way_text", way_text),
    };
    template_put(&body, asset_template("note.html"), values, sizeof values / sizeof values[0]);
    page_reply(call, status, heading, "note", &body);
    buf_done(&body);
}

/* ---- style and script ---- */

static bool takes_gzip(const struct call *call)
{
    const char *accept = http_header(call->http, "Accept-Encoding");
    return accept != NULL && strstr(accept, "gzip") != NULL && strstr(accept, "gzip;q=0") == NULL;
}

static void answer_asset(struct call *call)
{
    struct asset_found found;
    bool packed = takes_gzip(call);
    if (!asset_find(call->rest, &found)) {
        reply_error(call->http, 404, "There is nothing at this address.");
        return;
    }
    reply_begin(call->http, 200, found.type);
    reply_header(call->http, "Cache-Control", "%s",
                 found.current ? "public, max-age=31536000, immutable" : "no-cache");
    reply_header(call->http, "Vary", "Accept-Encoding");
    if (packed)
        reply_header(call->http, "Content-Encoding", "gzip");
    reply_end(call->http, packed ? found.packed : found.bytes,
              packed ? found.packed_length : found.length);
}

/* ---- the table ---- */

#define ROUTE_POST ROUTE(HTTP_POST)

const struct route page_routes[] = {
    {ROUTE_READ, "/",              home_answer,    ROUTE_ANYBODY },
    {ROUTE_READ, "/page/*",        answer_asset,   ROUTE_ANYBODY },
    {ROUTE_READ, "/chat",          talk_answer,    ROUTE_LISTENER},
    {ROUTE_READ, "/chat/events",   talk_follow,    ROUTE_LISTENER},
    {ROUTE_POST, "/chat/messages", talk_say,       ROUTE_PERSON  },
    {ROUTE_POST, "/chat/remove",   talk_remove,    ROUTE_PERSON  },
    {ROUTE_READ, "/api/messages",  talk_messages,  ROUTE_LISTENER},
    {ROUTE_POST, "/delete",        listing_delete, ROUTE_ADMITTED},
    {ROUTE_READ, "/people",        people_answer,  ROUTE_LISTENER},
    {ROUTE_READ, "/people/:",      hosts_person,   ROUTE_HOST    },
    {ROUTE_POST, "/people/act",    hosts_act,      ROUTE_HOST    },
    {ROUTE_READ, "/join",          signin_ask,     ROUTE_ANYBODY },
    {ROUTE_READ, "/join/:",        signin_ask,     ROUTE_ANYBODY },
    {ROUTE_POST, "/join",          signin_join,    ROUTE_ANYBODY },
    {ROUTE_POST, "/join/:",        signin_join,    ROUTE_ANYBODY },
    {ROUTE_POST, "/leave",         signin_leave,   ROUTE_ANYBODY },
    {ROUTE_READ, "/you",           you_answer,     ROUTE_ANYBODY },
    {ROUTE_POST, "/you/name",      signin_name,    ROUTE_ANYBODY },
    {ROUTE_POST, "/you/move",      signin_move,    ROUTE_PERSON  },
    {ROUTE_POST, "/you/rename",    you_rename,     ROUTE_PERSON  },
    {ROUTE_POST, "/you/revoke",    you_revoke,     ROUTE_PERSON  },
    {ROUTE_POST, "/you/code",      you_code,       ROUTE_PERSON  },
    {ROUTE_POST, "/you/token",     you_token,      ROUTE_PERSON  },
    {ROUTE_READ, "/poster",        poster_answer,  ROUTE_ANYBODY },
    {0,          NULL,             NULL,           ROUTE_ANYBODY },
};

int page_open(struct store *store)
{
    asset_open();
    return presence_clear(store, "web") == -1 ? -1 : feed_start(store);
}

void page_look(struct store *store)
{
    feed_look(store);
}

void page_reconfigured(void)
{
    feed_ask_again();
}

void page_stop(void)
{
    feed_stop();
}

void page_close(void)
{
    feed_end();
    asset_close();
}
