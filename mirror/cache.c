/*
 * cache: archives as files with three names.
 */
#include "mirror/cache.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOUCH_EVERY_S 600
#define ROOM_SPARE    ((int64_t)1 << 20)  /* of the disk, for names and rows */
#define ROOM_NAMES    ((int64_t)64 << 10) /* for those of an archive, where that is gone */

struct cache {
    char *path; /* STATE/mirror */
    int fd;     /* of STATE/mirror/cache */
};

static int make_folder(char *path_take)
{
    int result = fs_make_folders(path_take, 02770);

    if (result < 0)
        log_errno("%s cannot be made", path_take);
    free(path_take);
    return result;
}

static int make_folders(const struct cache *cache, const struct config *config)
{
    static const char *const folders[] = {"cache/md5", "cache/sha256", "cache/sha512",
                                          "parts",     "kept",         "index"};

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (make_folder(cache_path(cache, folders[i])) < 0)
            return -1;
    for (size_t i = 0; i < config->mirror_count; i++) {
        char *path = cache_index_path(cache, config->mirror[i].name, "");

        path[strlen(path) - 1] = '\0';
        if (make_folder(path) < 0)
            return -1;
    }
    return 0;
}

struct cache *cache_open(const struct config *config)
{
    struct cache *cache = mem_alloc(sizeof *cache);
    char *path;

    cache->path = config_path(config, "mirror");
    cache->fd = -1;
    if (make_folders(cache, config) == 0) {
        path = cache_path(cache, "cache");
        cache->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (cache->fd < 0)
            log_errno("%s cannot be opened", path);
        free(path);
    }
    if (cache->fd >= 0)
        return cache;
    cache_close(cache);
    return NULL;
}

void cache_close(struct cache *cache)
{
    if (!cache)
        return;
    fs_close(cache->fd);
    free(cache->path);
    free(cache);
}

char *cache_path(const struct cache *cache, const char *below)
{
    return mem_printf("%s/%s", cache->path, below);
}

char *cache_index_path(const struct cache *cache, const char *repository, const char *file)
{
    return mem_printf("%s/index/%s%s%s", cache->path, repository, *repository ? "/" : "", file);
}

char *cache_part_path(const struct cache *cache, const char *name)
{
    char *path = mem_printf("%s/parts/%s", cache->path, name);
    char *colon = strchr(path + strlen(path) - strlen(name), ':');

    if (colon)
        *colon = '-';
    return path;
}

/* ---- one archive ---- */

int cache_get(const struct cache *cache, const struct checksum *sum, struct stat *info)
{
    char path[CHECKSUM_TEXT];
    struct stat own;
    int fd;

    checksum_path(sum, path);
    fd = openat(cache->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && (fstat(fd, info ? info : &own) < 0)) {
        fs_close(fd);
        return -1;
    }
    return fd;
}

bool cache_stat(const struct cache *cache, const struct checksum *sum, struct stat *info)
{
    char path[CHECKSUM_TEXT];

    checksum_path(sum, path);
    return fstatat(cache->fd, path, info, AT_SYMLINK_NOFOLLOW) == 0;
}

bool cache_has(const struct cache *cache, const struct checksum *sum, int64_t *bytes)
{
    struct stat info;

    if (!cache_stat(cache, sum, &info))
        return false;
    if (bytes)
        *bytes = info.st_size;
    return true;
}

void cache_touch(int fd, const struct stat *info)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};

    if (when_wall_ms() / 1000 - info->st_atime > TOUCH_EVERY_S)
        futimens(fd, times);
}

/* Makes the folder that a digest's name stands in, below the cache. */
static void make_folder_of(const struct cache *cache, const char *name)
{
    char folder[CHECKSUM_TEXT];

    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(name, '/') - name), name);
    mkdirat(cache->fd, folder, 02770);
}

static int sync_folder_of(const struct cache *cache, const char *name)
{
    char *path = mem_printf("%s/cache/%.*s", cache->path, (int)(strrchr(name, '/') - name), name);
    int result = fs_sync_folder(path);

    free(path);
    return result;
}

/* One more name for the file at path. A name that is taken is another file with the same bytes. */
static int give_name(const struct cache *cache, const char *path, const struct checksum *sum)
{
    char name[CHECKSUM_TEXT];

    checksum_path(sum, name);
    make_folder_of(cache, name);
    if (linkat(AT_FDCWD, path, cache->fd, name, 0) == 0)
        return sync_folder_of(cache, name);
    if (errno != EEXIST)
        return -1;
    if (unlinkat(cache->fd, name, 0) < 0 || linkat(AT_FDCWD, path, cache->fd, name, 0) < 0)
        return -1;
    return sync_folder_of(cache, name);
}

