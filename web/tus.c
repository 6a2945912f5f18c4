/*
 * tus: resumable uploads, tus 1.0.0 with creation, creation-with-upload, creation-defer-length,
 * termination, checksum and expiration.
 *
 * An upload's address contains its key, which nobody can guess: who knows it may go on with it and
 * end it, as the protocol has it. Whose the file becomes was settled when it was created.
 */
#include "base/mem.h"
#include "base/when.h"
#include "web/door.h"
#include "web/sha1.h"
#include "web/tushead.h"
#include "web/upload.h"
#include "web/url.h"
#include "web/web.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VERSION  "1.0.0"
#define CHUNK    "application/offset+octet-stream"
#define DONE_MAX 256 /* finished uploads that are remembered */

/* ---- those that are finished ---- */

/* A client that lost the answer to its last chunk asks where it stands: the arrival is gone then.
 */
static struct {
    pthread_mutex_t lock;
    struct done {
        char key[SECRET_TEXT];
        int64_t size;
        char path[DROP_PATH_MAX];
    } ring[DONE_MAX];
    size_t next;
} finished = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void remember(const char *key, const struct drop_file *file)
{
    pthread_mutex_lock(&finished.lock);
    struct done *done = &finished.ring[finished.next++ % DONE_MAX];
    memcpy(done->key, key, SECRET_TEXT);
    memcpy(done->path, file->path, sizeof done->path);
    done->size = file->size;
    pthread_mutex_unlock(&finished.lock);
}

static bool recall(const char *key, struct done *done)
{
    bool found = false;
    pthread_mutex_lock(&finished.lock);
    for (size_t i = 0; i < DONE_MAX && !found; i++)
        if (strcmp(finished.ring[i].key, key) == 0) {
            *done = finished.ring[i];
            found = true;
        }
    pthread_mutex_unlock(&finished.lock);
    return found && *key != '\0';
}

/* ---- what all answers say ---- */

static void say_version(struct call *call)
{
    reply_extra(call->http, "Tus-Resumable", VERSION);
}

static void say_address(struct call *call, const char *name, const char *path)
{
    struct buf address;
    buf_init(&address, 8 * DROP_PATH_MAX);
    web_file_address(call->http, path, &address);
    reply_extra(call->http, name, "%s", buf_text(&address));
    buf_done(&address);
}

static void no_content(struct call *call)
{
    reply_begin(call->http, 204, NULL);
    reply_end(call->http, NULL, 0);
}

/* Whether the client speaks this version; else the answer has been given. */
static bool speaks(struct call *call)
{
    const char *version = http_header(call->http, "Tus-Resumable");
    say_version(call);
    if (version != NULL && strcmp(version, VERSION) == 0)
        return true;
    reply_extra(call->http, "Tus-Version", VERSION);
    reply_error(call->http, 412, "Uploads here speak tus " VERSION "; say so in Tus-Resumable.");
    return false;
}

void tus_options(struct call *call)
{
    say_version(call);
    reply_extra(call->http, "Tus-Version", VERSION);
    reply_extra(call->http, "Tus-Extension",
                "creation,creation-with-upload,creation-defer-length,termination,checksum,"
                "expiration");
    reply_extra(call->http, "Tus-Checksum-Algorithm", "sha1,md5,sha256,sha512");
    if (call->config->web.max_file > 0)
        reply_extra(call->http, "Tus-Max-Size", "%lld", (long long)call->config->web.max_file);
    no_content(call);
}

/* ---- a chunk ---- */

/* The checksum of a chunk, as announced and as it comes. */
struct chunk {
    bool checked;
    enum tushead_sum sum;
    int size;
    uint8_t wanted[64];
    struct sha1 sha1;
    struct digest *digest;
};

static void chunk_bytes(void *context, const void *bytes, size_t length)
{
    struct chunk *chunk = context;
    if (chunk->sum == TUSHEAD_SHA1)
        sha1_put(&chunk->sha1, bytes, length);
    else
        digest_put(chunk->digest, bytes, length);
}

