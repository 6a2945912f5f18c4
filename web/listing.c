#include "web/listing.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "web/asset.h"
#include "web/door.h"
#include "web/form.h"
#include "web/home.h"
#include "web/html.h"
#include "web/page.h"
#include "web/template.h"
#include "web/url.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_MAX (1024 * 1024)

/* ---- lines ---- */

struct gathered {
    struct drop_file *file;
    int count, max;
};

static void gather(void *context, const struct drop_file *file)
{
    struct gathered *gathered = context;
    if (gathered->count == gathered->max)
        return;
    if (gathered->count % 32 == 0)
        gathered->file =
            mem_resize(gathered->file, (size_t)gathered->count + 32, sizeof *gathered->file);
    gathered->file[gathered->count++] = *file;
}

static void size_put(struct buf *out, int64_t size)
{
    char text[WHEN_MAX];
    when_size_text(size, text);
    buf_printf(out, "<small>%s</small> ", text);
}

static void link_put(struct buf *out, const struct drop_file *file, bool whole)
{
    buf_puts(out, "<a href=\"/files/");
    url_encode(out, file->path, true);
    buf_puts(out, file->folder ? "/\">" : "\">");
    html_text(out, whole ? file->path : drop_path_name(file->path));
    buf_puts(out, file->folder ? "/</a> " : "</a> ");
}

static void owner_put(struct buf *out, const char *owner)
{
    buf_puts(out, "<small>");
    html_text(out, owner);
    buf_puts(out, "</small> ");
}

/* Whether the visitor may delete it. Guests are asked for by their secret. */
static bool is_theirs(struct call *call, const struct drop_file *file)
{
    const struct drop_actor *actor = &call->visitor.actor;
    if (file->folder || drop_path_on_shelf(file->path))
        return false;
    if (actor->host || (actor->person_id != 0 && actor->person_id == file->person_id))
        return true;
    struct drop_file looked;
    return file->person_id == 0 && actor->has_guest &&
           drop_look_as(call->drop, file->path, actor, &looked) == DROP_OK && looked.yours;
}

static void delete_put(struct buf *out, const char *path)
{
    buf_puts(out, "<form method=post action=\"/delete\"><input type=hidden name=path value=\"");
    html_text(out, path);
    buf_puts(out, "\"><button class=small aria-label=\"Delete ");
    html_text(out, path);
    buf_puts(out, "\">Delete</button></form>");
}

static void details_put(struct buf *out, const struct drop_file *file)
{
    char hex[2 * DIGEST_SHA256_SIZE + 1];
    buf_puts(out, "<details><summary>More</summary><p class=soft>");
    if (file->downloads > 0)
        buf_printf(out, "Fetched %lld time%s. ", (long long)file->downloads,
                   file->downloads == 1 ? "" : "s");
    buf_puts(out, "<a href=\"/files/");
    url_encode(out, file->path, true);
    buf_puts(out, "?qr\">QR code</a>");
    if (file->has_sha256) {
        fs_hex(file->sha256, sizeof file->sha256, hex);
        buf_printf(out, "<br>SHA-256 <code>%s</code>", hex);
    }
    buf_puts(out, "</p></details>");
}

static void file_put(struct call *call, const struct drop_file *file, bool whole, struct buf *out)
{
    if (file->folder)
        buf_puts(out, "<li>");
    else
        buf_printf(out, "<li id=f%lld>", (long long)file->id);
    link_put(out, file, whole);
    if (!file->folder) {
        size_put(out, file->size);
        owner_put(out, drop_owner_text(file));
        html_time(out, file->created_at, when_wall_ms());
        if (is_theirs(call, file))
            delete_put(out, file->path);
        if (!whole)
            details_put(out, file);
    }
    buf_puts(out, "</li>\n");
}

