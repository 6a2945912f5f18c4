#include "drop/drop_private.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    int status;
    const char *text;
} results[DROP_RESULTS] = {
    [DROP_OK] = {200, "Done."                                                         },
    [DROP_NOT_FOUND] = {404, "There is no such file."                                        },
    [DROP_BAD_PATH] = {400, "That name will not do."                                        },
    [DROP_NOT_YOURS] = {403, "That belongs to somebody else."                                },
    [DROP_TAKEN] = {409, "There is a file of that name, and it stays: take another name."},
    [DROP_CHANGED] = {412, "That file has changed since you looked at it."                 },
    [DROP_NOT_ALLOWED] = {403, "Nothing can be stored or changed there."                       },
    [DROP_SIGN_IN] = {401, "Only people who have signed in may do that."                   },
    [DROP_TOO_LARGE] = {413, "That is larger than a file may be here."                       },
    [DROP_NO_SPACE] = {507, "The disk is full: there is no space for that."                 },
    [DROP_WRONG_OFFSET] = {409, "That does not go on where the upload broke off."               },
    [DROP_WRONG_DIGEST] = {400, "What arrived is not what was sent: the checksum differs."      },
    [DROP_IS_FOLDER] = {409, "That is a folder."                                             },
    [DROP_NOT_EMPTY] = {409, "The folder is not empty."                                      },
    [DROP_BUSY] = {423, "Another connection is still writing that."                     },
};

const char *drop_result_text(enum drop_result result)
{
    return result < 0 ? "That failed; the box's log says why." : results[result].text;
}

const char *drop_refusal_text(enum drop_result result, const char *path)
{
    char checked[DROP_PATH_MAX];
    enum drop_path_verdict verdict;

    if (result != DROP_BAD_PATH)
        return drop_result_text(result);
    verdict = drop_path_check(path, strlen(path), checked);
    return verdict == DROP_PATH_GOOD ? drop_result_text(result) : drop_path_rule(verdict);
}

int drop_result_status(enum drop_result result)
{
    return result < 0 ? 500 : results[result].status;
}

static void no_step(const char *name)
{
    (void)name;
}

void (*drop_step)(const char *name) = no_step;

void drop_steps_to(void (*step)(const char *name))
{
    drop_step = step ? step : no_step;
}

/* ---- opening ---- */

struct drop *drop_open(const struct config *config, struct store *store)
{
    struct drop *drop = mem_alloc(sizeof *drop);
    char *path = config_path(config, "drop/" DROP_ARRIVING);

    *drop = (struct drop){.config = config, .store = store, .root_fd = -1, .arriving_fd = -1};
    if (fs_make_folders(path, DROP_FOLDER_MODE)) {
        log_errno("cannot make %s", path);
        goto out;
    }
    drop->arriving_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    path[strlen(path) - strlen("/" DROP_ARRIVING)] = '\0';
    drop->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (drop->root_fd < 0 || drop->arriving_fd < 0) {
        log_errno("cannot open %s", path);
        goto out;
    }
    free(path);
    return drop;

out:
    free(path);
    drop_close(drop);
    return NULL;
}

void drop_close(struct drop *drop)
{
    if (!drop)
        return;
    if (drop->root_fd >= 0)
        drop_downloads_write(drop);
    fs_close(drop->root_fd);
    fs_close(drop->arriving_fd);
    free(drop);
}

/* ---- paths on disk ---- */

enum drop_result drop_check(const char *asked, char *path)
{
    return drop_path_check(asked, strlen(asked), path) == DROP_PATH_GOOD ? DROP_OK : DROP_BAD_PATH;
}

int drop_open_at(const struct drop *drop, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY),
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };

    if (flags & O_PATH)
        how.flags &= ~(uint64_t)(O_NONBLOCK | O_NOCTTY);
    return (int)syscall(SYS_openat2, drop->root_fd, *path ? path : ".", &how, sizeof how);
}

int drop_open_parent(const struct drop *drop, const char *path, const char **name)
{
    char folder[DROP_PATH_MAX];

    drop_path_folder(path, folder);
    if (name)
        *name = drop_path_name(path);
    return drop_open_at(drop, folder, O_RDONLY | O_DIRECTORY, 0);
}