/* 0, or -1 with the answer given. */
static int chunk_begin(struct call *call, struct chunk *chunk)
{
    const char *given = http_header(call->http, "Upload-Checksum");
    if (given == NULL)
        return 0;
    chunk->size = tushead_checksum(given, &chunk->sum, chunk->wanted);
    if (chunk->size < 0) {
        reply_error(call->http, 400, "Upload-Checksum is not one of sha1, md5, sha256, sha512.");
        return -1;
    }
    chunk->checked = true;
    sha1_init(&chunk->sha1);
    if (chunk->sum != TUSHEAD_SHA1)
        chunk->digest =
            digest_new((enum digest_kind)digest_kind_parse(tushead_sum_names[chunk->sum]));
    return 0;
}

/* Whether it was right; ends the digest. */
static bool chunk_end(struct chunk *chunk)
{
    uint8_t sum[64];
    if (!chunk->checked)
        return true;
    if (chunk->sum == TUSHEAD_SHA1)
        sha1_end(&chunk->sha1, sum);
    else
        digest_end(chunk->digest, sum);
    return digest_equal(sum, chunk->wanted, (size_t)chunk->size);
}

static void say_expiry(struct call *call, const char *key)
{
    struct drop_coming coming;
    char date[WHEN_MAX];
    if (drop_coming_by_key(call->drop, key, NULL, &coming) != DROP_OK || coming.expires_at == 0)
        return;
    when_http(coming.expires_at, date);
    reply_extra(call->http, "Upload-Expires", "%s", date);
}

/* After a chunk: publishes what is whole, else lets it wait for the next. The answer's status in
 * success, 0 with the answer given. */
static int settle(struct call *call, struct drop_arrival *arrival, int status)
{
    struct drop_file file;
    bool same;
    char key[SECRET_TEXT];
    int64_t offset = drop_arrival_offset(arrival);
    memcpy(key, drop_arrival_key(arrival), sizeof key);
    if (offset != drop_arrival_size(arrival)) {
        drop_pause(arrival);
        say_expiry(call, key);
    } else {
        enum drop_result result = drop_publish(arrival, &file, &same, NULL);
        if (result != DROP_OK) {
            upload_refuse(call, result, "");
            return 0;
        }
        remember(key, &file);
        say_address(call, "Content-Location", file.path);
    }
    reply_extra(call->http, "Upload-Offset", "%lld", (long long)offset);
    return status;
}

/* Takes the body as a chunk of arrival and answers with status if all is well. The arrival is let
 * go before the answer: the client's next request may come at once. */
static void take_chunk(struct call *call, struct drop_arrival *arrival, struct chunk *chunk,
                       int status)
{
    enum drop_result result = DROP_OK;
    int64_t before = drop_arrival_offset(arrival), size = drop_arrival_size(arrival);
    if (size >= 0 && call->http->length > size - before) { /* costs the chunk, not the upload */
        drop_pause(arrival);
        upload_refuse_longer(call);
        return;
    }
    enum upload_end end =
        upload_body(call, arrival, &result, chunk->checked ? chunk_bytes : NULL, chunk);
    bool right = chunk_end(chunk);
    if (chunk->checked && (!right || end != UPLOAD_WHOLE))
        drop_truncate(arrival, before);
    if (end != UPLOAD_WHOLE) {
        upload_give_up(call, arrival, end, result, "");
    } else if (!right) {
        drop_pause(arrival);
        reply_error(call->http, 460, "The checksum of these bytes is another; send them again.");
    } else {
        status = settle(call, arrival, status);
        if (status != 0) {
            reply_begin(call->http, status, NULL);
            reply_end(call->http, NULL, 0);
        }
    }
}

static bool is_chunk(const struct call *call)
{
    const char *type = http_header(call->http, "Content-Type");
    return type != NULL && strcasecmp(type, CHUNK) == 0;
}

/* ---- creation ---- */

