#include "drop/drop_private.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/when.h"
#include "identity/event.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDERS_MAX 20000 /* in the whole drop */

/*
 * What changes names does it on disk and in the index within one transaction: half of it is never
 * taken for something done by hand.
 */

/* The path of something that may be changed from outside. */
static enum drop_result check_writable(const char *asked, char *path)
{
    enum drop_result result = drop_check(asked, path);

    return !result && drop_path_like_shelf(path) ? DROP_NOT_ALLOWED : result;
}

/* A connection may have been open since before they were none any more. */
static bool is_host(const struct drop *drop, const struct drop_actor *actor)
{
    struct person person;

    if (!actor->host || actor->person_id == 0) /* the box itself */
        return actor->host;
    return person_by_id(drop->store, actor->person_id, &person) == 1 && person.role == ROLE_HOST;
}

static bool may(const struct drop *drop, const struct drop_actor *actor,
                const struct drop_file *file)
{
    return file->yours || is_host(drop, actor);
}

/* Ends the transaction by result; a commit that fails is DROP_FAILED. */
static enum drop_result end(struct drop *drop, enum drop_result result)
{
    int ended = store_end(drop->store, result ? -1 : 0);

    return !result && ended ? DROP_FAILED : result;
}

/* ---- removing ---- */

/* Within a transaction. */
static enum drop_result remove_file(struct drop *drop, const char *path,
                                    const struct drop_actor *actor)
{
    enum drop_result result = DROP_OK;
    struct drop_file file;
    const char *name;
    int folder, found = drop_index_get(drop, path, actor, &file);

    if (found != 1)
        return found < 0 ? DROP_FAILED : DROP_NOT_FOUND;
    if (!may(drop, actor, &file))
        return DROP_NOT_YOURS;
    folder = drop_open_parent(drop, path, &name);
    if (folder < 0 || (unlinkat(folder, name, 0) && errno != ENOENT) || fsync(folder))
        result = drop_failure("remove", path);
    drop_step("unlinked");
    if (!result && (store_run(drop->store, "DELETE FROM file WHERE id = ?", "i", file.id) ||
                    event_append(drop->store, EVENT_FILE, file.id)))
        result = DROP_FAILED;
    if (!result)
        drop_index_prune(drop, path);
    fs_close(folder);
    return result;
}

/* A part under that path that the actor does not want to go on with. */
static enum drop_result cancel(struct drop *drop, const char *path, const struct drop_actor *actor)
{
    struct drop_arrival *arrival;
    enum drop_result result = drop_resume_path(drop, path, actor, &arrival);

    if (!result)
        drop_abandon(arrival);
    return result;
}

enum drop_result drop_remove(struct drop *drop, const char *asked, const struct drop_actor *actor)
{
    char path[DROP_PATH_MAX];
    enum drop_result result = check_writable(asked, path);
    struct drop_file file = {0};

    if (result)
        return result;
    result = drop_look(drop, path, &file);
    if (result == DROP_NOT_FOUND)
        return cancel(drop, path, actor);
    if (result || file.folder)
        return result ? result : DROP_IS_FOLDER;
    if (store_begin(drop->store, STORE_SYNCED))
        return DROP_FAILED;
    return end(drop, remove_file(drop, path, actor));
}

/* ---- renaming ---- */

struct moving {
    const char *from, *to;
    const struct drop_actor *actor;
    bool replace;
    struct drop_file source, target;
    int64_t *ids; /* of the files in a folder */
    char **paths; /* and where they go */
    size_t count;
};

static void moving_done(struct moving *moving)
{
    for (size_t i = 0; i < moving->count; i++)
        free(moving->paths[i]);
    free(moving->paths);
    free(moving->ids);
}

/* The folder that something goes to must be there. */
static enum drop_result check_folder_of(struct drop *drop, const char *path)
{
    char folder[DROP_PATH_MAX];
    struct drop_file file;
    enum drop_result result;

    drop_path_folder(path, folder);
    result = drop_look(drop, folder, &file);
    return !result && !file.folder ? DROP_NOT_FOUND : result;
}

static enum drop_result check_target(struct drop *drop, struct moving *moving)
{
    enum drop_result result = check_folder_of(drop, moving->to);

