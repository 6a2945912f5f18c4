#include "web/home.h"
#include "mirror/handler.h"

#include "base/fs.h"
#include "base/when.h"
#include "identity/lease.h"
#include "identity/presence.h"
#include "mirror/handler.h"
#include "web/address.h"
#include "web/asset.h"
#include "web/listing.h"
#include "web/page.h"
#include "web/savings.h"
#include "web/talk.h"
#include "web/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX   (1024 * 1024)
#define NOTICE_MAX (64 * 1024)
#define NEWEST     12 /* files shown here */
#define SAID       20 /* messages shown here: the whole page is small, on a busy day, too */

/* What both forms of the page say. */
struct home {
    struct call *call;
    struct address address;
    char max_file[WHEN_MAX], space[WHEN_MAX], bytes[WHEN_MAX];
    char totals[128], crowd[96];
    char saved[WHEN_MAX], served[WHEN_MAX], fetched[WHEN_MAX]; /* "" if nothing was */
    int64_t files;
    const char *trouble; /* what does not work now; NULL */
    char *network;       /* who gives the addresses, if that is not plain; NULL */
    const char *no_drop; /* why this visitor may not upload; NULL: they may */
    struct buf notice;
};

const char *home_no_drop(const struct call *call)
{
    if (call->config->web.upload == UPLOAD_NOBODY)
        return "Uploads are closed on this box.";
    bool people_only =
        call->config->web.upload == UPLOAD_PEOPLE || call->config->box.newcomers != NEWCOMERS_OPEN;
    if (people_only && !call->visitor.known)
        return "Sign in to drop files here.";
    if (call->visitor.known && call->visitor.person.role == ROLE_WAITING)
        return "A host has to let you in before you can drop files here.";
    return NULL;
}

static void gather_savings(struct home *home)
{
    struct store *store = home->call->store;
    int64_t served = store_counter(store, MIRROR_COUNT_SERVED);
    int64_t fetched = store_counter(store, MIRROR_COUNT_LINK);
    if (served <= fetched || !home->call->config->mirror[0].enabled)
        return;
    when_size_text(served - fetched, home->saved);
    when_size_text(served, home->served);
    when_size_text(fetched, home->fetched);
}

/* What newcomers should know before they wonder. */
static const char *trouble_of(const struct call *call)
{
    const char *trouble = NULL;
    char *link = store_fact(call->store, MIRROR_FACT_LINK, NULL);
    if (link != NULL && strncmp(link, "down", 4) == 0 && call->config->mirror[0].enabled)
        trouble = "The link to the internet is down. Everything here works on, and opam installs "
                  "what the box has already.";
    free(link);
    return trouble;
}

static void gather(struct home *home, struct call *call)
{
    int64_t bytes = 0;
    memset(home, 0, sizeof *home);
    home->call = call;
    address_of(call, &home->address);
    home->no_drop = home_no_drop(call);
    home->trouble = trouble_of(call);
    home->network = store_fact(call->store, LAN_FACT_PAGE, NULL);
    when_limit_text(call->config->web.max_file, home->max_file);
    when_size_text(drop_space(call->drop), home->space);
    drop_totals(call->drop, &home->files, &bytes);
    when_size_text(bytes, home->bytes);
    snprintf(home->totals, sizeof home->totals, "All files: %lld, %s", (long long)home->files,
             home->bytes);
    if (visitor_may_listen(&call->visitor, call->config)) {
        int64_t count = presence_count(call->store);
        if (count < 2)
            snprintf(home->crowd, sizeof home->crowd, "%s",
                     count == 1 ? "1 person is here now" : "Nobody is in the chat just now");
        else
            snprintf(home->crowd, sizeof home->crowd, "%lld people are here now", (long long)count);
    }
    gather_savings(home);
    buf_init(&home->notice, NOTICE_MAX);
    if (call->config->box.notice[0] != '\0')
        fs_read_file(call->config->box.notice, &home->notice);
}

/* ---- for browsers ---- */

static void chat_put(struct home *home, struct buf *out)
{
    struct call *call = home->call;
    if (!visitor_may_listen(&call->visitor, call->config)) {
        buf_puts(out, "<section id=chat aria-labelledby=h-chat><h2 id=h-chat>Chat</h2><p>For those "
                      "who are <a href=\"/you\">signed in</a>.</p></section>");
        return;
    }
    struct talk_wish wish;
    talk_wish(call, ROOM_LOBBY, &wish);
    wish.query.limit = SAID;
    talk_panel(call, &wish, out);
}

