/*
 * cache: where archives lie.
 *
 *     mirror/cache/ALGO/XX/HEX     an archive under each of its three digests: one file, three
 * names mirror/parts/ALGO-HEX        one on its way; as long as what may be shown to clients
 *     mirror/kept/HEX              an empty file: the archive with that SHA-256 leaves last
 *     mirror/index/[NAME/]         the index of [mirror], of [mirror NAME]
 *
 * An archive enters by cache_publish only, whole and verified, and is from then on found under each
 * digest by one open(2). The name under sha256 is given last and taken away first, so that it
 * stands for the archive. Everybody may look; the fetcher alone writes, and commands do while they
 * say so. When an archive was last used is its access time, which riad sets itself.
 */
#ifndef MIRROR_CACHE_H
#define MIRROR_CACHE_H

#include "config/config.h"
#include "mirror/checksum.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct cache;

/* Opens the mirror's folder below the state folder, and makes what is missing. NULL, logged. */
struct cache *cache_open(const struct config *config);
void cache_close(struct cache *cache);

/* PATH below the mirror's folder, yours to free. */
char *cache_path(const struct cache *cache, const char *below);
/* The folder of a repository ("" is [mirror]), and a file in it; yours to free. */
char *cache_index_path(const struct cache *cache, const char *repository, const char *file);
/* The part file of a flight by its name `ALGO:HEX`; yours to free. */
char *cache_part_path(const struct cache *cache, const char *name);

/* Opens an archive to read. The descriptor, and *info if not NULL; -1 it is not there. */
int cache_get(const struct cache *cache, const struct checksum *sum, struct stat *info);
/* Whether it is there; *bytes if not NULL. */
bool cache_has(const struct cache *cache, const struct checksum *sum, int64_t *bytes);
/* The same with all that fstat(2) tells. */
bool cache_stat(const struct cache *cache, const struct checksum *sum, struct stat *info);

/* Notes that an open archive is used now; rarely more often than every ten minutes. */
void cache_touch(int fd, const struct stat *info);

/* Takes a complete, verified file (open as fd, named path) into the cache under the three digests
 * in sums, by their kinds. It survives a power cut afterwards. 0, or -1, logged. */
int cache_publish(const struct cache *cache, const char *path, int fd,
                  const struct checksum sums[DIGEST_KINDS]);

/* Takes an archive away under all its names. 0, or -1, logged. */
int cache_remove(const struct cache *cache, const struct checksum *sha256);

/* Whether an archive is kept when others leave, and saying so. 0 or -1, logged. */
bool cache_is_kept(const struct cache *cache, const struct checksum *sha256);
int cache_keep(const struct cache *cache, const struct checksum *sha256, bool keep);

/* An archive of the cache, as cache_walk sees it. */
struct cache_file {
    struct checksum sha256;
    int64_t bytes, used_ms;
    ino_t inode; /* what its other names share */
    bool kept;
};

/* Calls handler for each archive, in no order; a handler's 1 ends the walk. 0 or -1, logged. */
typedef int cache_handler(void *context, const struct cache_file *file);
int cache_walk(const struct cache *cache, cache_handler *handler, void *context);

/*
 * Lets archives leave, least recently used first and kept ones last, until the cache holds at most
 * target bytes, and forgets names whose archive has left. *left becomes what it holds then, and
 * *count how many archives. How many left, or -1, logged.
 */
int cache_evict(const struct cache *cache, int64_t target, int64_t *left, int64_t *count);

/* Whether the disk has room for more bytes, beyond what the box reserves. */
bool cache_has_room(const struct cache *cache, const struct config *config, int64_t bytes);
/* Makes it: where that is not there,
 * archives that nobody asked to keep leave, least recently used first, as many as it takes and only
 * if that is enough; none leaves because others filled the disk. How many left; -1 there is no
 * room: nothing left. */
int cache_make_room(const struct cache *cache, const struct config *config, int64_t bytes);
/* Whether that could be done; nothing leaves. */
bool cache_could_hold(const struct cache *cache, const struct config *config, int64_t bytes);

/* The most that the cache may hold: cache_size, or half the disk if that is less. */
int64_t cache_limit(const struct cache *cache, const struct config *config);

#endif
