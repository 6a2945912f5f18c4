#include "web/door.h"

#include "base/fs.h"
#include "base/json.h"
#include "web/listing.h"
#include "web/media.h"
#include "web/page.h"

#include <string.h>

#define LISTING_MAX (64 * 1024 * 1024)

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

static void put_json(void *context, const struct drop_file *file)
{
    folder_put_file(context, file);
}

/* One path a line, as it stands below /files/; folders end with a slash. */
static void put_text(void *context, const struct drop_file *file)
{
    buf_printf(context, "%s%s\n", file->path, file->folder ? "/" : "");
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

void folder_answer(struct call *call, const char *folder)
{
    enum media_form form = form_of(call->http);
    struct listing_wish wish;
    struct buf out;
    if (form == MEDIA_HTML) {
        page_listing(call, folder);
        return;
    }
    listing_wish(call, folder, &wish);
    if (wish.trouble != NULL) {
        reply_error(call->http, 400, "%s", wish.trouble);
        return;
    }
    buf_init(&out, LISTING_MAX);
    if (form == MEDIA_JSON) {
        json_object(&out, NULL);
        json_string(&out, "folder", folder);
        json_array(&out, "files");
    }
    int result = drop_list(call->drop, &wish.query, form == MEDIA_JSON ? put_json : put_text, &out);
    if (form == MEDIA_JSON) {
        json_close(&out, ']');
        json_close(&out, '}');
    }
    if (result < 0 || out.overflowed) {
        reply_error(call->http, 500, "The folder cannot be listed just now.");
    } else {
        reply_begin(call->http, 200,
                    form == MEDIA_JSON ? "application/json" : "text/plain; charset=utf-8");
        reply_header(call->http, "Vary", "Accept");
        reply_header(call->http, "Cache-Control", "no-cache");
        reply_end(call->http, out.data, out.len);
    }
    buf_done(&out);
}