int cache_publish(const struct cache *cache, const char *path, int fd,
                  const struct checksum sums[DIGEST_KINDS])
{
    char name[CHECKSUM_TEXT];

    checksum_path(&sums[DIGEST_SHA256], name);
    make_folder_of(cache, name);
    if (fsync(fd) == 0 && give_name(cache, path, &sums[DIGEST_MD5]) == 0 &&
        give_name(cache, path, &sums[DIGEST_SHA512]) == 0 &&
        renameat(AT_FDCWD, path, cache->fd, name) == 0 && sync_folder_of(cache, name) == 0)
        return 0;
    log_errno("%s cannot be taken into the cache", path);
    return -1;
}

int cache_remove(const struct cache *cache, const struct checksum *sha256)
{
    int64_t left, count;
    char name[CHECKSUM_TEXT];

    checksum_path(sha256, name);
    cache_keep(cache, sha256, false);
    if (unlinkat(cache->fd, name, 0) < 0 && errno != ENOENT) {
        log_errno("%s cannot be removed from the cache", name);
        return -1;
    }
    return cache_evict(cache, INT64_MAX, &left, &count) < 0 ? -1 : 0;
}

static char *kept_path(const struct cache *cache, const struct checksum *sha256)
{
    char hex[2 * DIGEST_MAX + 1];

    checksum_hex(sha256, hex);
    return mem_printf("%s/kept/%s", cache->path, hex);
}

bool cache_is_kept(const struct cache *cache, const struct checksum *sha256)
{
    char *path = kept_path(cache, sha256);
    bool kept = access(path, F_OK) == 0;

    free(path);
    return kept;
}

int cache_keep(const struct cache *cache, const struct checksum *sha256, bool keep)
{
    char *path = kept_path(cache, sha256);
    int fd, result = 0;

    if (keep) {
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
        result = fd < 0 ? -1 : 0;
        fs_close(fd);
    } else if (unlink(path) < 0 && errno != ENOENT) {
        result = -1;
    }
    if (result < 0)
        log_errno("%s cannot be changed", path);
    free(path);
    return result;
}

/* ---- all archives ---- */

/* Calls each for every file in cache/ALGO/XX/; its 1 ends the walk. */
typedef int walker(void *context, int folder, const char *name, const struct stat *info);

static int walk_folder(int parent, const char *name, walker *each, void *context)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), result = 0;
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    struct stat info;

    if (!folder) {
        fs_close(fd);
        return 0;
    }
    while (result == 0 && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        if (fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode))
            result = each(context, fd, entry->d_name, &info);
    }
    closedir(folder);
    return result;
}

