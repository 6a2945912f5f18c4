/*
 * upload: PUT of a whole file, or of the rest of one that broke off.
 */
#include "web/upload.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/when.h"
#include "web/door.h"
#include "web/media.h"
#include "web/range.h"
#include "web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP         65536
#define SENTENCE_MAX 256

/* ---- refusals ---- */

/* Into out: SENTENCE_MAX bytes. */
static void refusal_sentence(struct call *call, enum drop_result result, const char *path,
                             char *out)
{
    char most[WHEN_MAX];
    const char *text = drop_refusal_text(result, path);
    when_limit_text(call->config->web.max_file, most);
    if (result == DROP_TOO_LARGE && call->config->web.max_file > 0)
        snprintf(out, SENTENCE_MAX, "%.*s: %s at most.", (int)strlen(text) - 1, text, most);
    else
        snprintf(out, SENTENCE_MAX, "%s", text);
}

void upload_refuse_between(struct call *call, enum drop_result result, const char *path,
                           const char *before, const char *after)
{
    char sentence[SENTENCE_MAX];
    int status = drop_result_status(result);
    if (status == 401)
        reply_extra(call->http, "WWW-Authenticate", "Bearer");
    if (status == 423)
        reply_extra(call->http, "Retry-After", "1");
    refusal_sentence(call, result, path, sentence);
    reply_error(call->http, status, "%s%s%s", before, sentence, after);
}

void upload_refuse(struct call *call, enum drop_result result, const char *path)
{
    upload_refuse_between(call, result, path, "", "");
}

void upload_refuse_longer(struct call *call)
{
    reply_error(call->http, 413, "The body is longer than was said before.");
}

/* ---- going on ---- */

enum drop_result upload_resume(struct call *call, const char *key, const char *path,
                               struct drop_arrival **arrival)
{
    enum drop_result result;
    int waited_ms = 0;
    do
        result = key != NULL ? drop_resume(call->drop, key, NULL, arrival)
                             : drop_resume_path(call->drop, path, &call->visitor.actor, arrival);
    while (result == DROP_BUSY && !http_gone(call->http) && drop_busy_wait(&waited_ms));
    return result;
}

/* ---- bodies ---- */

/* The next bytes. If they let us wait, others may see what has come so far. */
static int64_t read_some(struct call *call, struct drop_arrival *arrival, uint8_t *piece)
{
    if (!http_wait(call->http, DROP_SHOWN_AFTER_MS))
        drop_arrival_show(arrival);
    return http_read(call->http, piece, STEP);
}

enum upload_end upload_body(struct call *call, struct drop_arrival *arrival,
                            enum drop_result *result, upload_bytes *also, void *context)
{
    uint8_t *piece = mem_alloc(STEP);
    int64_t got;
    *result = DROP_OK;
    while (*result == DROP_OK && (got = read_some(call, arrival, piece)) > 0) {
        *result = drop_write(arrival, piece, (size_t)got);
        if (also != NULL)
            also(context, piece, (size_t)got);
    }
    free(piece);
    if (*result != DROP_OK)
        return UPLOAD_REFUSED;
    return got < 0 ? UPLOAD_BROKEN : UPLOAD_WHOLE;
}

void upload_give_up(struct call *call, struct drop_arrival *arrival, enum upload_end end,
                    enum drop_result result, const char *path)
{
    bool keep = end == UPLOAD_BROKEN || result == DROP_NO_SPACE || result == DROP_BUSY;
    bool longer = result == DROP_TOO_LARGE && drop_arrival_size(arrival) >= 0;
    if (keep)
        drop_pause(arrival);
    else
        drop_abandon(arrival);
    if (longer)
        upload_refuse_longer(call);
    else if (end == UPLOAD_REFUSED)
        upload_refuse(call, result, path);
    else
        reply_error(call->http, 408,
                    "The body broke off, was not well formed, or came too slowly; what came is "
                    "kept.");
}

/* ---- what is told at the end ---- */

