/*
 * post: POST of a form with files, for browsers without scripts and `curl -F`.
 */
#include "web/door.h"

#include "base/json.h"
#include "base/mem.h"
#include "web/media.h"
#include "web/multipart.h"
#include "web/upload.h"
#include "web/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP     65536
#define TOLD_MAX (4 * 1024 * 1024)

/* One form on its way through. */
struct form {
    struct call *call;
    char folder[DROP_PATH_MAX]; /* "" or with a slash at its end */
    char path[2 * DROP_PATH_MAX];
    struct drop_arrival *arrival;
    enum drop_result result;
    int stored;
    bool json;
    struct buf told;
};

static int begin_file(void *context, const char *name)
{
    struct form *form = context;
    snprintf(form->path, sizeof form->path, "%s%s", form->folder, name);
    const struct drop_wish wish = {
        .path = form->path, .actor = form->call->visitor.actor, .door = "form", .size = -1};
    form->result = drop_begin(form->call->drop, &wish, &form->arrival);
    return form->result == DROP_OK ? 0 : -1;
}

static int file_bytes(void *context, const void *bytes, size_t length)
{
    struct form *form = context;
    form->result = drop_write(form->arrival, bytes, length);
    return form->result == DROP_OK ? 0 : -1;
}

static int end_file(void *context)
{
    struct form *form = context;
    struct drop_file file;
    bool same;
    form->result = drop_publish(form->arrival, &file, &same, NULL);
    form->arrival = NULL;
    if (form->result != DROP_OK)
        return -1;
    form->stored++;
    if (form->json)
        folder_put_file(&form->told, &file);
    else
        upload_put_told(form->call, &form->told, &file);
    return 0;
}

/* What can be known before the body. 0, or -1 with the answer given. */
static int refuse_early(struct call *call, char *boundary)
{
    if (multipart_boundary(http_header(call->http, "Content-Type"), boundary) < 0) {
        reply_error(call->http, 415, "Files are posted as multipart/form-data.");
        return -1;
    }
    if (call->http->length > drop_space(call->drop)) {
        upload_refuse(call, DROP_NO_SPACE, "");
        return -1;
    }
    return 0;
}

/* Whether uploads are allowed at all is asked before the body, with a name that nobody has. */
static int refuse_stranger(struct form *form)
{
    struct drop_arrival *trial = NULL;
    snprintf(form->path, sizeof form->path, "%sform", form->folder);
    const struct drop_wish wish = {
        .path = form->path, .actor = form->call->visitor.actor, .door = "form", .size = -1};
    enum drop_result result = drop_begin(form->call->drop, &wish, &trial);
    if (result == DROP_OK) {
        drop_abandon(trial);
        return 0;
    }
    upload_refuse(form->call, result, form->path);
    return -1;
}

static void answer_stored(struct form *form)
{
    struct http_request *request = form->call->http;
    struct buf folder;
    if (form->json) {
        json_close(&form->told, ']');
        json_close(&form->told, '}');
        reply_json(request, 201, &form->told);
        return;
    }
    if (media_wanted(http_header(request, "Accept")) == MEDIA_HTML) {
        buf_init(&folder, 4 * DROP_PATH_MAX);
        buf_puts(&folder, "/files/");
        url_encode(&folder, form->folder, true);
        reply_redirect(request, 303, buf_text(&folder));
        buf_done(&folder);
        return;
    }
    reply_begin(request, 201, "text/plain; charset=utf-8");
    reply_end(request, form->told.data, form->told.len);
}

static void refuse(struct form *form, const char *before)
{
    char name[sizeof form->path + 2] = "";
    if (form->result != DROP_BAD_PATH) /* a name that will not do is not repeated */
        snprintf(name, sizeof name, "%s: ", drop_path_name(form->path));
    upload_refuse_between(form->call, form->result, form->path, name, before);
}

static void answer(struct form *form, int64_t got, bool whole)
{
    struct http_request *request = form->call->http;
    const char *before = form->stored > 0 ? " What came before it is here." : "";
    if (form->result != DROP_OK)
        refuse(form, before);
    else if (got < 0)
        reply_error(request, 408, "The form broke off, or came too slowly.%s", before);
    else if (!whole)
        reply_error(request, 400, "The form is not well formed multipart/form-data.");
    else if (form->stored == 0)
        reply_error(request, 400, "The form has no file.");
    else
        answer_stored(form);
}

static void take(struct form *form, const char *boundary)
{
    static const struct multipart_calls calls = {begin_file, file_bytes, end_file};
    struct multipart *multipart = multipart_new(boundary, &calls, form);
    uint8_t *piece = mem_alloc(STEP);
    int64_t got;
    bool good = true;
    while (good && (got = http_read(form->call->http, piece, STEP)) > 0)
        good = multipart_feed(multipart, piece, (size_t)got) == 0;
    if (form->arrival != NULL)
        drop_abandon(form->arrival);
    answer(form, got, good && multipart_complete(multipart));
    multipart_free(multipart);
    free(piece);
}

void post_form(struct call *call)
{
    char boundary[MULTIPART_BOUNDARY_MAX];
    struct form form = {.call = call};
    size_t length = strlen(call->rest);
    form.json = media_wanted(http_header(call->http, "Accept")) == MEDIA_JSON;
    if (length + 2 > sizeof form.folder) {
        upload_refuse(call, DROP_BAD_PATH, call->rest);
        return;
    }
    snprintf(form.folder, sizeof form.folder, "%s%s", call->rest,
             length > 0 && call->rest[length - 1] != '/' ? "/" : "");
    if (refuse_early(call, boundary) < 0)
        return;
    upload_token(call);
    if (refuse_stranger(&form) < 0)
        return;
    buf_init(&form.told, TOLD_MAX);
    if (form.json) {
        json_object(&form.told, NULL);
        json_array(&form.told, "files");
    }
    take(&form, boundary);
    buf_done(&form.told);
}