/* The length that the client announced: -1 deferred. false: neither, with the answer given. */
static bool announced(struct call *call, int64_t *size)
{
    const char *length = http_header(call->http, "Upload-Length");
    const char *deferred = http_header(call->http, "Upload-Defer-Length");
    *size = tushead_number(length);
    if ((length != NULL && *size >= 0 && deferred == NULL) ||
        (length == NULL && deferred != NULL && strcmp(deferred, "1") == 0))
        return true;
    reply_error(call->http, 400, "Say Upload-Length, or Upload-Defer-Length: 1.");
    return false;
}

/* Where it shall lie: a path that the client gives beats a bare name. The metadata are optional:
 * who gives none has an upload of the plainest name that is free. */
static bool named(struct call *call, char *path, size_t size)
{
    static const char *const keys[] = {"relativePath", "path", "filename", "name"};
    const char *metadata = http_header(call->http, "Upload-Metadata");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int found = tushead_metadata(metadata, keys[i], path, size);
        if (found == 1 && *path != '\0' && strcmp(path, "null") != 0)
            return true;
        if (found < 0) {
            reply_error(call->http, 400, "A name in Upload-Metadata is to be base64 of UTF-8.");
            return false;
        }
    }
    snprintf(path, size, "upload");
    return true;
}

static void create(struct call *call, const char *path, int64_t size, struct chunk *chunk)
{
    char base[WEB_BASE_MAX], key[SECRET_TEXT];
    struct drop_arrival *arrival = NULL;
    const struct drop_wish wish = {
        .path = path, .actor = call->visitor.actor, .door = "tus", .size = size};
    enum drop_result result = drop_begin(call->drop, &wish, &arrival);
    if (result != DROP_OK) {
        upload_refuse(call, result, path);
        return;
    }
    memcpy(key, drop_arrival_key(arrival), sizeof key);
    web_base(call->http, base);
    reply_extra(call->http, "Location", "%s/uploads/%s", base, key);
    if (is_chunk(call) || size == 0) {
        take_chunk(call, arrival, chunk, 201);
        return;
    }
    drop_pause(arrival);
    say_expiry(call, key);
    reply_begin(call->http, 201, NULL);
    reply_end(call->http, NULL, 0);
}

void tus_create(struct call *call)
{
    char path[DROP_PATH_MAX];
    struct chunk chunk = {0};
    int64_t size;
    if (!speaks(call) || !announced(call, &size) || !named(call, path, sizeof path) ||
        chunk_begin(call, &chunk) < 0)
        return;
    upload_token(call);
    create(call, path, size, &chunk);
    digest_free(chunk.digest);
}

/* ---- going on ---- */

static void say_name(struct call *call, const char *path)
{
    struct buf name;
    buf_init(&name, 2 * DROP_PATH_MAX);
    tushead_put_base64(&name, path, strlen(path));
    reply_extra(call->http, "Upload-Metadata", "filename %s", buf_text(&name));
    buf_done(&name);
}

static void head_of_finished(struct call *call)
{
    struct done done;
    if (!recall(call->rest, &done)) {
        reply_error(call->http, 404, "There is no such upload; it may have expired.");
        return;
    }
    reply_extra(call->http, "Upload-Offset", "%lld", (long long)done.size);
    reply_extra(call->http, "Upload-Length", "%lld", (long long)done.size);
    say_address(call, "Content-Location", done.path);
    reply_begin(call->http, 200, NULL);
    reply_end(call->http, NULL, 0);
}

/*
 * All of it is here, but who wrote it died before it was published. Clients that are told of its
 * last byte send nothing more and call it done, so done it must be: it is published now. false:
 * there is nothing to publish, or whoever writes it will.
 */