int listing_put(struct call *call, const struct drop_query *query, bool whole, struct buf *out,
                char *next)
{
    struct drop_query more = *query;
    int most = query->limit > 0 && query->limit < LISTING_PAGE ? (int)query->limit : LISTING_PAGE;
    struct gathered gathered = {.max = most + 1};
    more.limit = most + 1;
    next[0] = '\0';
    int result = drop_list(call->drop, &more, gather, &gathered);
    int count = 0;
    while (count < gathered.count && count < most && out->len < LISTING_BYTES)
        file_put(call, &gathered.file[count++], whole, out);
    if (gathered.count > count)
        strcpy(next, gathered.file[count - 1].path);
    free(gathered.file);
    return result == -1 ? -1 : count;
}

struct arriving {
    const char *folder;
    struct buf *out;
};

static bool is_below(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return length == 0 || (strncmp(path, folder, length) == 0 && path[length] == '/');
}

static void coming_put(void *context, const struct drop_coming *coming)
{
    struct arriving *arriving = context;
    struct buf *out = arriving->out;
    char received[WHEN_MAX], size[WHEN_MAX];
    if (!coming->active || !is_below(coming->path, arriving->folder) || out->len > LISTING_BYTES)
        return;
    when_size_text(coming->received, received);
    buf_printf(out, "<li id=a%lld><a href=\"/files/", (long long)coming->id);
    url_encode(out, coming->path, true);
    buf_puts(out, "\">");
    html_text(out, coming->path);
    buf_printf(out, "</a> <small>arriving, %s", received);
    if (coming->size >= 0) {
        when_size_text(coming->size, size);
        buf_printf(out, " of %s", size);
    }
    buf_puts(out, "</small> ");
    owner_put(out, coming->owner[0] == '\0' ? "a guest" : coming->owner);
    buf_puts(out, "</li>\n");
}

int listing_coming(struct call *call, const char *folder, struct buf *out)
{
    struct arriving arriving = {.folder = folder, .out = out};
    return drop_coming_list(call->drop, &call->visitor.actor, LISTING_COMING, coming_put,
                            &arriving);
}

/* ---- the page of a folder ---- */

static void query_text(struct call *call, const char *name, char *out, size_t size)
{
    if (http_query(call->http, name, out, size) != 1)
        out[0] = '\0';
}

void listing_wish(struct call *call, const char *folder, struct listing_wish *wish)
{
    struct person person;
    struct drop_query *query = &wish->query;
    memset(wish, 0, sizeof *wish);
    query_text(call, "q", wish->words, sizeof wish->words);
    query_text(call, "person", wish->person, sizeof wish->person);
    query_text(call, "day", wish->day, sizeof wish->day);
    query_text(call, "after", wish->after, sizeof wish->after);
    wish->searched = wish->words[0] != '\0' || wish->person[0] != '\0' || wish->day[0] != '\0';
    query->folder = wish->searched ? NULL : folder;
    query->words = wish->words[0] == '\0' ? NULL : wish->words;
    query->after = wish->after[0] == '\0' ? NULL : wish->after;
    if (wish->person[0] != '\0') {
        bool may = visitor_may_listen(&call->visitor, call->config);
        if (may && person_by_name(call->store, wish->person, &person) == 1)
            query->person_id = person.id;
        else if (!may || !call->visitor.known)
            query->person_id = PERSON_NOBODY;
        else
            wish->trouble = "There is nobody of that name.";
    }
    if (wish->day[0] != '\0' && when_day_range(wish->day, &query->from_ms, &query->until_ms) == -1)
        wish->trouble = "A day is written as in 2026-11-22.";
}

/* `Drop / folder / folder`, each a link. */
static void crumbs_put(struct buf *out, const char *folder)
{
    buf_puts(out, "<a href=\"/files/\">The drop</a>");
    for (const char *at = folder; *at != '\0';) {
        size_t length = strcspn(at, "/");
        char *until = mem_dup_bytes(folder, (size_t)(at - folder) + length);
        buf_puts(out, " / <a href=\"/files/");
        url_encode(out, until, true);
        buf_puts(out, "/\">");
        html_bytes(out, at, length);
        buf_puts(out, "</a>");
        free(until);
        at += length;
        at += *at == '/';
    }
}

