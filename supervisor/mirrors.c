#include "supervisor/mirrors.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/when.h"
#include "identity/event.h"
#include "supervisor/published.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int mirrors_open(struct mirrors *mirrors, const struct command_line *line)
{
    *mirrors = (struct mirrors){.config = &line->config};
    mirrors->store = command_open_store(&line->config);
    if (!mirrors->store || !(mirrors->cache = cache_open(&line->config)))
        return -1;
    mirrors->catalogues = catalogues_open(mirrors->cache, &line->config);
    return 0;
}

void mirrors_close(struct mirrors *mirrors)
{
    universe_free(mirrors->universe);
    catalogues_close(mirrors->catalogues);
    cache_close(mirrors->cache);
    store_close(mirrors->store);
}

bool mirrors_has_index(const struct mirrors *mirrors)
{
    bool has = false;

    for (size_t i = 0; i < mirrors->config->mirror_count && !has; i++) {
        char *path =
            cache_index_path(mirrors->cache, mirrors->config->mirror[i].name, "index.tar.gz");

        has = access(path, R_OK) == 0;
        free(path);
    }
    return has;
}

int mirrors_read(struct mirrors *mirrors)
{
    int read = 0, result = 0;

    mirrors->universe = universe_new();
    for (size_t i = 0; i < mirrors->config->mirror_count && result == 0; i++) {
        char *path =
            cache_index_path(mirrors->cache, mirrors->config->mirror[i].name, "index.tar.gz");

        if (access(path, R_OK) == 0) {
            result = universe_read(mirrors->universe, path);
            read++;
        }
        free(path);
    }
    if (read > 0)
        return result;
    fputs("riad: the mirror has no index yet: let the box run while the link is up, then try "
          "again\n",
          stderr);
    return -1;
}

/* ---- archives ---- */

static int by_name(const void *one, const void *other)
{
    const struct mirrors_archive *a = one, *b = other;

    return strcmp(a->name, b->name);
}

static int by_package(const void *one, const void *other)
{
    const struct mirrors_archive *a = one, *b = other;

    if (a->package != b->package)
        return a->package < b->package ? -1 : 1;
    return a->archive < b->archive ? -1 : a->archive > b->archive;
}

static size_t drop_doubles(struct mirrors_archive *archives, size_t count)
{
    size_t kept = 0;

    if (count == 0)
        return 0;
    qsort(archives, count, sizeof *archives, by_name);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(archives[kept - 1].name, archives[i].name) != 0)
            archives[kept++] = archives[i];
    qsort(archives, kept, sizeof *archives, by_package);
    return kept;
}

struct mirrors_archive *mirrors_chosen(struct mirrors *mirrors, size_t *count)
{
    size_t packages, room = 0;
    const struct universe_package *package = universe_packages(mirrors->universe, &packages);
    struct mirrors_archive *archives = NULL;

    *count = 0;
    for (const struct universe_package *end = package + packages; package < end; package++) {
        for (size_t i = 0; package->chosen && i < package->archive_count; i++) {
            struct mirrors_archive *archive;

            if (*count == room) {
                room = room ? 2 * room : 256;
                archives = mem_resize(archives, room, sizeof *archives);
            }
            archive = &archives[(*count)++];
            *archive = (struct mirrors_archive){
                .package = package, .archive = &package->archives[i], .length = -1};
            catalogues_name(mirrors->catalogues, &archive->archive->sums[0], archive->name);
            if (!cache_has(mirrors->cache, &archive->archive->sums[0], &archive->bytes))
                archive->bytes = -1;
        }
    }
    *count = drop_doubles(archives, *count);
    return archives;
}

static int by_pointed_name(const void *one, const void *other)
{
    struct mirrors_archive *const *a = one, *const *b = other;

    return strcmp((*a)->name, (*b)->name);
}

struct mirrors_archive **mirrors_by_name(struct mirrors_archive *archives, size_t count)
{
    struct mirrors_archive **named = mem_array(count, sizeof(struct mirrors_archive *));

    for (size_t i = 0; i < count; i++)
        named[i] = &archives[i];
    if (count > 0)
        qsort(named, count, sizeof *named, by_pointed_name);
    return named;
}

struct mirrors_archive *mirrors_named(struct mirrors_archive **named, size_t count,
                                      const char *name)
{
    for (size_t low = 0, high = count; low < high;) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, named[middle]->name);

        if (order == 0)
            return named[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

int mirrors_sha256(struct mirrors *mirrors, const struct universe_archive *archive,
                   struct checksum *sha256)
{
    struct digest *digest;
    uint8_t block[16384];
    ssize_t got;
    int fd;

    for (size_t i = 0; i < archive->sum_count; i++)
        if (archive->sums[i].kind == DIGEST_SHA256) {
            *sha256 = archive->sums[i];
            return 0;
        }
    if ((fd = cache_get(mirrors->cache, &archive->sums[0], NULL)) < 0)
        return -1;
    digest = digest_new(DIGEST_SHA256);
    while ((got = read(fd, block, sizeof block)) > 0)
        digest_put(digest, block, (size_t)got);
    *sha256 = (struct checksum){.kind = DIGEST_SHA256};
    digest_end(digest, sha256->bytes);
    digest_free(digest);
    fs_close(fd);
    return got < 0 ? -1 : 0;
}

/* ---- asking ---- */

static int ask_for(struct store *store, const struct mirrors_archive *archive)
{
    return store_run(store,
                     "INSERT INTO flight (name, state, priority, keep, wanted_at) "
                     "VALUES (?, 'wanted', 2, 1, ?) ON CONFLICT (name) DO UPDATE SET keep = 1, "
                     "priority = iif(state IN ('landed', 'failed'), 2, min(priority, 2)), "
                     "ended_at = NULL, error = '', "
                     "state = iif(state = 'flying', state, 'wanted')",
                     "si", archive->name, when_wall_ms());
}

static int keep(struct mirrors *mirrors, const struct mirrors_archive *archive)
{
    struct checksum sha256;

    if (mirrors_sha256(mirrors, archive->archive, &sha256) < 0)
        return -1;
    return cache_keep(mirrors->cache, &sha256, true);
}

int mirrors_ask(struct mirrors *mirrors, const struct mirrors_archive *archives, size_t count,
                size_t *asked)
{
    int result = 0;

    *asked = 0;
    for (size_t i = 0; i < count; i++)
        if (archives[i].bytes >= 0 && keep(mirrors, &archives[i]) < 0)
            return -1;
    if (store_begin(mirrors->store, STORE_SYNCED) < 0)
        return -1;
    for (size_t i = 0; i < count && result == 0; i++) {
        if (archives[i].bytes >= 0)
            continue;
        result = ask_for(mirrors->store, &archives[i]);
        *asked += 1;
    }
    if (result == 0)
        result = event_append(mirrors->store, EVENT_FLIGHT, 0);
    return store_end(mirrors->store, result);
}

bool mirrors_fetcher_runs(const struct mirrors *mirrors)
{
    struct published box;

    if (published_read(&box, mirrors->config) == 0 &&
        strcmp(box.services[SERVICE_MIRROR].state, "up") == 0)
        return true;
    fputs("riad: the box is not running, or its mirror is not: this happens when it does\n",
          stderr);
    return false;
}
