#include "drop/drop_private.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "identity/event.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUMBERS_MAX 1000             /* of `slides (N).pdf` */
#define TRIES_MAX   4                /* when others do something at the same place meanwhile */
#define RETOLD_MS   (10 * 60 * 1000) /* a file saved again within is not announced again */

/* One publication: what is known once all bytes are there. */
struct landing {
    struct drop_arrival *arrival;
    uint8_t sha256[DIGEST_SHA256_SIZE];
    char path[DROP_PATH_MAX]; /* where it is tried now */
    struct drop_file there;   /* what is there already; id 0: nothing */
    int64_t modified_at;
    bool same, replaced;
};

/* ---- rows ---- */

/* All is here and it is about to get this name: who finds the part gone completes the rest, after a
 * power cut, too. So this is what waits for the disk, before the name does; the rows that follow
 * need not. */
static int write_intent(struct landing *landing)
{
    struct drop_arrival *arrival = landing->arrival;
    struct store *store = arrival->drop->store;
    int result;

    if (!arrival->id && drop_arrival_record(arrival))
        return -1;
    if (store_begin(store, STORE_SYNCED))
        return -1;
    result = store_run(store, "UPDATE arrival SET path = ?, sha256 = ?, received = ? WHERE id = ?",
                       "sbii", landing->path, landing->sha256, sizeof landing->sha256,
                       arrival->length, arrival->id);
    /* Nobody may take the new bytes for the old digest's. */
    if (result == 0 && landing->there.id)
        result =
            store_run(store, "UPDATE file SET sha256 = NULL WHERE id = ?", "i", landing->there.id);
    return store_end(store, result);
}

/* Within a transaction. */
static int write_rows(struct drop *drop, const struct drop_landing *landing)
{
    char folder[DROP_PATH_MAX], *folded = drop_path_fold(landing->path);
    int64_t now = when_wall_ms(), id;
    int result;

    drop_path_folder(landing->path, folder);
    result = drop_index_parents(drop, landing->path, now) ||
             store_run(drop->store,
                       "INSERT INTO file (path, folder, folded, person_id, guest, size, sha256, "
                       "created_at, modified_at, announced) "
                       "VALUES (?, ?, ?, (SELECT id FROM person WHERE id = ?), ?, ?, ?, ?, ?, 0) "
                       "ON CONFLICT (path) DO UPDATE SET person_id = excluded.person_id, "
                       "guest = excluded.guest, size = excluded.size, sha256 = excluded.sha256, "
                       "announced = announced AND created_at > excluded.created_at - ?, "
                       "created_at = excluded.created_at, modified_at = excluded.modified_at",
                       "sssibibiii", landing->path, folder, folded, landing->person_id,
                       landing->guest, (size_t)DIGEST_SHA256_SIZE, landing->size, landing->sha256,
                       (size_t)DIGEST_SHA256_SIZE, now, landing->modified_at, (int64_t)RETOLD_MS) ||
             store_run(drop->store, "DELETE FROM arrival WHERE id = ?", "i", landing->arrival_id) ||
             store_int(drop->store, &id, "SELECT id FROM file WHERE path = ?", "s",
                       landing->path) != 1 ||
             event_append(drop->store, EVENT_FILE, id) ||
             event_append(drop->store, EVENT_ARRIVAL, landing->arrival_id);
    free(folded);
    return result ? -1 : 0;
}

int drop_landed(struct drop *drop, const struct drop_landing *landing)
{
    if (store_begin(drop->store, STORE_SOON))
        return -1;
    return store_end(drop->store, write_rows(drop, landing));
}

static struct drop_landing rows_of(const struct landing *landing)
{
    const struct drop_arrival *arrival = landing->arrival;

    return (struct drop_landing){
        .arrival_id = arrival->id,
        .path = landing->path,
        .person_id = arrival->actor.person_id,
        .guest = drop_guest_blob(&arrival->actor),
        .size = arrival->length,
        .modified_at = landing->modified_at,
        .sha256 = landing->sha256,
    };
}

/* ---- names ---- */