/* The address of what comes behind this page of the list. */
static void next_put(struct buf *out, const struct listing_wish *wish, const char *next)
{
    static const char *const names[] = {"q", "person", "day", "after"};
    const char *values[] = {wish->words, wish->person, wish->day, next};
    if (next[0] == '\0')
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        buf_puts(out, i == 0 ? "?" : "&");
        buf_printf(out, "%s=", names[i]);
        url_encode(out, values[i], false);
    }
}

static void listing_fill(struct call *call, const char *folder, struct listing_wish *wish,
                         struct buf *out)
{
    struct buf files, coming, crumbs, more;
    char next[DROP_PATH_MAX] = "";
    const char *no_drop = home_no_drop(call);
    bool shelf = drop_path_on_shelf(folder);
    buf_init(&files, PAGE_MAX);
    buf_init(&coming, PAGE_MAX);
    buf_init(&crumbs, 64 * 1024);
    buf_init(&more, 64 * 1024);
    crumbs_put(&crumbs, folder);
    if (wish->trouble == NULL)
        listing_put(call, &wish->query, wish->searched, &files, next);
    if (!wish->searched)
        listing_coming(call, folder, &coming);
    next_put(&more, wish, next);
    const struct template_value values[] = {
        TEMPLATE_HTML("crumbs", buf_text(&crumbs)),
        TEMPLATE_TEXT("folder", folder),
        TEMPLATE_TEXT("live", visitor_may_listen(&call->visitor, call->config) ? "1" : ""),
        TEMPLATE_HTML("files", buf_text(&files)),
        TEMPLATE_HTML("coming", buf_text(&coming)),
        TEMPLATE_TEXT("q", wish->words),
        TEMPLATE_TEXT("person", wish->person),
        TEMPLATE_TEXT("day", wish->day),
        TEMPLATE_TEXT("searched", wish->searched ? "1" : ""),
        TEMPLATE_TEXT("trouble", wish->trouble),
        TEMPLATE_TEXT("more", buf_text(&more)),
        TEMPLATE_TEXT("may_drop", no_drop == NULL && !shelf ? "1" : ""),
        TEMPLATE_TEXT("no_drop", shelf ? NULL : no_drop),
    };
    template_put(out, asset_template("files.html"), values, sizeof values / sizeof values[0]);
    buf_done(&files);
    buf_done(&coming);
    buf_done(&crumbs);
    buf_done(&more);
}

void page_listing(struct call *call, const char *folder)
{
    struct listing_wish *wish = mem_alloc(sizeof *wish);
    struct drop_file file;
    struct buf body;
    buf_init(&body, PAGE_MAX);
    enum drop_result found = folder[0] == '\0' ? DROP_OK : drop_look(call->drop, folder, &file);
    if (found != DROP_OK) {
        upload_refuse(call, found, folder);
    } else {
        listing_wish(call, folder, wish);
        listing_fill(call, folder, wish, &body);
        page_reply(call, 200, folder[0] == '\0' ? "Files" : folder, "files", &body);
    }
    buf_done(&body);
    free(wish);
}

/* To the folder that a file lay in; it may have gone with it. */
static void back_to_folder(struct call *call, const char *asked)
{
    char path[DROP_PATH_MAX], folder[DROP_PATH_MAX];
    struct drop_file file;
    struct buf to;
    drop_path_check(asked, strlen(asked), path);
    do {
        drop_path_folder(path, folder);
        strcpy(path, folder);
    } while (folder[0] != '\0' && drop_look(call->drop, folder, &file) != DROP_OK);
    buf_init(&to, 4 * DROP_PATH_MAX);
    buf_puts(&to, "/files/");
    url_encode(&to, folder, true);
    buf_puts(&to, folder[0] == '\0' ? "" : "/");
    reply_redirect(call->http, 303, buf_text(&to));
    buf_done(&to);
}

void listing_delete(struct call *call)
{
    struct form form = {0};
    if (form_read(call->http, &form) == -1)
        return;
    const char *path = form_value(&form, "path");
    enum drop_result result = drop_remove(call->drop, path, &call->visitor.actor);
    if (result != DROP_OK)
        upload_refuse(call, result, path);
    else if (page_wants_html(call))
        back_to_folder(call, path);
    else
        reply_text(call->http, 200, "Deleted.");
    form_done(&form);
}
