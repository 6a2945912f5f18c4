#include "web/hot.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/when.h"
#include "web/web.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTLED_MS 100 /* kernels' file times have steps of up to 10 ms */

/* What must stay as it was for an answer to stay true. */
struct print {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct hot_file {
    atomic_int users; /* the table is one */
    char *path;       /* of the request */
    char *name;       /* below its place */
    enum hot_place place;
    struct print print;
    int64_t file_id, learned_ms;
    char *head; /* between Date and Connection */
    size_t head_length;
    uint8_t *body; /* NULL: not kept */
};

static struct {
    pthread_mutex_t lock;
    int folders[HOT_PLACES];
    struct hot_file *files[HOT_FILES]; /* by their path's hash; the newer one stays */
    atomic_size_t count;
    atomic_llong bytes; /* of bodies */
    atomic_llong answers;
} table = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .folders = {-1, -1}
};

void hot_open(const struct config *config)
{
    static const char *const below[HOT_PLACES] = {
        [HOT_DROP] = "drop", [HOT_ARCHIVES] = "mirror/cache"};
    for (int i = 0; i < HOT_PLACES; i++) {
        char *path = config_path(config, below[i]);
        fs_close(table.folders[i]);
        table.folders[i] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        free(path);
    }
}

/* ---- the table ---- */

static struct hot_file **slot_of(const char *path)
{
    uint32_t hash = 2166136261u;
    for (; *path != '\0'; path++)
        hash = (hash ^ (uint8_t)*path) * 16777619u;
    return &table.files[(hash ^ hash >> 16) % HOT_FILES];
}

static void give(struct hot_file *file)
{
    if (file == NULL || atomic_fetch_sub(&file->users, 1) > 1)
        return;
    if (file->body != NULL)
        atomic_fetch_sub(&table.bytes, file->print.size);
    free(file->body);
    free(file->head);
    free(file->path);
    free(file->name);
    free(file);
}

static struct hot_file *take(const char *path)
{
    pthread_mutex_lock(&table.lock);
    struct hot_file *file = *slot_of(path);
    if (file != NULL && strcmp(file->path, path) == 0)
        atomic_fetch_add(&file->users, 1);
    else
        file = NULL;
    pthread_mutex_unlock(&table.lock);
    return file;
}

/* file_take (or nothing) takes the slot; what was in it leaves, if it is old or there is no old. */
static void put(struct hot_file **slot, const struct hot_file *old, struct hot_file *file_take)
{
    pthread_mutex_lock(&table.lock);
    struct hot_file *leaves = file_take;
    if (old == NULL || *slot == old) {
        leaves = *slot;
        *slot = file_take;
        table.count += (file_take != NULL) - (leaves != NULL);
    }
    pthread_mutex_unlock(&table.lock);
    give(leaves);
}

void hot_tick(int64_t now_ms)
{
    if (table.count == 0)
        return;
    for (size_t i = 0; i < HOT_FILES; i++) {
        pthread_mutex_lock(&table.lock);
        struct hot_file *file = table.files[i];
        bool old = file != NULL && now_ms - file->learned_ms > HOT_LIFE_MS;
        if (old) {
            table.files[i] = NULL;
            table.count--;
        }
        pthread_mutex_unlock(&table.lock);
        if (old)
            give(file);
    }
}

/* ---- whether it is still the same ---- */

static struct print print_of(const struct stat *info)
{
    return (struct print){.device = info->st_dev,
                          .inode = info->st_ino,
                          .size = info->st_size,
                          .modified = info->st_mtim,
                          .changed = info->st_ctim};
}

