/*
 * files: GET and HEAD of what is in the drop, and DELETE.
 */
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "web/door.h"
#include "web/hot.h"
#include "web/media.h"
#include "web/page.h"
#include "web/range.h"
#include "web/send.h"
#include "web/url.h"
#include "web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define FOLLOW_STEP    65536
#define FOLLOW_WAIT_MS 1000
/* An upload that broke off may go on, but not everybody waits for ever. */
#define FOLLOW_IDLE_MS 60000
/* How long somebody waits for an arrival to be shown; see SHOWN_AFTER_MS in drop and upload. */
#define YOUNG_WAIT_MS 1000
#define YOUNG_STEP_MS 20

void files_slash(struct call *call)
{
    reply_redirect(call->http, 301, "/files/");
}

/* ---- a file that is there ---- */

static void file_head(void *context, struct http_request *request)
{
    const struct drop_file *file = context;
    struct media media = media_of(file->path);
    bool shown = media.shown || (media.is_page && drop_path_on_shelf(file->path));
    reply_peoples_bytes(request, file->path, shown && !http_query_has(request, "download"));
    reply_header(request, "Cache-Control", "no-cache");
    if (drop_path_on_shelf(file->path) && media.is_page)
        reply_header(request, "Vary", "Accept");
}

/* Style is text, but for pages on the shelf. */
static const char *type_of(const char *path)
{
    size_t length = strlen(path);
    if (drop_path_on_shelf(path) && length > 4 && strcasecmp(path + length - 4, ".css") == 0)
        return "text/css; charset=utf-8";
    return media_of(path).type;
}

static void send_found(struct call *call, const struct drop_file *file, int fd)
{
    char hex[2 * DIGEST_SHA256_SIZE + 1] = "";
    struct http_request *request = call->http;
    if (file->has_sha256)
        fs_hex(file->sha256, sizeof file->sha256, hex);
    const struct send_file whole = {.fd = fd,
                                    .size = file->size,
                                    .modified_ms = file->modified_at,
                                    .etag = hex,
                                    .type = type_of(file->path),
                                    .head = file_head,
                                    .context = (void *)(uintptr_t)file};
    if (request->method == HTTP_GET && http_header(request, "Range") == NULL &&
        http_header(request, "If-None-Match") == NULL)
        drop_downloaded(call->drop, file->id);
    call_release(call);
    if (send_whole_or_part(request, &whole) >= 0 &&
        !(drop_path_on_shelf(file->path) && media_of(file->path).is_page))
        hot_learn(call, &whole, HOT_DROP, file->path, file->id);
}

/* ---- a file that is still arriving ---- */

static int copy_piece(struct http_request *request, int fd, int64_t *offset, int64_t until,
                      uint8_t *piece)
{
    while (*offset < until) {
        int64_t left = until - *offset;
        ssize_t got = pread(fd, piece, left < FOLLOW_STEP ? (size_t)left : FOLLOW_STEP, *offset);
        if (got <= 0 || reply_stream_put(request, piece, (size_t)got) < 0)
            return -1;
        *offset += got;
    }
    return 0;
}

static void follow_to_end(struct call *call, const struct drop_coming *coming, int fd)
{
    uint8_t *piece = mem_alloc(FOLLOW_STEP);
    int64_t offset = 0, available = 0, grew_ms = when_monotonic_ms();
    enum drop_growth growth = DROP_MORE;
    while (growth == DROP_MORE || growth == DROP_WAITED) {
        if (http_gone(call->http) || http_stopping(call->http) || call_acquire(call) < 0)
            break;
        growth = drop_follow_wait(call->drop, coming, fd, offset, FOLLOW_WAIT_MS, &available);
        if ((growth == DROP_MORE || growth == DROP_ENDED) &&
            copy_piece(call->http, fd, &offset, available, piece) < 0)
            break;
        if (growth == DROP_MORE)
            grew_ms = when_monotonic_ms();
        else if (when_monotonic_ms() - grew_ms > FOLLOW_IDLE_MS)
            break;
    }
    if (growth == DROP_ENDED && offset == available)
        reply_stream_end(call->http);
    else
        http_cut(call->http);
    free(piece);
}

/* 1 answered, 0 nothing is arriving there. */
static int follow(struct call *call, const char *path)
{
    struct drop_coming coming;
    int fd = -1;
    if (drop_follow(call->drop, path, &coming, &fd) != DROP_OK)
        return 0;
    if (call->http->method == HTTP_GET && !http_hold(call->http)) {
        fs_close(fd);
        return 1;
    }
    struct media media = media_of(coming.path);
    call_release(call);
    reply_begin(call->http, 200, media.type);
    reply_peoples_bytes(call->http, coming.path, media.shown);
    reply_header(call->http, "Cache-Control", "no-store");
    if (reply_stream(call->http) == 0 && reply_wants_body(call->http))
        follow_to_end(call, &coming, fd);
    fs_close(fd);
    return 1;
}

/* ---- what is at a path ---- */

/* `Upload-Offset` of what this visitor has begun to store under path. */
static void tell_offset(struct call *call, const char *path)
{
    struct drop_coming coming;
    if (drop_coming_by_path(call->drop, path, &call->visitor.actor, &coming) == DROP_OK) {
        reply_extra(call->http, "Upload-Offset", "%lld", (long long)coming.received);
        if (coming.size >= 0)
            reply_extra(call->http, "Upload-Length", "%lld", (long long)coming.size);
    }
}

static void answer_folder(struct call *call, const char *path)
{
    if (http_query_has(call->http, "tar") || http_query_has(call->http, "zip"))
        pack_answer(call, path, http_query_has(call->http, "zip"));
    else
        folder_answer(call, path);
}

