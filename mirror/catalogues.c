/*
 * catalogues: one open file a repository, behind a lock.
 */
#include "mirror/catalogues.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shelf {
    char *path;
    struct catalogue *catalogue;
    struct stat seen;
};

struct catalogues {
    pthread_rwlock_t lock;
    pthread_mutex_t looking; /* one thread at a time opens anew */
    struct shelf shelf[CONFIG_MAX_MIRRORS];
    size_t count;
};

struct catalogues *catalogues_open(const struct cache *cache, const struct config *config)
{
    struct catalogues *catalogues = mem_alloc(sizeof *catalogues);

    pthread_rwlock_init(&catalogues->lock, NULL);
    pthread_mutex_init(&catalogues->looking, NULL);
    for (size_t i = 0; i < config->mirror_count; i++)
        catalogues->shelf[catalogues->count++].path =
            cache_index_path(cache, config->mirror[i].name, "catalogue");
    catalogues_look(catalogues);
    return catalogues;
}

void catalogues_close(struct catalogues *catalogues)
{
    if (!catalogues)
        return;
    for (size_t i = 0; i < catalogues->count; i++) {
        catalogue_close(catalogues->shelf[i].catalogue);
        free(catalogues->shelf[i].path);
    }
    pthread_mutex_destroy(&catalogues->looking);
    pthread_rwlock_destroy(&catalogues->lock);
    free(catalogues);
}

static bool is_same_file(const struct stat *one, const struct stat *other)
{
    return one->st_ino == other->st_ino && one->st_size == other->st_size &&
           one->st_mtim.tv_sec == other->st_mtim.tv_sec &&
           one->st_mtim.tv_nsec == other->st_mtim.tv_nsec;
}

void catalogues_look(struct catalogues *catalogues)
{
    pthread_mutex_lock(&catalogues->looking);
    for (size_t i = 0; i < catalogues->count; i++) {
        struct shelf *shelf = &catalogues->shelf[i];
        struct catalogue *fresh, *old;
        struct stat now;

        if (stat(shelf->path, &now) < 0 || is_same_file(&now, &shelf->seen))
            continue;
        if (!(fresh = catalogue_open(shelf->path)))
            continue;
        pthread_rwlock_wrlock(&catalogues->lock);
        old = shelf->catalogue;
        shelf->catalogue = fresh;
        shelf->seen = now;
        pthread_rwlock_unlock(&catalogues->lock);
        catalogue_close(old);
    }
    pthread_mutex_unlock(&catalogues->looking);
}

int64_t catalogues_size(struct catalogues *catalogues, size_t index)
{
    int64_t size = -1;

    pthread_rwlock_rdlock(&catalogues->lock);
    if (index < catalogues->count && catalogues->shelf[index].catalogue)
        size = (int64_t)catalogue_size(catalogues->shelf[index].catalogue);
    pthread_rwlock_unlock(&catalogues->lock);
    return size;
}

static bool has_kind(const struct archive_known *known, enum digest_kind kind)
{
    for (size_t i = 0; i < known->sum_count; i++)
        if (known->sums[i].kind == kind)
            return true;
    return false;
}

/* Adds what another catalogue says; digests of a kind that is known already are left out. */
static void merge(struct archive_known *known, const struct catalogue_entry *entry)
{
    if (!known->package) {
        known->package = mem_dup(entry->package);
        known->sum_count = 0;
    }
    for (size_t i = 0; i < entry->sum_count && known->sum_count < PACKAGE_MAX_CHECKSUMS; i++)
        if (!has_kind(known, entry->sums[i].kind))
            known->sums[known->sum_count++] = entry->sums[i];
    for (size_t i = 0; i < entry->url_count && known->url_count < CATALOGUE_MAX_URLS; i++)
        known->urls[known->url_count++] = mem_dup(entry->urls[i]);
}

bool catalogues_find(struct catalogues *catalogues, const struct checksum *sum,
                     struct archive_known *known)
{
    struct catalogue_entry entry;

    *known = (struct archive_known){.repository = -1, .sums = {*sum}, .sum_count = 1};
    pthread_rwlock_rdlock(&catalogues->lock);
    for (size_t i = 0; i < catalogues->count; i++)
        if (catalogue_find(catalogues->shelf[i].catalogue, sum, &entry)) {
            if (!known->package)
                known->repository = (int)i;
            merge(known, &entry);
            catalogue_entry_done(&entry);
        }
    pthread_rwlock_unlock(&catalogues->lock);
    return known->package != NULL;
}

void archive_known_done(struct archive_known *known)
{
    for (size_t i = 0; i < known->url_count; i++)
        free(known->urls[i]);
    free(known->package);
}

bool catalogues_name(struct catalogues *catalogues, const struct checksum *sum, char *name)
{
    struct catalogue_entry entry;
    bool listed = false;

    checksum_name(sum, name);
    pthread_rwlock_rdlock(&catalogues->lock);
    for (size_t i = 0; i < catalogues->count && !listed; i++)
        if (catalogue_find(catalogues->shelf[i].catalogue, sum, &entry)) {
            checksum_name(checksum_best(entry.sums, entry.sum_count), name);
            catalogue_entry_done(&entry);
            listed = true;
        }
    pthread_rwlock_unlock(&catalogues->lock);
    return listed;
}