static bool publish_whole(struct call *call, const struct drop_coming *coming)
{
    struct drop_arrival *arrival = NULL;
    struct drop_file file;
    if (coming->size < 0 || coming->received != coming->size ||
        drop_resume(call->drop, call->rest, NULL, &arrival) != DROP_OK)
        return false;
    enum drop_result result = drop_publish(arrival, &file, NULL, NULL);
    if (result == DROP_OK) {
        remember(call->rest, &file);
        head_of_finished(call);
    } else {
        upload_refuse(call, result, "");
    }
    return true;
}

void tus_head(struct call *call)
{
    struct drop_coming coming;
    char date[WHEN_MAX];
    if (!speaks(call))
        return;
    if (drop_coming_by_key(call->drop, call->rest, NULL, &coming) != DROP_OK) {
        head_of_finished(call);
        return;
    }
    if (publish_whole(call, &coming))
        return;
    reply_extra(call->http, "Upload-Offset", "%lld", (long long)coming.received);
    if (coming.size >= 0)
        reply_extra(call->http, "Upload-Length", "%lld", (long long)coming.size);
    else
        reply_extra(call->http, "Upload-Defer-Length", "1");
    say_name(call, coming.path);
    when_http(coming.expires_at, date);
    if (coming.expires_at > 0)
        reply_extra(call->http, "Upload-Expires", "%s", date);
    reply_begin(call->http, 200, NULL);
    reply_end(call->http, NULL, 0);
}

/* A length that was deferred comes with a later chunk. 0 it fits, 1 it does not, -1 the drop
 * refuses it: *result. */
static int take_length(struct call *call, struct drop_arrival *arrival, enum drop_result *result)
{
    const char *given = http_header(call->http, "Upload-Length");
    int64_t size = tushead_number(given), known = drop_arrival_size(arrival);
    if (given == NULL || (known >= 0 && known == size))
        return 0;
    if (size < 0 || known >= 0)
        return 1;
    *result = drop_arrival_set_size(arrival, size);
    return *result == DROP_OK ? 0 : -1;
}

static void go_on(struct call *call, struct drop_arrival *arrival, struct chunk *chunk)
{
    enum drop_result result;
    int64_t stands = drop_arrival_offset(arrival);
    if (tushead_number(http_header(call->http, "Upload-Offset")) != stands) {
        drop_pause(arrival);
        reply_extra(call->http, "Upload-Offset", "%lld", (long long)stands);
        reply_error(call->http, 409, "The upload stands at another offset, %lld.",
                    (long long)stands);
        return;
    }
    int fits = take_length(call, arrival, &result);
    if (fits == 0) {
        take_chunk(call, arrival, chunk, 204);
        return;
    }
    drop_pause(arrival);
    if (fits > 0)
        reply_error(call->http, 400, "Upload-Length is not the one that this upload has.");
    else
        upload_refuse(call, result, "");
}

void tus_patch(struct call *call)
{
    struct drop_arrival *arrival = NULL;
    struct chunk chunk = {0};
    if (!speaks(call))
        return;
    if (!is_chunk(call)) {
        reply_error(call->http, 415, "A chunk is sent as " CHUNK ".");
        return;
    }
    if (chunk_begin(call, &chunk) < 0)
        return;
    enum drop_result result = upload_resume(call, call->rest, NULL, &arrival);
    if (result == DROP_OK)
        go_on(call, arrival, &chunk);
    else
        upload_refuse(call, result, "");
    digest_free(chunk.digest);
}

void tus_delete(struct call *call)
{
    if (!speaks(call))
        return;
    enum drop_result result = drop_coming_remove(call->drop, call->rest, NULL);
    if (result == DROP_OK)
        no_content(call);
    else
        upload_refuse(call, result, "");
}

/* For clients behind what lets only GET and POST through. */
void tus_override(struct call *call)
{
    const char *method = http_header(call->http, "X-HTTP-Method-Override");
    if (method != NULL && strcmp(method, "PATCH") == 0)
        tus_patch(call);
    else if (method != NULL && strcmp(method, "DELETE") == 0)
        tus_delete(call);
    else
        reply_error(call->http, 405, "POST here needs X-HTTP-Method-Override: PATCH or DELETE.");
}
