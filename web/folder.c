#include "web/door.h"

#include "base/fs.h"
#include "base/json.h"
#include "web/listing.h"
#include "web/media.h"
#include "web/page.h"

#include <string.h>

#define PIECE     200 /* entries looked up and sent at once */
#define PIECE_MAX (4 * 1024 * 1024)

void folder_put_file(struct buf *out, const struct drop_file *file)
{
    char hex[2 * DIGEST_SHA256_SIZE + 1];
    json_object(out, NULL);
    json_string(out, "path", file->path);
    json_string(out, "name", drop_path_name(file->path));
    json_bool(out, "folder", file->folder);
    if (!file->folder) {
        json_int(out, "id", file->id);
        json_int(out, "size", file->size);
        if (file->has_sha256) {
            fs_hex(file->sha256, sizeof file->sha256, hex);
            json_string(out, "sha256", hex);
        } else {
            json_null(out, "sha256");
        }
        if (file->person_id != 0)
            json_int(out, "person_id", file->person_id);
        else
            json_null(out, "person_id");
        json_string(out, "owner", *file->owner == '\0' ? NULL : file->owner);
        json_int(out, "created_at", file->created_at);
        json_int(out, "modified_at", file->modified_at);
        json_int(out, "downloads", file->downloads);
    }
    json_close(out, '}');
}

/* A list of entries: told by pieces, so that a folder of any size needs no memory to speak of. */
struct list {
    struct call *call;
    struct drop_query query;
    bool json, further; /* pieces have gone before this one */
    struct buf out;
    int count;                 /* entries of this piece */
    char last[DROP_PATH_MAX];  /* of them */
    char after[DROP_PATH_MAX]; /* the last of the piece before */
};

/* As JSON, or one path a line, as it stands below /files/; folders end with a slash. */
static void put_entry(void *context, const struct drop_file *file)
{
    struct list *list = context;
    if (list->json && list->further && list->count == 0)
        buf_puts(&list->out, ",\n");
    if (list->json)
        folder_put_file(&list->out, file);
    else
        buf_printf(&list->out, "%s%s\n", file->path, file->folder ? "/" : "");
    list->count++;
    strcpy(list->last, file->path);
}

/* 0, or -1 failed. */
static int read_piece(struct list *list)
{
    list->count = 0;
    return drop_list(list->call->drop, &list->query, put_entry, list) < 0 || list->out.overflowed
               ? -1
               : 0;
}

static void put_end(struct list *list)
{
    if (!list->json)
        return;
    json_close(&list->out, ']');
    json_close(&list->out, '}');
}

/* Sends the piece that was read and all behind it. */
static void stream(struct list *list)
{
    struct call *call = list->call;
    int result = reply_stream(call->http);
    while (result == 0 && reply_wants_body(call->http) && list->count == PIECE) {
        result = reply_stream_put(call->http, list->out.data, list->out.len);
        buf_clear(&list->out);
        list->further = true;
        strcpy(list->after, list->last);
        list->query.after = list->after;
        if (result == 0)
            result = call_acquire(call) < 0 ? -1 : read_piece(list);
        call_release(call);
    }
    put_end(list);
    if (result == 0)
        result = reply_stream_put(call->http, list->out.data, list->out.len);
    if (result == 0)
        reply_stream_end(call->http);
    else
        http_cut(call->http);
}

static enum media_form form_of(const struct http_request *request)
{
    static const struct {
        const char *word;
        enum media_form form;
    } words[] = {
        {"html", MEDIA_HTML},
        {"text", MEDIA_TEXT},
        {"json", MEDIA_JSON}
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (http_query_has(request, words[i].word))
            return words[i].form;
    return media_wanted(http_header(request, "Accept"));
}

static void answer_list(struct list *list)
{
    struct http_request *request = list->call->http;
    reply_begin(request, 200, list->json ? "application/json" : "text/plain; charset=utf-8");
    reply_header(request, "Vary", "Accept");
    reply_header(request, "Cache-Control", "no-cache");
    if (list->count == PIECE) {
        stream(list);
        return;
    }
    put_end(list);
    reply_end(request, list->out.data, list->out.len);
}

void folder_answer(struct call *call, const char *folder)
{
    enum media_form form = form_of(call->http);
    struct listing_wish wish;
    if (form == MEDIA_HTML) {
        page_listing(call, folder);
        return;
    }
    listing_wish(call, folder, &wish);
    if (wish.trouble != NULL) {
        reply_error(call->http, 400, "%s", wish.trouble);
        return;
    }
    struct list list = {.call = call, .query = wish.query, .json = form == MEDIA_JSON};
    list.query.limit = PIECE;
    buf_init(&list.out, PIECE_MAX);
    if (list.json) {
        json_object(&list.out, NULL);
        json_string(&list.out, "folder", folder);
        json_array(&list.out, "files");
    }
    if (read_piece(&list) < 0) {
        reply_error(call->http, 500, "The folder cannot be listed just now.");
    } else {
        call_release(call);
        answer_list(&list);
    }
    buf_done(&list.out);
}