/* renameat2(2), or two steps where the file system knows only link(2). 0, or -1 with errno. */
static int rename_part(const struct drop *drop, const char *key, int folder, const char *name,
                       bool replace)
{
    if (replace)
        return renameat(drop->arriving_fd, key, folder, name);
    if (renameat2(drop->arriving_fd, key, folder, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL)
        return -1;
    if (linkat(drop->arriving_fd, key, folder, name, 0))
        return -1;
    return unlinkat(drop->arriving_fd, key, 0);
}

/* Gives the part a free name. DROP_TAKEN: something is there meanwhile. */
static enum drop_result land_new(struct landing *landing)
{
    struct drop_arrival *arrival = landing->arrival;
    struct drop *drop = arrival->drop;
    struct drop_landing rows;
    enum drop_result result = DROP_OK;
    const char *name;
    int folder;

    if (write_intent(landing))
        return DROP_FAILED;
    drop_step("intent");
    folder = drop_open_parent(drop, landing->path, &name);
    if (folder < 0 || rename_part(drop, arrival->key, folder, name, false)) {
        bool taken = errno == EEXIST || errno == ENOENT; /* ENOENT: the folder has gone */
        fs_close(folder);
        return taken ? DROP_TAKEN : drop_failure("publish", landing->path);
    }
    drop_step("renamed");
    rows = rows_of(landing);
    if (fsync(folder))
        result = drop_failure("sync the folder of", landing->path);
    drop_step("synced");
    if (!result && drop_landed(drop, &rows))
        result = DROP_FAILED;
    drop_step("landed");
    /* What could not be written down has not been published. */
    if (result && renameat2(folder, name, drop->arriving_fd, arrival->key, RENAME_NOREPLACE))
        log_errno("cannot take %s back", landing->path);
    fs_close(folder);
    return result;
}

/* Within a transaction: the file there is still the actor's, and becomes this one. */
static enum drop_result replace_there(struct landing *landing, const struct drop_landing *rows)
{
    struct drop_arrival *arrival = landing->arrival;
    struct drop *drop = arrival->drop;
    enum drop_result result = DROP_OK;
    struct drop_file now;
    const char *name;
    int folder;

    if (drop_index_get(drop, landing->path, &arrival->actor, &now) != 1 || !now.yours ||
        now.id != landing->there.id)
        return DROP_TAKEN;
    folder = drop_open_parent(drop, landing->path, &name);
    if (folder < 0 || rename_part(drop, arrival->key, folder, name, true) || fsync(folder))
        result = drop_failure("replace", landing->path);
    else if (write_rows(drop, rows))
        result = DROP_FAILED;
    fs_close(folder);
    return result;
}

static enum drop_result land_over(struct landing *landing)
{
    struct drop_landing rows;
    enum drop_result result;

    if (write_intent(landing))
        return DROP_FAILED;
    drop_step("intent");
    rows = rows_of(landing);
    if (store_begin(landing->arrival->drop->store, STORE_SOON))
        return DROP_FAILED;
    result = replace_there(landing, &rows);
    drop_step("replaced");
    if (store_end(landing->arrival->drop->store, result ? -1 : 0) && !result)
        result = DROP_FAILED;
    drop_step("landed");
    landing->replaced = result == DROP_OK;
    return result;
}

/* Whether what is there has these bytes; a digest that is missing is read. It may be there since a
 * moment only, by somebody who died before it was on disk for sure: whoever is told that it is
 * there is told so of what is synced. */
static enum drop_result look_for_same(struct landing *landing)
{
    struct drop *drop = landing->arrival->drop;
    struct drop_file there;
    enum drop_result result;
    int fd;

    if (landing->there.size != landing->arrival->length)
        return DROP_OK;
    result = drop_read(drop, landing->path, &there, &fd);
    if (!result && !there.has_sha256)
        there.has_sha256 = drop_digest_fd(fd, -1, there.sha256) == 0;
    landing->same = !result && there.has_sha256 &&
                    digest_equal(there.sha256, landing->sha256, sizeof landing->sha256);
    result = DROP_OK;
    if (landing->same &&
        (fsync(fd) || drop_sync_parent(drop, landing->path) || store_sync(drop->store)))
        result = drop_failure("sync", landing->path);
    fs_close(fd);
    return result;
}

/* Tries the name in landing->path. DROP_TAKEN: it is somebody's, or was taken meanwhile. */
static enum drop_result land_at(struct landing *landing)
{
    struct drop_arrival *arrival = landing->arrival;
    enum drop_result result =
        drop_look_as(arrival->drop, landing->path, &arrival->actor, &landing->there);

    if (result == DROP_NOT_FOUND) {
        landing->there = (struct drop_file){.id = 0};
        if (arrival->has_match)
            return DROP_CHANGED;
        result = drop_make_parents(arrival->drop, landing->path);
        return result ? result : land_new(landing);
    }
    if (result)
        return result;
    if (landing->there.folder)
        return arrival->exact ? DROP_IS_FOLDER : DROP_TAKEN;
    result = look_for_same(landing);
    if (result || landing->same)
        return result;
    if (!arrival->replace || !landing->there.yours)
        return DROP_TAKEN;
    if (arrival->has_match &&
        !(landing->there.has_sha256 &&
          digest_equal(landing->there.sha256, arrival->match, DIGEST_SHA256_SIZE)))
        return DROP_CHANGED;
    return land_over(landing);
}

/* Tries the name again while others disturb, then the next number if that is allowed. */
static enum drop_result land(struct landing *landing)
{
    struct drop_arrival *arrival = landing->arrival;
    enum drop_result result = DROP_TAKEN;

    strcpy(landing->path, arrival->path);
    for (unsigned number = 2, tries = 0; number <= NUMBERS_MAX;) {
        result = land_at(landing);
        if (result != DROP_TAKEN)
            break;
        if (landing->there.id == 0 && !landing->there.folder && ++tries < TRIES_MAX)
            continue;
        if (arrival->exact)
            break;
        drop_path_numbered(arrival->path, number++, landing->path);
    }
    return result;
}

/* ---- publishing ---- */

/* All bytes on disk and digested; the two go on beside each other. */
static enum drop_result settle(struct landing *landing)
{
    struct drop_arrival *arrival = landing->arrival;
    int64_t at = arrival->modified_ms;
    struct timespec times[2] = {
        {.tv_nsec = UTIME_NOW           },
        { .tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000}
    };
    struct stat part;

    if (at >= 0 && futimens(arrival->fd, times))
        return drop_failure("set the time of", arrival->path);
    if ((at >= 0 ? fsync(arrival->fd) : fdatasync(arrival->fd)) || fstat(arrival->fd, &part))
        return drop_failure("sync the part of", arrival->path);
    drop_step("digest");
    landing->modified_at = drop_ms(part.st_mtim);
    return digester_end(&arrival->digester, arrival->length, landing->sha256) ? DROP_FAILED
                                                                              : DROP_OK;
}

/* The end of an arrival that has, or has not, become a file. */
static enum drop_result finish(struct landing *landing, enum drop_result result,
                               struct drop_file *file)
{
    struct drop_arrival *arrival = landing->arrival;

    if (landing->same || (result && result != DROP_NO_SPACE))
        drop_arrival_erase(arrival);
    if (result == DROP_NO_SPACE) {
        drop_pause(arrival);
        return result;
    }
    if (!result && landing->same && arrival->modified_ms >= 0 && landing->there.yours)
        drop_set_modified(arrival->drop, landing->path, arrival->modified_ms, &arrival->actor);
    if (!result && drop_index_get(arrival->drop, landing->path, &arrival->actor, file) != 1)
        result = DROP_FAILED;
    if (!result)
        drop_keeper_nudge();
    drop_arrival_free(arrival, false);
    return result;
}

enum drop_result drop_publish(struct drop_arrival *arrival, struct drop_file *file, bool *same,
                              bool *replaced)
{
    struct landing landing = {.arrival = arrival};
    enum drop_result result;

    if (!drop_arrival_close(arrival)) {
        drop_arrival_free(arrival, false);
        return DROP_BUSY;
    }
    if (arrival->size >= 0 && arrival->length != arrival->size) {
        drop_pause(arrival);
        return DROP_WRONG_OFFSET;
    }
    result = settle(&landing);
    if (!result)
        result = land(&landing);
    if (same)
        *same = landing.same;
    if (replaced)
        *replaced = landing.replaced;
    return finish(&landing, result, file);
}