    if (result)
        return result;
    result = drop_look_as(drop, moving->to, moving->actor, &moving->target);
    if (result == DROP_NOT_FOUND) {
        moving->target = (struct drop_file){.id = 0};
        return DROP_OK;
    }
    if (result)
        return result;
    if (moving->target.folder || moving->source.folder)
        return DROP_TAKEN;
    if (!moving->target.yours)
        return DROP_NOT_YOURS;
    return moving->replace ? DROP_OK : DROP_TAKEN;
}

/* What lies in the folder, all of it the actor's; within a transaction. */
static enum drop_result gather(struct drop *drop, struct moving *moving)
{
    struct rows rows;
    enum drop_result result = DROP_OK;
    size_t room = 0, skip = strlen(moving->from);
    bool host = is_host(drop, moving->actor);
    int found = 0;

    rows_open(&rows, drop->store,
              "SELECT id, path, person_id, guest FROM file WHERE path > ?1 || '/' AND path < ?1 "
              "|| '0'",
              "s", moving->from);
    while (!result && (found = rows_next(&rows)) == 1) {
        size_t length;
        const void *guest = rows_bytes(&rows, 3, &length);

        if (!host && !drop_owns(moving->actor, rows_int(&rows, 2), guest, length))
            result = DROP_NOT_YOURS;
        if (moving->count == room) {
            room = room ? 2 * room : 64;
            moving->ids = mem_resize(moving->ids, room, sizeof *moving->ids);
            moving->paths = mem_resize(moving->paths, room, sizeof *moving->paths);
        }
        moving->ids[moving->count] = rows_int(&rows, 0);
        moving->paths[moving->count] = mem_printf("%s%s", moving->to, rows_text(&rows, 1) + skip);
        if (strlen(moving->paths[moving->count++]) >= DROP_PATH_MAX)
            result = DROP_BAD_PATH;
    }
    rows_close(&rows);
    return found < 0 ? DROP_FAILED : result;
}

/* The rows of a folder and of what lies in it get their new paths. */
static int move_folder_rows(struct drop *drop, const struct moving *moving)
{
    static const char *const moves[] = {
        "UPDATE folder SET path = ?2 || substr(path, length(?1) + 1), parent = ?2 || "
        "substr(parent, length(?1) + 1) WHERE path > ?1 || '/' AND path < ?1 || '0'",
        "UPDATE arrival SET path = ?2 || substr(path, length(?1) + 1) "
        "WHERE path > ?1 || '/' AND path < ?1 || '0'",
    };
    char above[DROP_PATH_MAX];

    drop_path_folder(moving->to, above);
    for (size_t i = 0; i < moving->count; i++)
        if (drop_index_move(drop, moving->ids[i], moving->paths[i]))
            return -1;
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
        if (store_run(drop->store, moves[i], "ss", moving->from, moving->to))
            return -1;
    return store_run(drop->store, "UPDATE folder SET path = ?, parent = ? WHERE path = ?", "sss",
                     moving->to, above, moving->from);
}

static int move_rows(struct drop *drop, const struct moving *moving)
{
    struct store *store = drop->store;

    if (moving->target.id &&
        (store_run(store, "DELETE FROM file WHERE id = ?", "i", moving->target.id) ||
         event_append(store, EVENT_FILE, moving->target.id)))
        return -1;
    if (!moving->source.folder)
        return drop_index_move(drop, moving->source.id, moving->to);
    return move_folder_rows(drop, moving) || event_append(store, EVENT_FILE, 0);
}

/* On disk, and down to it. */
static enum drop_result move_names(struct drop *drop, const struct moving *moving)
{
    const char *from, *to;
    int source = drop_open_parent(drop, moving->from, &from);
    int target = drop_open_parent(drop, moving->to, &to);
    unsigned flags = moving->target.id ? 0 : RENAME_NOREPLACE;
    enum drop_result result = DROP_OK;

    if (source < 0 || target < 0 || renameat2(source, from, target, to, flags))
        result = errno == EEXIST   ? DROP_TAKEN
                 : errno == EINVAL ? DROP_BAD_PATH /* a folder into itself */
                                   : drop_failure("rename", moving->from);
    else if (fsync(target) || fsync(source))
        result = drop_failure("sync the folder of", moving->to);
    fs_close(source);
    fs_close(target);
    return result;
}

/* Within a transaction. */
static enum drop_result move(struct drop *drop, struct moving *moving)
{
    enum drop_result result = DROP_OK;
    int found;

