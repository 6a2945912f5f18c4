#include "drop/drop_private.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/when.h"
#include "identity/event.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* ---- folders ---- */

int drop_index_parents(struct drop *drop, const char *path, int64_t now)
{
    char folder[DROP_PATH_MAX], parent[DROP_PATH_MAX];
    int64_t known;
    int found;

    drop_path_folder(path, folder);
    while (*folder) {
        found = store_int(drop->store, &known, "SELECT 1 FROM folder WHERE path = ?", "s", folder);
        if (found)
            return found < 0 ? -1 : 0;
        drop_path_folder(folder, parent);
        if (store_run(drop->store, "INSERT INTO folder (path, parent, created_at) VALUES (?, ?, ?)",
                      "ssi", folder, parent, now))
            return -1;
        strcpy(folder, parent);
    }
    return 0;
}

/* Removes one folder that nobody made by itself, if it is empty: 1 it is gone, 0, -1. */
static int prune_one(struct drop *drop, const char *folder)
{
    const char *name;
    int parent, result = 0;
    int64_t made = 1;

    if (store_int(drop->store, &made, "SELECT made FROM folder WHERE path = ?", "s", folder) != 1 ||
        made)
        return 0;
    parent = drop_open_parent(drop, folder, &name);
    if (parent < 0)
        return 0;
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0)
        result = store_run(drop->store, "DELETE FROM folder WHERE path = ?", "s", folder) ? -1 : 1;
    fs_close(parent);
    return result;
}

void drop_index_prune(struct drop *drop, const char *path)
{
    char folder[DROP_PATH_MAX], above[DROP_PATH_MAX];

    drop_path_folder(path, folder);
    while (*folder && prune_one(drop, folder) == 1) {
        drop_path_folder(folder, above);
        strcpy(folder, above);
    }
}

/* ---- files put there, changed, moved or removed by hand ---- */

/* What was below path, or path itself, is not there any more. */
static int forget(struct drop *drop, const char *path)
{
    struct store *store = drop->store;
    int64_t changed = 0;

    /* '0' follows '/': the range is all that lies below path. */
    if (store_run(store,
                  "DELETE FROM file WHERE path = ?1 OR (path > ?1 || '/' AND path < ?1 || '0')",
                  "s", path))
        return -1;
    changed += store_changes(store);
    if (store_run(store,
                  "DELETE FROM folder WHERE path = ?1 OR (path > ?1 || '/' AND path < ?1 || '0')",
                  "s", path))
        return -1;
    changed += store_changes(store);
    return changed > 0 ? event_append(store, EVENT_FILE, 0) : 0;
}

/* A row of the same size and time whose own path is gone: the file was moved by hand. */
static int find_moved(struct drop *drop, const struct stat *there, int64_t *id)
{
    struct stat other;
    struct rows rows;
    int found;

    rows_open(&rows, drop->store,
              "SELECT id, path FROM file WHERE modified_at = ? AND size = ? LIMIT 16", "ii",
              drop_ms(there->st_mtim), (int64_t)there->st_size);
    while ((found = rows_next(&rows)) == 1) {
        *id = rows_int(&rows, 0);
        if (drop_stat(drop, rows_text(&rows, 1), &other) && errno == ENOENT)
            break;
    }
    rows_close(&rows);
    return found;
}

int drop_index_move(struct drop *drop, int64_t id, const char *path)
{
    char folder[DROP_PATH_MAX];
    char *folded = drop_path_fold(path);
    int result;

    drop_path_folder(path, folder);
    result = store_run(drop->store, "UPDATE file SET path = ?, folder = ?, folded = ? WHERE id = ?",
                       "sssi", path, folder, folded, id);
    free(folded);
    return result || event_append(drop->store, EVENT_FILE, id) ? -1 : 0;
}

static int add_row(struct drop *drop, const char *path, const struct stat *there)
{
    char folder[DROP_PATH_MAX];
    char *folded = drop_path_fold(path);
    int result;

    drop_path_folder(path, folder);
    result = store_run(drop->store,
                       "INSERT INTO file (path, folder, folded, size, created_at, modified_at) "
                       "VALUES (?, ?, ?, ?, ?, ?)",
                       "sssiii", path, folder, folded, (int64_t)there->st_size, when_wall_ms(),
                       drop_ms(there->st_mtim));
    free(folded);
    return result || event_append(drop->store, EVENT_FILE, store_last_id(drop->store)) ? -1 : 0;
}

/* A regular file is there: its row is added, corrected or left. */
static int learn_file(struct drop *drop, const char *path, const struct stat *there)
{
    struct drop_file file;
    int64_t moved = 0;
    int found = drop_index_get(drop, path, NULL, &file);

    if (found < 0 || drop_index_parents(drop, path, when_wall_ms()))
        return -1;
    if (found == 1 && file.size == there->st_size && file.modified_at == drop_ms(there->st_mtim))
        return 0;
    if (found == 1)
        return store_run(drop->store,
                         "UPDATE file SET size = ?, modified_at = ?, sha256 = NULL WHERE id = ?",
                         "iii", (int64_t)there->st_size, drop_ms(there->st_mtim), file.id) ||
                       event_append(drop->store, EVENT_FILE, file.id)
                   ? -1
                   : 0;
    found = find_moved(drop, there, &moved);
    if (found)
        return found < 0 ? -1 : drop_index_move(drop, moved, path);
    return add_row(drop, path, there);
}

static int learn_folder(struct drop *drop, const char *path)
{
    char inside[DROP_PATH_MAX + 2];
    int64_t known;
    int found = store_int(drop->store, &known, "SELECT 1 FROM folder WHERE path = ?", "s", path);

    if (found)
        return found < 0 ? -1 : 0;
    snprintf(inside, sizeof inside, "%s/-", path);
    if (drop_index_parents(drop, inside, when_wall_ms()))
        return -1;
    /* Who makes a folder by hand wants it, empty or not. */
    if (store_run(drop->store, "UPDATE folder SET made = 1 WHERE path = ?", "s", path))
        return -1;
    return event_append(drop->store, EVENT_FILE, 0);
}

/* Within a transaction: what is at path now decides. 1 something, 0 nothing, -1 failed. */
static int learn(struct drop *drop, const char *path)
{
    struct stat there;
    int fd = drop_open_at(drop, path, O_RDONLY, 0), result = -1;

    if (fd < 0 && (errno == EACCES || errno == EMFILE || errno == ENFILE || errno == EIO)) {
        log_errno("cannot read %s in the drop", path);
        return 0;
    }
    if (fd < 0)
        return forget(drop, path);
    if (fstat(fd, &there))
        log_errno("cannot look at %s", path);
    else if (S_ISDIR(there.st_mode))
        result = learn_folder(drop, path) ? -1 : 1;
    else if (!S_ISREG(there.st_mode))
        result = forget(drop, path);
    else if (flock(fd, LOCK_SH | LOCK_NB))
        result = 1; /* being published: its row is about to come */
    else
        result = learn_file(drop, path, &there) ? -1 : 1;
    fs_close(fd);
    return result;
}

/*
 * The disk is looked at within the transaction: whoever renames or removes a file does both in one
 * as well, so that half of that is never taken for a hand's work.
 */
int drop_index_learn(struct drop *drop, const char *path)
{
    int result;

    if (store_begin(drop->store, STORE_SOON))
        return -1;
    result = learn(drop, path);
    return store_end(drop->store, result < 0 ? -1 : 0) ? -1 : result;
}