void upload_token(struct call *call)
{
    visitor_greet(call->http, &call->visitor);
    if (call->visitor.known || !call->visitor.has_guest)
        return;
    reply_early(call->http, "Drop-Token", VISITOR_DROP_TOKEN "%s", call->visitor.secret);
    reply_extra(call->http, "Drop-Token", VISITOR_DROP_TOKEN "%s", call->visitor.secret);
}

void upload_put_told(struct call *call, struct buf *out, const struct drop_file *file)
{
    char hex[2 * DIGEST_SHA256_SIZE + 1];
    fs_hex(file->sha256, sizeof file->sha256, hex);
    web_file_address(call->http, file->path, out);
    buf_printf(out, "\n%s\n", hex);
}

void upload_stored(struct call *call, int status, const struct drop_file *file)
{
    char hex[2 * DIGEST_SHA256_SIZE + 1];
    struct buf address, out;
    bool json = media_wanted(http_header(call->http, "Accept")) == MEDIA_JSON;
    buf_init(&address, 8 * DROP_PATH_MAX);
    buf_init(&out, 32 * DROP_PATH_MAX);
    web_file_address(call->http, file->path, &address);
    fs_hex(file->sha256, sizeof file->sha256, hex);
    if (json)
        folder_put_file(&out, file);
    else
        upload_put_told(call, &out, file);
    reply_begin(call->http, status, json ? "application/json" : "text/plain; charset=utf-8");
    reply_header(call->http, "Location", "%s", buf_text(&address));
    reply_header(call->http, "ETag", "\"%s\"", hex);
    reply_end(call->http, out.data, out.len);
    buf_done(&address);
    buf_done(&out);
}

/* ---- PUT ---- */

/* One PUT on its way through. */
struct put {
    const char *path;
    bool bare;     /* PUT /NAME: under a free name if need be */
    bool only_new; /* If-None-Match: * */
    bool resumes;  /* has a Content-Range */
    int64_t first, last, size;
    uint8_t match[DIGEST_SHA256_SIZE];
    bool has_match;
    struct drop_arrival *arrival;
};

/* If-Match and If-None-Match against what is there. 0, or -1 with the answer given. */
static int check_conditions(struct call *call, struct put *put)
{
    const char *match = http_header(call->http, "If-Match");
    const char *none = http_header(call->http, "If-None-Match");
    struct range_conditions asked = {.if_match = match,
                                     .if_none_match = none,
                                     .if_unmodified_since =
                                         http_header(call->http, "If-Unmodified-Since")};
    struct drop_file file = {0};
    char etag[2 * DIGEST_SHA256_SIZE + 3] = "";
    if (match == NULL && none == NULL && asked.if_unmodified_since == NULL)
        return 0;
    bool there = drop_look(call->drop, put->path, &file) == DROP_OK && !file.folder;
    if (there && file.has_sha256) {
        etag[0] = '"';
        fs_hex(file.sha256, sizeof file.sha256, etag + 1);
        strcat(etag, "\"");
    }
    const struct range_file now = {
        .exists = there, .etag = *etag == '\0' ? NULL : etag, .modified_ms = file.modified_at};
    put->only_new = none != NULL;
    put->has_match = match != NULL && file.has_sha256;
    memcpy(put->match, file.sha256, sizeof put->match);
    if (range_check(&asked, &now, false) == 0)
        return 0;
    reply_error(call->http, 412,
                !there          ? "That file is not there."
                : put->only_new ? "A file of that name is there."
                                : "Another version of that file is there.");
    return -1;
}

static int check_range(struct call *call, struct put *put)
{
    const char *range = http_header(call->http, "Content-Range");
    put->resumes = range != NULL;
    if (!put->resumes)
        return 0;
    if (range_content(range, &put->first, &put->last, &put->size) < 0 || put->size < 0) {
        reply_error(call->http, 400,
                    "Content-Range is written `bytes FIRST-LAST/SIZE` here, with the whole size.");
        return -1;
    }
    if (call->http->length >= 0 && call->http->length != put->last - put->first + 1) {
        reply_error(call->http, 400, "Content-Range and Content-Length do not fit together.");
        return -1;
    }
    return 0;
}