    if (!moving->source.folder) {
        found = drop_index_get(drop, moving->from, moving->actor, &moving->source);
        if (found != 1)
            return found < 0 ? DROP_FAILED : DROP_NOT_FOUND;
        if (!may(drop, moving->actor, &moving->source))
            return DROP_NOT_YOURS;
    } else {
        result = gather(drop, moving);
    }
    if (!result && move_rows(drop, moving))
        result = DROP_FAILED;
    if (!result)
        result = move_names(drop, moving);
    drop_step("moved");
    if (!result)
        drop_index_prune(drop, moving->from);
    return result;
}

/* A part that its owner calls otherwise before they go on with it. */
static enum drop_result rename_part(struct drop *drop, const char *from, const char *to,
                                    const struct drop_actor *actor)
{
    struct drop_arrival *arrival;
    enum drop_result result = drop_resume_path(drop, from, actor, &arrival);

    if (result)
        return result;
    result = drop_arrival_rename(arrival, to);
    drop_pause(arrival);
    return result;
}

enum drop_result drop_rename(struct drop *drop, const char *asked_from, const char *asked_to,
                             const struct drop_actor *actor, bool replace)
{
    char from[DROP_PATH_MAX], to[DROP_PATH_MAX];
    struct moving moving = {.from = from, .to = to, .actor = actor, .replace = replace};
    enum drop_result result = check_writable(asked_from, from);

    if (!result)
        result = check_writable(asked_to, to);
    if (!result)
        result = drop_may_store(drop, actor);
    if (!result)
        result = drop_look_as(drop, from, actor, &moving.source);
    if (result == DROP_NOT_FOUND)
        return rename_part(drop, from, to, actor);
    if (!result && strcmp(from, to) == 0)
        return DROP_OK;
    if (!result)
        result = check_target(drop, &moving);
    if (result)
        return result;
    if (store_begin(drop->store, STORE_SYNCED))
        return DROP_FAILED;
    result = end(drop, move(drop, &moving));
    moving_done(&moving);
    return result;
}

/* ---- folders ---- */

typedef enum drop_result folder_step(struct drop *drop, const char *path,
                                     const struct drop_actor *actor);

/* Within a transaction. */
static enum drop_result make_folder(struct drop *drop, const char *path,
                                    const struct drop_actor *actor)
{
    char parent[DROP_PATH_MAX];
    const char *name;
    int folder = drop_open_parent(drop, path, &name);
    enum drop_result result = DROP_OK;
    int64_t count = 0;

    drop_path_folder(path, parent);
    /* Their own count twice: nobody makes more than are left to others. */
    if (store_int(drop->store, &count,
                  "SELECT count(*) + count(CASE WHEN person_id = ? THEN 1 END) FROM folder", "i",
                  actor->person_id) < 0)
        result = DROP_FAILED;
    else if (count >= FOLDERS_MAX)
        result = DROP_NO_SPACE;
    else if (folder < 0 || mkdirat(folder, name, DROP_FOLDER_MODE) || fsync(folder))
        result = errno == EEXIST   ? DROP_TAKEN
                 : errno == ENOENT ? DROP_NOT_FOUND
                                   : drop_failure("make the folder", path);
    else if (store_run(drop->store,
                       "INSERT INTO folder (path, parent, person_id, made, created_at) VALUES (?, "
                       "?, (SELECT id FROM person WHERE id = ?), 1, ?)",
                       "ssii", path, parent, actor->person_id, when_wall_ms()) ||
             event_append(drop->store, EVENT_FILE, 0))
        result = DROP_FAILED;
    fs_close(folder);
    return result;
}

static enum drop_result check_new_folder(struct drop *drop, const char *path,
                                         const struct drop_actor *actor)
{
    enum drop_result result = check_folder_of(drop, path);
    struct drop_file file;

    (void)actor;
    return !result && drop_look(drop, path, &file) != DROP_NOT_FOUND ? DROP_TAKEN : result;
}