static void page_fill(struct home *home, struct buf *out)
{
    struct call *call = home->call;
    struct buf files, coming, chat, mirror;
    char next[DROP_PATH_MAX];
    struct drop_query newest = {.newest = true, .limit = NEWEST, .off_shelf = true};
    struct drop_file shelf;
    bool has_shelf = drop_look(call->drop, "shelf", &shelf) == DROP_OK;
    buf_init(&files, BODY_MAX);
    buf_init(&coming, BODY_MAX);
    buf_init(&chat, BODY_MAX);
    listing_put(call, &newest, true, &files, next);
    listing_coming(call, "", &coming);
    chat_put(home, &chat);
    buf_init(&mirror, 32768);
    savings_html(call, &mirror);
    const struct template_value values[] = {
        TEMPLATE_TEXT("origin", home->address.origin),
        TEMPLATE_TEXT("names", home->address.names),
        TEMPLATE_TEXT("crowd", home->crowd),
        TEMPLATE_TEXT("trouble", home->trouble),
        TEMPLATE_TEXT("network", home->network),
        TEMPLATE_TEXT("may_drop", home->no_drop == NULL ? "1" : ""),
        TEMPLATE_TEXT("no_drop", home->no_drop),
        TEMPLATE_TEXT("max_file", home->max_file),
        TEMPLATE_TEXT("space", home->space),
        TEMPLATE_HTML("coming", buf_text(&coming)),
        TEMPLATE_HTML("files", buf_text(&files)),
        TEMPLATE_TEXT("totals", home->totals),
        TEMPLATE_TEXT("shelf", has_shelf ? "1" : ""),
        TEMPLATE_HTML("chat", buf_text(&chat)),
        TEMPLATE_TEXT("ssh", home->address.ssh),
        TEMPLATE_TEXT("scp", home->address.scp),
        TEMPLATE_TEXT("fingerprint", call->config->facts.host_key),
        TEMPLATE_TEXT("opam", call->config->mirror[0].enabled ? "1" : ""),
        TEMPLATE_TEXT("saved", home->saved),
        TEMPLATE_TEXT("served", home->served),
        TEMPLATE_TEXT("fetched", home->fetched),
        TEMPLATE_HTML("mirror", buf_text(&mirror)),
        TEMPLATE_TEXT("notice", buf_text(&home->notice)),
    };
    template_put(out, asset_template("home.html"), values, sizeof values / sizeof values[0]);
    buf_done(&files);
    buf_done(&coming);
    buf_done(&chat);
    buf_done(&mirror);
}

static void answer_page(struct home *home)
{
    struct buf body;
    buf_init(&body, BODY_MAX);
    page_fill(home, &body);
    page_reply(home->call, 200, "", "home", &body);
    buf_done(&body);
}

/* ---- for curl ---- */

static void put_line(void *context, const struct drop_file *file)
{
    char size[WHEN_MAX], time[WHEN_MAX];
    when_size_text(file->size, size);
    when_rfc3339(file->created_at, time);
    buf_printf(context, "  %s  %8s  %s  (%s)\n", time, size, file->path, drop_owner_text(file));
}

static void text_lines(const struct home *home, struct buf *out)
{
    const struct config *config = home->call->config;
    const char *origin = home->address.origin;
    if (home->address.ssh[0] != '\0') {
        buf_printf(out, "Chat:   %s\n", home->address.ssh);
        if (config->facts.host_key[0] != '\0')
            buf_printf(out, "        The box's key: %s\n", config->facts.host_key);
        if (visitor_may_listen(&home->call->visitor, config))
            buf_printf(out, "        or follow it: curl -N %s/chat/events\n", origin);
    }
    buf_printf(out, "Files:  curl -T slides.pdf %s\n", origin);
    if (home->address.ssh[0] != '\0')
        buf_printf(out, "        %s\n", home->address.scp);
    buf_printf(out, "        curl %s/files/          lists them\n", origin);
    if (!config->mirror[0].enabled)
        return;
    buf_printf(out, "opam:   opam repository set-url default %s/opam\n", origin);
    buf_printf(out, "        opam init %s/opam        the first time\n", origin);
    buf_puts(out, "        opam repository set-url default https://opam.ocaml.org   on leaving\n");
    buf_printf(out,
               "        with a git default, opam 2.2 and later:\n"
               "        opam option --global 'archive-mirrors+=\"%s/opam/cache\"'\n"
               "        opam option --global 'archive-mirrors-=\"%s/opam/cache\"'   on leaving\n"
               "        (dune's own package management ignores archive mirrors today)\n",
               origin, origin);
}

static void answer_text(struct home *home)
{
    struct call *call = home->call;
    struct buf out;
    buf_init(&out, BODY_MAX);
    buf_printf(&out, "%s/\n\n%s", home->address.origin, call->config->box.title);
    if (home->address.names[0] != '\0')
        buf_printf(&out, ", also %s", home->address.names);
    if (home->crowd[0] != '\0')
        buf_printf(&out, ". %s", home->crowd);
    buf_puts(&out, ".\n\nDrop: ");
    if (home->no_drop != NULL)
        buf_printf(&out, "%s\n", home->no_drop);
    else
        buf_printf(&out, "open, up to %s each, %s free.\n", home->max_file, home->space);
    buf_printf(&out, "%s.\n", home->totals);
    struct drop_query newest = {.newest = true, .limit = NEWEST, .off_shelf = true};
    drop_list(call->drop, &newest, put_line, &out);
    buf_putc(&out, '\n');
    text_lines(home, &out);
    if (home->saved[0] != '\0')
        buf_printf(&out, "\nSaved:  %s did not cross the link again (%s served, %s fetched).\n",
                   home->saved, home->served, home->fetched);
    savings_text(call, &out);
    if (home->network != NULL && home->network[0] != '\0')
        buf_printf(&out, "\n%s\n", home->network);
    if (home->notice.len > 0)
        buf_printf(&out, "\n%s\n", buf_text(&home->notice));
    reply_begin(call->http, 200, "text/plain; charset=utf-8");
    reply_header(call->http, "Vary", "Accept");
    reply_end(call->http, out.data, out.len);
    buf_done(&out);
}

void home_answer(struct call *call)
{
    struct home home;
    if (page_wants_html(call))
        visitor_greet(call->http, &call->visitor);
    gather(&home, call);
    if (page_wants_html(call))
        answer_page(&home);
    else
        answer_text(&home);
    buf_done(&home.notice);
    free(home.network);
}