static enum drop_result begin(struct call *call, struct put *put)
{
    const struct drop_wish wish = {.path = put->path,
                                   .actor = call->visitor.actor,
                                   .door = "put",
                                   .size = put->resumes ? put->size : call->http->length,
                                   .replace = !put->bare && !put->only_new,
                                   .exact = !put->bare || put->only_new,
                                   .match = put->has_match ? put->match : NULL};
    return drop_begin(call->drop, &wish, &put->arrival);
}

/* The arrival that the Content-Range goes on with. 0, or -1 with the answer given. */
static int go_on(struct call *call, struct put *put)
{
    enum drop_result result = upload_resume(call, NULL, put->path, &put->arrival);
    int64_t offset = 0;
    if (result == DROP_NOT_FOUND && put->first == 0)
        result = begin(call, put);
    if (result != DROP_OK && result != DROP_NOT_FOUND) {
        upload_refuse(call, result, put->path);
        return -1;
    }
    if (result == DROP_OK) {
        offset = drop_arrival_offset(put->arrival);
        int64_t size = drop_arrival_size(put->arrival);
        if (offset == put->first && (size == put->size || size < 0) &&
            drop_arrival_set_size(put->arrival, put->size) == DROP_OK)
            return 0;
        drop_pause(put->arrival);
        put->arrival = NULL;
    }
    reply_extra(call->http, "Upload-Offset", "%lld", (long long)offset);
    reply_error(call->http, 409, "Of that file %lld bytes are here: go on at %lld.",
                (long long)offset, (long long)offset);
    return -1;
}

static int start(struct call *call, struct put *put)
{
    if (check_conditions(call, put) < 0 || check_range(call, put) < 0)
        return -1;
    upload_token(call);
    if (put->resumes)
        return go_on(call, put);
    enum drop_result result = begin(call, put);
    if (result == DROP_OK)
        return 0;
    if (result == DROP_TAKEN && put->only_new)
        reply_error(call->http, 412, "A file of that name is there.");
    else
        upload_refuse(call, result, put->path);
    return -1;
}

static void finish(struct call *call, struct put *put)
{
    struct drop_file file;
    bool same = false, replaced = false;
    int64_t offset = drop_arrival_offset(put->arrival);
    if (put->resumes && offset > put->last + 1) { /* chunked: only now it is known */
        drop_truncate(put->arrival, put->first);
        drop_pause(put->arrival);
        reply_error(call->http, 400, "The body is longer than its Content-Range.");
        return;
    }
    if (put->resumes && offset < put->size) {
        drop_pause(put->arrival);
        reply_extra(call->http, "Upload-Offset", "%lld", (long long)offset);
        reply_text(call->http, 202, "%lld of %lld bytes are here.", (long long)offset,
                   (long long)put->size);
        return;
    }
    enum drop_result result = drop_publish(put->arrival, &file, &same, &replaced);
    if (result == DROP_TAKEN && put->only_new)
        reply_error(call->http, 412, "A file of that name is there.");
    else if (result != DROP_OK)
        upload_refuse(call, result, put->path);
    else
        upload_stored(call, same || replaced ? 200 : 201, &file);
}

static void put_file(struct call *call, bool bare)
{
    struct put put = {.path = call->rest, .bare = bare};
    enum drop_result result;
    size_t length = strlen(call->rest);
    /* Nobody who forgets the slash of BOX/files/ means a file of that name. */
    if (length == 0 || call->rest[length - 1] == '/' ||
        (bare && strcmp(call->rest, "files") == 0)) {
        reply_error(call->http, 400,
                    "Name the file: curl -T FILE BOX or BOX/files/FOLDER/, with the slash; "
                    "curl -T - BOX/NAME");
        return;
    }
    if (start(call, &put) < 0)
        return;
    enum upload_end end = upload_body(call, put.arrival, &result, NULL, NULL);
    if (end == UPLOAD_WHOLE)
        finish(call, &put);
    else
        upload_give_up(call, put.arrival, end, result, put.path);
}

void upload_put(struct call *call)
{
    put_file(call, false);
}

void upload_bare(struct call *call)
{
    put_file(call, true);
}