/* Within a transaction. */
static enum drop_result remove_folder(struct drop *drop, const char *path,
                                      const struct drop_actor *actor)
{
    const char *name;
    int folder = drop_open_parent(drop, path, &name);
    enum drop_result result = DROP_OK;

    (void)actor;
    if (folder < 0 || unlinkat(folder, name, AT_REMOVEDIR) || fsync(folder))
        result = errno == ENOTEMPTY || errno == EEXIST ? DROP_NOT_EMPTY
                                                       : drop_failure("remove the folder", path);
    else if (store_run(drop->store, "DELETE FROM folder WHERE path = ?", "s", path) ||
             event_append(drop->store, EVENT_FILE, 0))
        result = DROP_FAILED;
    if (!result)
        drop_index_prune(drop, path);
    fs_close(folder);
    return result;
}

static enum drop_result check_old_folder(struct drop *drop, const char *path,
                                         const struct drop_actor *actor)
{
    struct drop_file file = {0};
    enum drop_result result = drop_look_as(drop, path, actor, &file);

    if (!result && !file.folder)
        return DROP_NOT_FOUND;
    return !result && file.person_id && !may(drop, actor, &file) ? DROP_NOT_YOURS : result;
}

/* Makes or removes one: checks what is there, then acts within a transaction. */
static enum drop_result change_folder(struct drop *drop, const char *asked,
                                      const struct drop_actor *actor, folder_step *check,
                                      folder_step *act)
{
    char path[DROP_PATH_MAX];
    enum drop_result result = check_writable(asked, path);

    if (!result)
        result = drop_may_store(drop, actor);
    if (!result)
        result = check(drop, path, actor);
    if (result)
        return result;
    if (store_begin(drop->store, STORE_SYNCED))
        return DROP_FAILED;
    return end(drop, act(drop, path, actor));
}

enum drop_result drop_make_folder(struct drop *drop, const char *path,
                                  const struct drop_actor *actor)
{
    return change_folder(drop, path, actor, check_new_folder, make_folder);
}

enum drop_result drop_remove_folder(struct drop *drop, const char *path,
                                    const struct drop_actor *actor)
{
    return change_folder(drop, path, actor, check_old_folder, remove_folder);
}

/* ---- times and owners ---- */

static enum drop_result set_modified(struct drop *drop, const char *path, int64_t modified_ms,
                                     const struct drop_actor *actor)
{
    struct timespec times[2] = {
        {.tv_nsec = UTIME_NOW                    },
        { .tv_sec = modified_ms / 1000, .tv_nsec = modified_ms % 1000 * 1000000}
    };
    enum drop_result result = DROP_OK;
    struct drop_file file;
    int fd, found = drop_index_get(drop, path, actor, &file);

    if (found != 1)
        return found < 0 ? DROP_FAILED : DROP_NOT_FOUND;
    if (!may(drop, actor, &file))
        return DROP_NOT_YOURS;
    fd = drop_open_at(drop, path, O_RDONLY, 0);
    if (fd < 0 || futimens(fd, times))
        result = drop_failure("set the time of", path);
    else if (store_run(drop->store, "UPDATE file SET modified_at = ? WHERE id = ?", "ii",
                       modified_ms, file.id) ||
             event_append(drop->store, EVENT_FILE, file.id))
        result = DROP_FAILED;
    fs_close(fd);
    return result;
}

enum drop_result drop_set_modified(struct drop *drop, const char *asked, int64_t modified_ms,
                                   const struct drop_actor *actor)
{
    char path[DROP_PATH_MAX];
    enum drop_result result = check_writable(asked, path);

    if (result)
        return result;
    if (modified_ms < 0 || store_begin(drop->store, STORE_SOON))
        return modified_ms < 0 ? DROP_NOT_ALLOWED : DROP_FAILED;
    return end(drop, set_modified(drop, path, modified_ms, actor));
}

int drop_adopt(struct drop *drop, const uint8_t *guest, int64_t person_id)
{
    static const char *const adoptions[] = {
        "UPDATE file SET person_id = ?, guest = NULL WHERE guest = ?",
        "UPDATE arrival SET person_id = ?, guest = NULL WHERE guest = ?",
    };
    int result = 0;

    if (store_begin(drop->store, STORE_SYNCED))
        return -1;
    for (size_t i = 0; !result && i < sizeof adoptions / sizeof *adoptions; i++)
        result = store_run(drop->store, adoptions[i], "ib", person_id, guest,
                           (size_t)DIGEST_SHA256_SIZE);
    return store_end(drop->store, result || event_append(drop->store, EVENT_FILE, 0) ? -1 : 0);
}