int drop_stat(const struct drop *drop, const char *path, struct stat *out)
{
    const char *name;
    int parent = drop_open_parent(drop, path, &name);
    int result;

    if (parent < 0)
        return -1;
    result = fstatat(parent, *name ? name : ".", out, AT_SYMLINK_NOFOLLOW);
    fs_close(parent);
    return result;
}

/* Makes one folder and syncs the one above it. 0, or -1 with errno. */
static int make_folder(const struct drop *drop, const char *path)
{
    const char *name;
    int parent = drop_open_parent(drop, path, &name);
    int result = -1;

    if (parent < 0)
        return -1;
    if (mkdirat(parent, name, DROP_FOLDER_MODE) == 0)
        result = fsync(parent);
    else if (errno == EEXIST)
        result = 0;
    fs_close(parent);
    return result;
}

static int make_folders(const struct drop *drop, char *folder)
{
    for (char *slash = folder; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        if (make_folder(drop, folder))
            return -1;
    }
    return make_folder(drop, folder);
}

enum drop_result drop_make_parents(struct drop *drop, const char *path)
{
    char folder[DROP_PATH_MAX];
    struct stat there;
    enum drop_result result = DROP_OK;

    drop_path_folder(path, folder);
    if (!*folder || (drop_stat(drop, folder, &there) == 0 && S_ISDIR(there.st_mode)))
        return DROP_OK;
    if (store_begin(drop->store, STORE_SOON))
        return DROP_FAILED;
    if (drop_index_parents(drop, path, when_wall_ms()))
        result = DROP_FAILED;
    else if (make_folders(drop, folder))
        result = drop_failure("make the folders of", path);
    return store_end(drop->store, result ? -1 : 0) && !result ? DROP_FAILED : result;
}

int drop_sync_parent(const struct drop *drop, const char *path)
{
    int parent = drop_open_parent(drop, path, NULL);
    int result = parent < 0 ? -1 : fsync(parent);

    if (result)
        log_errno("cannot sync the folder of %s", path);
    fs_close(parent);
    return result;
}

enum drop_result drop_failure(const char *what, const char *path)
{
    bool full = errno == ENOSPC || errno == EDQUOT;

    if (errno == EFBIG)
        return DROP_TOO_LARGE;
    if (errno == ENOTDIR || errno == EISDIR || errno == ELOOP)
        return DROP_TAKEN;
    log_errno("cannot %s %s", what, path);
    return full ? DROP_NO_SPACE : DROP_FAILED;
}

/* ---- owners, times, space ---- */

bool drop_owns(const struct drop_actor *actor, int64_t person_id, const void *guest, size_t length)
{
    if (person_id != 0 && person_id == actor->person_id)
        return true;
    return actor->has_guest && guest && length == DIGEST_SHA256_SIZE &&
           digest_equal(guest, actor->guest, DIGEST_SHA256_SIZE);
}

const void *drop_guest_blob(const struct drop_actor *actor)
{
    return actor->has_guest && actor->person_id == 0 ? actor->guest : NULL;
}

int64_t drop_ms(struct timespec at)
{
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

int drop_statvfs(struct drop *drop, struct statvfs *out)
{
    int64_t block, reserve;

    if (fstatvfs(drop->root_fd, out)) {
        log_errno("cannot look at the space of the drop");
        return -1;
    }
    block = (int64_t)(out->f_frsize ? out->f_frsize : 1);
    reserve = config_reserve(drop->config, (int64_t)out->f_blocks * block) / block;
    out->f_bavail -= (int64_t)out->f_bavail > reserve ? (fsblkcnt_t)reserve : out->f_bavail;
    out->f_bfree = out->f_bavail;
    return 0;
}

/* What arrivals in progress were promised and have not written yet. */
static int promised(struct drop *drop, int64_t *bytes)
{
    *bytes = 0;
    return store_int(drop->store, bytes,
                     "SELECT sum(max(size - received, 0)) FROM arrival WHERE touched_at > ?", "i",
                     when_wall_ms() - 12 * DROP_ACTIVE_MS);
}

int64_t drop_space(struct drop *drop)
{
    struct statvfs disk;
    int64_t owed, space;

    if (drop_statvfs(drop, &disk) || promised(drop, &owed) < 0)
        return -1;
    space = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    return space - (owed < space / 2 ? owed : space / 2);
}