/* No file: it may be arriving, may have arrived just now, or be about to be known to all. */
static void answer_missing(struct call *call, const char *path)
{
    bool young = drop_is_young(path);
    int64_t until = when_monotonic_ms() + YOUNG_WAIT_MS;
    struct drop_file file;
    enum drop_result result;
    int fd = -1;
    do {
        if (follow(call, path) == 1)
            return;
        if (young)
            usleep(YOUNG_STEP_MS * 1000);
        result = drop_read(call->drop, path, &file, &fd);
    } while (young && result == DROP_NOT_FOUND && when_monotonic_ms() < until);
    if (result == DROP_OK)
        send_found(call, &file, fd);
    else
        upload_refuse(call, result, path);
    fs_close(fd);
}

/* A folder's address ends with a slash, so that relative addresses in its page work. */
static bool add_slash(struct call *call)
{
    size_t length = strlen(call->http->path);
    if (call->http->path[length - 1] == '/')
        return false;
    struct buf to;
    buf_init(&to, 4 * HTTP_PATH_MAX);
    url_encode(&to, call->http->path, true);
    buf_printf(&to, "/%s%s", *call->http->query == '\0' ? "" : "?", call->http->query);
    reply_redirect(call->http, 302, buf_text(&to));
    buf_done(&to);
    return true;
}

static void answer_at(struct call *call, const char *path)
{
    struct drop_file file;
    int fd = -1;
    if (*path == '\0') {
        answer_folder(call, "");
        return;
    }
    if (call->http->method == HTTP_HEAD)
        tell_offset(call, path);
    enum drop_result result = drop_read(call->drop, path, &file, &fd);
    if (result == DROP_IS_FOLDER) {
        if (!add_slash(call)) {
            drop_look(call->drop, path, &file);
            answer_folder(call, file.path);
        }
    } else if (result == DROP_NOT_FOUND) {
        answer_missing(call, path);
    } else if (result != DROP_OK) {
        upload_refuse(call, result, path);
    } else if (call->http->path[strlen(call->http->path) - 1] == '/') {
        reply_error(call->http, 404, "That is a file, not a folder: ask without the slash.");
    } else {
        send_found(call, &file, fd);
    }
    fs_close(fd);
}

/* Whether something is there or on its way, and under which path. */
static bool is_known(struct call *call, const char *asked, char *path)
{
    struct drop_file file;
    struct drop_coming coming;
    int fd = -1;
    const char *known = asked;
    if (drop_look(call->drop, asked, &file) == DROP_OK)
        known = file.path;
    else if (!drop_is_young(asked))
        known = drop_follow(call->drop, asked, &coming, &fd) == DROP_OK ? coming.path : NULL;
    fs_close(fd);
    if (known != NULL)
        snprintf(path, DROP_PATH_MAX, "%s", known);
    return known != NULL;
}

static void answer_qr(struct call *call)
{
    char path[DROP_PATH_MAX];
    struct buf address;
    if (!is_known(call, call->rest, path)) {
        upload_refuse(call, DROP_NOT_FOUND, call->rest);
        return;
    }
    buf_init(&address, 8 * HTTP_PATH_MAX);
    web_file_address(call->http, call->rest, &address);
    page_qr(call, buf_text(&address));
    buf_done(&address);
}

void files_answer(struct call *call)
{
    if (http_query_has(call->http, "qr"))
        answer_qr(call);
    else
        answer_at(call, call->rest);
}

void files_bare(struct call *call)
{
    char path[DROP_PATH_MAX];
    struct buf location;
    if (!is_known(call, call->rest, path)) {
        reply_error(call->http, 404, "There is nothing at this address.");
        return;
    }
    buf_init(&location, 4 * HTTP_PATH_MAX);
    buf_puts(&location, "/files/");
    url_encode(&location, path, true);
    if (*call->http->query != '\0')
        buf_printf(&location, "?%s", call->http->query);
    if (call->http->method == HTTP_HEAD)
        tell_offset(call, call->rest);
    reply_redirect(call->http, 302, buf_text(&location));
    buf_done(&location);
}

/* ---- DELETE ---- */

void files_delete(struct call *call)
{
    struct drop_file file = {0};
    struct range_conditions asked = {.if_match = http_header(call->http, "If-Match"),
                                     .if_none_match = http_header(call->http, "If-None-Match")};
    char hex[2 * DIGEST_SHA256_SIZE + 3] = "\"";
    bool there = drop_look(call->drop, call->rest, &file) == DROP_OK;
    if (there && file.has_sha256) {
        fs_hex(file.sha256, sizeof file.sha256, hex + 1);
        strcat(hex, "\"");
    }
    const struct range_file now = {.exists = there, .etag = hex[1] == '\0' ? NULL : hex};
    if (range_check(&asked, &now, false) == 412) {
        reply_error(call->http, 412, "The file is not the one that you mean any more.");
        return;
    }
    enum drop_result result = file.folder
                                  ? drop_remove_folder(call->drop, call->rest, &call->visitor.actor)
                                  : drop_remove(call->drop, call->rest, &call->visitor.actor);
    if (result == DROP_NOT_YOURS && !call->visitor.known) {
        reply_error(call->http, 403,
                    "That is not yours here: a guest deletes with the browser, or the Drop-Token, "
                    "that dropped it.");
        return;
    }
    if (result != DROP_OK) {
        upload_refuse(call, result, call->rest);
        return;
    }
    reply_begin(call->http, 204, NULL);
    reply_end(call->http, NULL, 0);
}
