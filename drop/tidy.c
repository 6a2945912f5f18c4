#include "drop/drop_private.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "identity/event.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define BATCH     256 /* rows looked at between two statements */
#define THINNED   64  /* arrivals that give way at a time */
#define BOOT_FACT "drop boot"

/* ---- a power cut ---- */

/* Which start of the machine this is; "" if nobody can say. */
static void boot_id(char *out, size_t size)
{
    struct buf text;

    buf_init(&text, size);
    *out = '\0';
    if (fs_read_file("/proc/sys/kernel/random/boot_id", &text) == 0)
        snprintf(out, size, "%.36s", buf_text(&text));
    buf_done(&text);
}

/* Whether the machine has been started anew since the last time: then only what was synced counts.
 */
static bool machine_restarted(struct drop *drop)
{
    char now[64];
    char *before = store_fact(drop->store, BOOT_FACT, NULL);
    bool restarted;

    boot_id(now, sizeof now);
    restarted = *now && (!before || strcmp(before, now) != 0);
    if (restarted)
        store_set_fact(drop->store, BOOT_FACT, now);
    free(before);
    return restarted;
}

/* ---- parts ---- */

/* Removes a part that no row and no writer knows; whether it did. */
static bool remove_orphan(struct drop *drop, const char *name)
{
    struct drop_row row;
    bool removed;
    int fd;

    if (drop_row_get(drop, name, NULL, NULL, &row) != 0)
        return false;
    fd = openat(drop->arriving_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    removed = fd >= 0 && drop_part_lock(fd) == 1 &&
              drop_row_get(drop, name, NULL, NULL, &row) == 0 &&
              unlinkat(drop->arriving_fd, name, 0) == 0;
    fs_close(fd);
    return removed;
}

static int remove_orphans(struct drop *drop)
{
    int fd = openat(drop->root_fd, DROP_ARRIVING, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int removed = 0;

    if (!folder) {
        log_errno("cannot read the parts");
        fs_close(fd);
        return -1;
    }
    /* Whoever makes a part holds this lock until it holds the part's own. */
    flock(fd, LOCK_EX);
    while ((entry = readdir(folder)))
        if (*entry->d_name != '.')
            removed += remove_orphan(drop, entry->d_name);
    closedir(folder);
    if (removed > 0)
        log_info("removed %d parts that nobody was sending any more", removed);
    return 0;
}

static int forget_arrival(struct drop *drop, int64_t id)
{
    int result;

    if (store_begin(drop->store, STORE_SOON))
        return -1;
    result = store_run(drop->store, "DELETE FROM arrival WHERE id = ?", "i", id);
    if (result == 0)
        result = event_append(drop->store, EVENT_ARRIVAL, id);
    return store_end(drop->store, result);
}

/* Whether somebody else's publication is there, row and all, with the same bytes perhaps. */
static bool is_anothers(struct drop *drop, const struct drop_row *row)
{
    struct drop_file file;

    return drop_index_get(drop, row->path, &row->owner, &file) == 1 && file.has_sha256 &&
           !file.by_hand && !file.yours;
}

/* The part has got its name, and its writer died before the rest: finish it. Otherwise the row
 * goes, unless there is a part to go on with. */
static int complete(struct drop *drop, const struct drop_row *row, bool has_part)
{
    struct drop_landing landing = {
        .arrival_id = row->id,
        .path = row->path,
        .person_id = row->owner.person_id,
        .guest = drop_guest_blob(&row->owner),
        .sha256 = row->sha256,
    };
    uint8_t sha256[DIGEST_SHA256_SIZE];
    int fd = drop_open_at(drop, row->path, O_RDONLY, 0), result = 0;
    struct stat there;
    bool ours;

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) { /* its writer is at it */
        fs_close(fd);
        return 0;
    }
    ours = fd >= 0 && fstat(fd, &there) == 0 && S_ISREG(there.st_mode) &&
           there.st_size == row->received && drop_digest_fd(fd, -1, sha256) == 0 &&
           digest_equal(sha256, row->sha256, sizeof sha256) && !is_anothers(drop, row);
    if (ours) {
        landing.size = there.st_size;
        landing.modified_at = drop_ms(there.st_mtim);
        drop_sync_parent(drop, row->path);
        result = drop_landed(drop, &landing);
        if (has_part && result == 0)
            unlinkat(drop->arriving_fd, row->key, 0);
        log_info("published what was almost published: %s", row->path);
    } else if (!has_part) {
        result = forget_arrival(drop, row->id);
    }
    fs_close(fd);
    return result;
}

/* Cuts a part to what was on disk for sure. */
static void cut_part(struct drop *drop, const struct drop_row *row)
{
    int fd = openat(drop->arriving_fd, row->key, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    struct stat part;

    if (fd >= 0 && drop_part_lock(fd) == 1 && fstat(fd, &part) == 0 && part.st_size > row->synced &&
        ftruncate(fd, row->synced))
        log_errno("cannot cut the part of %s", row->path);
    fs_close(fd);
}

/* The keys of the next arrivals after id; how many. */
static size_t next_arrivals(struct drop *drop, int64_t after, int64_t *ids,
                            char (*keys)[SECRET_TEXT])
{
    struct rows rows;
    size_t count = 0;

    rows_open(&rows, drop->store, "SELECT id, key FROM arrival WHERE id > ? ORDER BY id LIMIT ?",
              "ii", after, (int64_t)BATCH);
    for (; count < BATCH && rows_next(&rows) == 1; count++) {
        ids[count] = rows_int(&rows, 0);
        snprintf(keys[count], sizeof keys[count], "%s", rows_text(&rows, 1));
    }
    rows_close(&rows);
    return count;
}

static int tidy_arrival(struct drop *drop, const char *key, bool restarted)
{
    struct drop_row row;
    struct stat part;
    int found = drop_row_get(drop, key, NULL, NULL, &row);

    if (found != 1)
        return found;
    if (fstatat(drop->arriving_fd, key, &part, AT_SYMLINK_NOFOLLOW) == 0) {
        int result = 0;

        /* The folder with the name may be synced, and that with the part not. */
        if (restarted && row.has_sha256)
            result = complete(drop, &row, true);
        if (restarted)
            cut_part(drop, &row);
        return result;
    }
    if (errno != ENOENT)
        return 0;
    return row.has_sha256 ? complete(drop, &row, false) : forget_arrival(drop, row.id);
}

static int tidy_arrivals(struct drop *drop)
{
    bool restarted = machine_restarted(drop);
    char keys[BATCH][SECRET_TEXT];
    int64_t ids[BATCH], last = 0;
    size_t count;

    while ((count = next_arrivals(drop, last, ids, keys)) > 0) {
        for (size_t i = 0; i < count; i++)
            if (tidy_arrival(drop, keys[i], restarted))
                return -1;
        last = ids[count - 1];
    }
    return 0;
}

/* ---- expiry ---- */

static int expire_arrivals(struct drop *drop)
{
    struct drop_arrival *arrival;
    char *key;
    int found;

    while ((found = store_text(drop->store, &key,
                               "SELECT key FROM arrival WHERE expires_at < ? LIMIT 1", "i",
                               when_wall_ms())) == 1) {
        enum drop_result result = drop_resume(drop, key, NULL, &arrival);

        free(key);
        if (result) /* its row and its part differ: tidying ends that, or it is written just now */
            return 0;
        log_debug("a part expired: %s", drop_arrival_path(arrival));
        drop_abandon(arrival);
    }
    return found;
}

bool drop_arrivals_thin(struct drop *drop)
{
    char keys[THINNED][SECRET_TEXT];
    struct drop_arrival *arrival;
    struct rows rows;
    size_t count = 0, gone = 0;

    rows_open(&rows, drop->store,
              "SELECT key FROM arrival WHERE touched_at <= ? AND sha256 IS NULL "
              "ORDER BY received, touched_at LIMIT ?",
              "ii", when_wall_ms() - DROP_ACTIVE_MS, (int64_t)THINNED);
    while (count < THINNED && rows_next(&rows) == 1)
        snprintf(keys[count++], SECRET_TEXT, "%s", rows_text(&rows, 0));
    rows_close(&rows);
    for (size_t i = 0; i < count; i++)
        if (drop_resume(drop, keys[i], NULL, &arrival) == DROP_OK) {
            drop_abandon(arrival);
            gone++;
        }
    return gone > 0;
}

/* The next one after id *after that is due: 1, 0, -1. */
static int next_due(struct drop *drop, int64_t *after, char **path)
{
    int found = store_int(drop->store, after,
                          "SELECT id FROM file WHERE created_at < ? AND id > ? AND "
                          "path NOT GLOB 'shelf/*' ORDER BY id LIMIT 1",
                          "ii", when_wall_ms() - 1000 * drop->config->web.expire, *after);

    return found == 1
               ? store_text(drop->store, path, "SELECT path FROM file WHERE id = ?", "i", *after)
               : found;
}

static int expire_files(struct drop *drop)
{
    static const struct drop_actor box = {.host = true};
    int64_t after = 0;
    char *path;
    int found = 0;

    while (drop->config->web.expire > 0 && (found = next_due(drop, &after, &path)) == 1) {
        /* One that cannot go holds up nobody: drop_remove has said why, or it is in a folder that
         * is called like the shelf. */
        if (drop_remove(drop, path, &box) == DROP_OK)
            log_info("%s has expired", path);
        free(path);
    }
    return found;
}

int drop_expire(struct drop *drop)
{
    return expire_arrivals(drop) || expire_files(drop) ? -1 : 0;
}

/* ---- the index and the disk ---- */

/* Whether row and file agree already, so that nothing needs to be learned. */
static bool is_known(struct drop *drop, const char *path, const struct stat *there)
{
    struct drop_file file;
    int64_t one;

    if (S_ISDIR(there->st_mode))
        return store_int(drop->store, &one, "SELECT 1 FROM folder WHERE path = ?", "s", path) == 1;
    return S_ISREG(there->st_mode) && drop_index_get(drop, path, NULL, &file) == 1 &&
           file.size == there->st_size && file.modified_at == drop_ms(there->st_mtim);
}

/* A name as a Mac or a hand wrote it becomes the one that people can ask for. */
static void rename_to_nfc(int folder, const char *name, const char *wanted)
{
    if (strcmp(name, wanted) != 0 && renameat2(folder, name, folder, wanted, RENAME_NOREPLACE) == 0)
        log_info("renamed a file in the drop to %s, its composed form", wanted);
}

static void walk(struct drop *drop, const char *path, int depth);

static void visit(struct drop *drop, int folder, const char *path, const char *name, int depth)
{
    char asked[DROP_PATH_MAX + 256], clean[DROP_PATH_MAX];
    struct stat there;

    snprintf(asked, sizeof asked, "%s/%s", path, name);
    if (drop_check(asked, clean)) {
        log_debug("left alone in the drop: %s", asked);
        return;
    }
    rename_to_nfc(folder, name, drop_path_name(clean));
    if (fstatat(folder, drop_path_name(clean), &there, AT_SYMLINK_NOFOLLOW))
        return;
    if (!is_known(drop, clean, &there))
        drop_index_learn(drop, clean);
    if (S_ISDIR(there.st_mode))
        walk(drop, clean, depth + 1);
}

/* What lies on disk and not in the index. */
static void walk(struct drop *drop, const char *path, int depth)
{
    int fd = depth > DROP_DEPTH_MAX ? -1 : drop_open_at(drop, path, O_RDONLY | O_DIRECTORY, 0);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!folder) {
        fs_close(fd);
        return;
    }
    while ((entry = readdir(folder)))
        if (*entry->d_name != '.')
            visit(drop, fd, path, entry->d_name, depth);
    closedir(folder);
}

/* What is in the index and not on disk; sql gives the next paths after one. */
static void drop_missing(struct drop *drop, const char *sql)
{
    char *paths[BATCH], *last = mem_dup("");
    struct stat there;
    struct rows rows;
    size_t count;

    do {
        rows_open(&rows, drop->store, sql, "si", last, (int64_t)BATCH);
        for (count = 0; count < BATCH && rows_next(&rows) == 1; count++)
            paths[count] = mem_dup(rows_text(&rows, 0));
        rows_close(&rows);
        for (size_t i = 0; i < count; i++) {
            if (drop_stat(drop, paths[i], &there) && errno == ENOENT)
                drop_index_learn(drop, paths[i]);
            free(last);
            last = paths[i];
        }
    } while (count == BATCH);
    free(last);
}

void drop_look_again(struct drop *drop, const char *folder, const char *name)
{
    char path[DROP_PATH_MAX + 256], clean[DROP_PATH_MAX];
    struct stat there;
    int fd = drop_open_at(drop, folder, O_RDONLY | O_DIRECTORY, 0);

    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (fd >= 0)
        visit(drop, fd, folder, name, 0);
    fs_close(fd);
    if (!drop_check(path, clean) && drop_stat(drop, clean, &there))
        drop_index_learn(drop, clean);
}

int drop_tidy_parts(struct drop *drop)
{
    return remove_orphans(drop) || tidy_arrivals(drop) ? -1 : 0;
}

int drop_tidy(struct drop *drop)
{
    if (drop_tidy_parts(drop) || drop_expire(drop))
        return -1;
    walk(drop, "", 0);
    drop_missing(drop, "SELECT path FROM file WHERE path > ? ORDER BY path LIMIT ?");
    drop_missing(drop, "SELECT path FROM folder WHERE path > ? ORDER BY path LIMIT ?");
    return 0;
}

/* ---- digests that are missing ---- */

int drop_read_missing(struct drop *drop, int stop_fd, int64_t *after)
{
    char *path = NULL;
    uint8_t sha256[DIGEST_SHA256_SIZE];
    struct stat before, behind;
    int fd, found, result = 0;

    found = store_int(drop->store, after,
                      "SELECT min(id) FROM file WHERE sha256 IS NULL AND id > ?", "i", *after);
    if (found != 1)
        return found;
    if (store_text(drop->store, &path, "SELECT path FROM file WHERE id = ?", "i", *after) != 1)
        return 1;
    fd = drop_open_at(drop, path, O_RDONLY, 0);
    if (fd >= 0 && fstat(fd, &before) == 0 && flock(fd, LOCK_SH | LOCK_NB) == 0 &&
        drop_digest_fd(fd, stop_fd, sha256) == 0 && fstat(fd, &behind) == 0 &&
        before.st_size == behind.st_size && drop_ms(before.st_mtim) == drop_ms(behind.st_mtim) &&
        store_begin(drop->store, STORE_SOON) == 0) {
        result = store_run(drop->store,
                           "UPDATE file SET sha256 = ? WHERE id = ? AND size = ? AND modified_at = "
                           "? AND sha256 IS NULL",
                           "biii", sha256, sizeof sha256, *after, (int64_t)behind.st_size,
                           drop_ms(behind.st_mtim));
        if (result == 0)
            result = event_append(drop->store, EVENT_FILE, *after);
        result = store_end(drop->store, result);
    }
    fs_close(fd);
    free(path);
    return result ? -1 : 1;
}