static int walk_kind(const struct cache *cache, enum digest_kind kind, walker *each, void *context)
{
    int fd = openat(cache->fd, digest_kind_name(kind), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    int result = 0;

    if (!folder) {
        log_errno("%s/cache/%s cannot be read", cache->path, digest_kind_name(kind));
        fs_close(fd);
        return -1;
    }
    while (result == 0 && (entry = readdir(folder)))
        if (strlen(entry->d_name) == 2 && entry->d_name[0] != '.')
            result = walk_folder(fd, entry->d_name, each, context);
    closedir(folder);
    return result < 0 ? -1 : 0;
}

struct walk {
    const struct cache *cache;
    cache_handler *handler;
    void *context;
};

static int walk_archive(void *context, int folder, const char *name, const struct stat *info)
{
    const struct walk *walk = context;
    struct cache_file file = {.bytes = info->st_size,
                              .inode = info->st_ino,
                              .used_ms = (int64_t)info->st_atim.tv_sec * 1000 +
                                         info->st_atim.tv_nsec / 1000000};

    (void)folder;
    file.sha256.kind = DIGEST_SHA256;
    if (strlen(name) != 2 * DIGEST_SHA256_SIZE ||
        fs_unhex(name, file.sha256.bytes, DIGEST_SHA256_SIZE) < 0)
        return 0;
    file.kept = cache_is_kept(walk->cache, &file.sha256);
    return walk->handler(walk->context, &file);
}

int cache_walk(const struct cache *cache, cache_handler *handler, void *context)
{
    struct walk walk = {cache, handler, context};

    return walk_kind(cache, DIGEST_SHA256, walk_archive, &walk);
}

/* ---- leaving ---- */

struct shelf {
    struct cache_file *files;
    size_t count, room;
    int64_t bytes;
};

static int shelf_put(void *context, const struct cache_file *file)
{
    struct shelf *shelf = context;

    if (shelf->count == shelf->room) {
        shelf->room = shelf->room ? shelf->room * 2 : 1024;
        shelf->files = mem_resize(shelf->files, shelf->room, sizeof *shelf->files);
    }
    shelf->files[shelf->count++] = *file;
    shelf->bytes += file->bytes;
    return 0;
}

static int leaves_before(const void *one, const void *other)
{
    const struct cache_file *a = one, *b = other;

    if (a->kept != b->kept)
        return a->kept ? 1 : -1;
    return a->used_ms < b->used_ms ? -1 : a->used_ms > b->used_ms;
}

/* A name under md5 or sha512 whose archive is no longer there under sha256 has two links or less.
 */
static int drop_orphan(void *context, int folder, const char *name, const struct stat *info)
{
    (void)context;
    if (info->st_nlink < DIGEST_KINDS)
        unlinkat(folder, name, 0);
    return 0;
}

int cache_evict(const struct cache *cache, int64_t target, int64_t *left, int64_t *count)
{
    struct shelf shelf = {0};
    char name[CHECKSUM_TEXT];
    int gone = 0, result = cache_walk(cache, shelf_put, &shelf);

    if (shelf.count > 0 && shelf.bytes > target)
        qsort(shelf.files, shelf.count, sizeof *shelf.files, leaves_before);
    for (size_t i = 0; i < shelf.count && shelf.bytes > target; i++) {
        checksum_path(&shelf.files[i].sha256, name);
        cache_keep(cache, &shelf.files[i].sha256, false);
        if (unlinkat(cache->fd, name, 0) == 0) {
            shelf.bytes -= shelf.files[i].bytes;
            gone++;
        }
    }
    if (walk_kind(cache, DIGEST_MD5, drop_orphan, NULL) < 0 ||
        walk_kind(cache, DIGEST_SHA512, drop_orphan, NULL) < 0)
        result = -1;
    *left = shelf.bytes;
    *count = (int64_t)shelf.count - gone;
    free(shelf.files);
    return result < 0 ? -1 : gone;
}

struct weight {
    int64_t all, unkept;
};

static int weigh(void *context, const struct cache_file *file)
{
    struct weight *weight = context;

    weight->all += file->bytes;
    weight->unkept += file->kept ? 0 : file->bytes;
    return 0;
}

/* How many bytes must leave before so many more may come. */
static int64_t bytes_to_leave(const struct cache *cache, const struct config *config, int64_t bytes)
{
    int64_t available, total, floor;

    if (fs_space(cache->path, &available, &total) < 0)
        return 0;
    floor = config_reserve(config, total);
    if (floor < ROOM_SPARE)
        floor = ROOM_SPARE;
    if (available >= floor + bytes)
        return 0;
    if (available > floor)
        return floor + bytes - available;
    return bytes + (available < ROOM_SPARE ? ROOM_NAMES : 0);
}

bool cache_has_room(const struct cache *cache, const struct config *config, int64_t bytes)
{
    return bytes_to_leave(cache, config, bytes) == 0;
}

bool cache_could_hold(const struct cache *cache, const struct config *config, int64_t bytes)
{
    struct weight weight = {0};
    int64_t leaving = bytes_to_leave(cache, config, bytes);

    return leaving == 0 || (cache_walk(cache, weigh, &weight) == 0 && weight.unkept >= leaving);
}

int cache_make_room(const struct cache *cache, const struct config *config, int64_t bytes)
{
    struct weight weight = {0};
    int64_t left, count, leaving = bytes_to_leave(cache, config, bytes);

    if (leaving == 0)
        return 0;
    if (cache_walk(cache, weigh, &weight) < 0 || weight.unkept < leaving)
        return -1;
    return cache_evict(cache, weight.all - leaving, &left, &count);
}

int64_t cache_limit(const struct cache *cache, const struct config *config)
{
    int64_t limit = config->mirror[0].cache_size, total;

    if (fs_space(cache->path, NULL, &total) == 0 && limit > total / 2)
        limit = total / 2;
    return limit;
}
