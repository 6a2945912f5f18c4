#include "web/page.h"

#include "web/asset.h"
#include "web/home.h"
#include "web/template.h"

#include <string.h>

#define PAGE_MAX (1024 * 1024)

/* ---- the frame ---- */

bool page_wants_html(const struct call *call)
{
    const char *accept = http_header(call->http, "Accept");
    return accept != NULL && strstr(accept, "text/html") != NULL;
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
        TEMPLATE_HTML("body", buf_text(body)),
    };
    int result =
        template_put(&out, asset_template("frame.html"), values, sizeof values / sizeof values[0]);
    if (result == -1 || body->overflowed) {
        reply_error(call->http, 500, "This page became too large.");
    } else {
        reply_begin(call->http, status, "text/html; charset=utf-8");
        reply_own_page(call->http);
        reply_header(call->http, "Vary", "Accept, Cookie");
        reply_end(call->http, out.data, out.len);
    }
    buf_done(&out);
}

void page_note(struct call *call, int status, const char *heading, const char *text,
               const char *way, const char *way_text)
{
    struct buf body;
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

static void answer_asset(struct call *call)
{
    struct asset_found found;
    if (!asset_find(call->rest, &found)) {
        reply_error(call->http, 404, "There is nothing at this address.");
        return;
    }
    reply_begin(call->http, 200, found.type);
    reply_header(call->http, "Cache-Control", "%s",
                 found.current ? "public, max-age=31536000, immutable" : "no-cache");
    reply_end(call->http, found.bytes, found.length);
}

/* ---- the table ---- */

const struct route page_routes[] = {
    {ROUTE_READ, "/",       home_answer,  ROUTE_ANYBODY},
    {ROUTE_READ, "/page/*", answer_asset, ROUTE_ANYBODY},
    {0,          NULL,      NULL,         ROUTE_ANYBODY},
};

int page_open(struct store *store)
{
    (void)store;
    asset_open();
    return 0;
}

void page_look(struct store *store)
{
    (void)store;
}

void page_stop(void)
{
}

void page_close(void)
{
    asset_close();
}