static bool same_time(struct timespec one, struct timespec other)
{
    return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

static bool is_same(const struct hot_file *file, const struct stat *now)
{
    const struct print *then = &file->print;
    return S_ISREG(now->st_mode) && now->st_ino == then->inode && now->st_dev == then->device &&
           now->st_size == then->size && same_time(now->st_mtim, then->modified) &&
           same_time(now->st_ctim, then->changed);
}

/* ---- answering ---- */

/* Whether the answer depends on nothing but the path. */
static bool asks_plainly(const struct http_request *request)
{
    static const char *const others[] = {"Range",    "If-None-Match",       "If-Modified-Since",
                                         "If-Match", "If-Unmodified-Since", "If-Range"};
    if (request->method != HTTP_GET || *request->query != '\0' || request->length != 0)
        return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (http_header(request, others[i]) != NULL)
            return false;
    return true;
}

/* false: the store must be asked, it cannot be counted here. */
static bool count(struct call *call, const struct hot_file *file)
{
    if (file->place == HOT_ARCHIVES && call->web->mirror != NULL)
        mirror_served(call->web->mirror,
                      mirror_repository(call->web->mirror, call->http->path + strlen("/opam")),
                      file->print.size, true);
    return file->file_id == 0 || drop_downloaded_soon(file->file_id);
}

static bool send_kept(struct call *call, const struct hot_file *file)
{
    struct stat now;
    if (fstatat(table.folders[file->place], file->name, &now, AT_SYMLINK_NOFOLLOW) < 0 ||
        !is_same(file, &now) || !count(call, file))
        return false;
    reply_again(call->http, file->head, file->head_length, file->body, (size_t)now.st_size);
    return true;
}

/* Its body is read. Nothing was sent when it turns out to be another file. */
static bool send_read(struct call *call, const struct hot_file *file)
{
    int fd = openat(table.folders[file->place], file->name,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat now;
    uint8_t *body = NULL;
    bool same = fd >= 0 && fstat(fd, &now) == 0 && is_same(file, &now);
    if (same) {
        body = mem_resize(NULL, (size_t)now.st_size + 1, 1);
        same = pread(fd, body, (size_t)now.st_size, 0) == now.st_size && count(call, file);
    }
    fs_close(fd);
    if (same)
        reply_again(call->http, file->head, file->head_length, body, (size_t)now.st_size);
    free(body);
    return same;
}

bool hot_answer(struct call *call)
{
    if (table.count == 0 || !asks_plainly(call->http))
        return false;
    struct hot_file *file = take(call->http->path);
    if (file == NULL)
        return false;
    bool sent = file->body != NULL ? send_kept(call, file) : send_read(call, file);
    if (sent)
        atomic_fetch_add(&table.answers, 1);
    else
        put(slot_of(file->path), file, NULL);
    give(file);
    return sent;
}

int64_t hot_answers(void)
{
    return table.answers;
}

/* ---- learning ---- */

/* Whether a file that looks so now may be told by its times from any later state of it. */
static bool is_settled(const struct stat *info)
{
    int64_t changed = (int64_t)info->st_ctim.tv_sec * 1000 + info->st_ctim.tv_nsec / 1000000;
    int64_t modified = (int64_t)info->st_mtim.tv_sec * 1000 + info->st_mtim.tv_nsec / 1000000;
    int64_t until = when_wall_ms() - SETTLED_MS;
    return changed < until && modified < until;
}

/* Keeps the body, too, while there is room. */
static void keep_body(struct hot_file *file, int fd)
{
    size_t size = (size_t)file->print.size;
    if (atomic_fetch_add(&table.bytes, file->print.size) + file->print.size > HOT_BYTES) {
        atomic_fetch_sub(&table.bytes, file->print.size);
        return;
    }
    file->body = mem_resize(NULL, size + 1, 1);
    if (pread(fd, file->body, size, 0) == file->print.size)
        return;
    atomic_fetch_sub(&table.bytes, file->print.size);
    free(file->body);
    file->body = NULL;
}

void hot_learn(struct call *call, const struct send_file *sent, enum hot_place place,
               const char *name, int64_t file_id)
{
    const char *head;
    size_t length;
    struct stat info;
    if (sent->size > HOT_FILE_MAX || *sent->etag == '\0' || !asks_plainly(call->http) ||
        !reply_head_sent(call->http, &head, &length) || fstat(sent->fd, &info) < 0 ||
        info.st_size != sent->size || !is_settled(&info))
        return;
    struct hot_file *file = mem_alloc(sizeof *file);
    *file = (struct hot_file){.users = 1,
                              .path = mem_dup(call->http->path),
                              .name = mem_dup(name),
                              .place = place,
                              .print = print_of(&info),
                              .file_id = file_id,
                              .learned_ms = when_monotonic_ms(),
                              .head = mem_dup_bytes(head, length),
                              .head_length = length};
    keep_body(file, sent->fd);
    put(slot_of(file->path), NULL, file);
}
