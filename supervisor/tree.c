#include "supervisor/tree.h"

#include "base/fs.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE     (1 << 20)
#define DEPTH_MAX 32 /* twice what the drop allows */

int tree_folder(int at, const char *name, bool make)
{
    if (make && mkdirat(at, name, 0700) && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int tree_open(const char *path, int *folder)
{
    *folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*folder >= 0)
        return 1;
    if (errno == ENOENT)
        return 0;
    log_errno("cannot open the folder %s", path);
    return -1;
}

/* Whether somebody who holds signals back (carry.c) is told to end. */
static bool is_interrupted(void)
{
    sigset_t waiting;
    if (sigpending(&waiting) || (!sigismember(&waiting, SIGINT) &&
                                 !sigismember(&waiting, SIGTERM) && !sigismember(&waiting, SIGHUP)))
        return false;
    errno = EINTR;
    return true;
}

/* ---- one file ---- */

/* All bytes of one descriptor to another, within the kernel. 0, or -1 with errno. */
static int copy_bytes(int from, int to)
{
    uint8_t buffer[16384];
    ssize_t count = copy_file_range(from, NULL, to, NULL, PIECE, 0);
    while (count > 0)
        count = is_interrupted() ? -1 : copy_file_range(from, NULL, to, NULL, PIECE, 0);
    if (count == 0 || (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP))
        return (int)count;
    while ((count = read(from, buffer, sizeof buffer)) > 0) {
        if (is_interrupted() || fs_write_all(to, buffer, (size_t)count))
            return -1;
    }
    return (int)count;
}

/* A folder of our own takes every name; where it does not, the file system is the reason. */
static void log_copy(const char *name, bool taken)
{
    if (!taken && (errno == EEXIST || errno == ENOENT || errno == EINVAL || errno == EILSEQ))
        log_error(
            "cannot copy %s: the file system takes no such name, or one that differs in case "
            "is there (a FAT or exFAT stick?); copy to a disk, and from there to the stick as "
            "one file, with tar",
            name);
    else
        log_errno("cannot copy %s", name);
}

int tree_copy_file(int from, const char *name, int to, const char *as)
{
    struct stat about;
    int out = -1, result = -1;
    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (in < 0 && (errno == ENOENT || errno == ELOOP))
        return 1;
    if (in >= 0 && fstat(in, &about) == 0) {
        if (!S_ISREG(about.st_mode)) {
            fs_close(in);
            return 1;
        }
        const struct timespec times[] = {about.st_atim, about.st_mtim};
        out = openat(to, as, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (out >= 0 && copy_bytes(in, out) == 0 && futimens(out, times) == 0)
            result = 0;
    }
    if (result)
        log_copy(name, in < 0 || out >= 0);
    fs_close(in);
    fs_close(out);
    return result;
}

static int copy_others_file(int from, const char *name, int to, const char *as)
{
    struct stat about;
    if (fstatat(from, name, &about, AT_SYMLINK_NOFOLLOW) || about.st_uid == geteuid())
        return 1;
    return tree_copy_file(from, name, to, as);
}

static int link_file(int from, const char *name, int to, const char *as)
{
    if (linkat(from, name, to, as, 0) == 0 || errno == EEXIST)
        return 0;
    if (errno == ENOENT)
        return 1;
    return tree_copy_file(from, name, to, as);
}

/* ---- a whole tree ---- */

/* What becomes of each file; and whether all folders are new: one that is there is another one
 * then, of a name that differs in case. */
struct way {
    int (*each)(int from, const char *name, int to, const char *as);
    bool all_new;
};

static int walk(int from, int to, const struct way *way, int depth);

static int enter(int from, const char *name, int to, const struct way *way, int depth)
{
    int inner = tree_folder(from, name, false), outer = -1;
    int result = inner < 0 && errno == ENOENT ? 0 : -1;
    bool made = inner < 0 || !way->all_new || mkdirat(to, name, 0700) == 0;
    if (inner >= 0 && made)
        outer = tree_folder(to, name, true);
    if (outer >= 0 && depth < DEPTH_MAX)
        result = walk(inner, outer, way, depth + 1);
    else if (result)
        log_copy(name, made);
    fs_close(inner);
    fs_close(outer);
    return result;
}

static bool is_self(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* A stream of a folder's entries on a descriptor of its own; NULL, logged. */
static DIR *entries(int folder)
{
    int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = own < 0 ? NULL : fdopendir(own);
    if (!stream) {
        log_errno("cannot read a folder");
        fs_close(own);
    }
    return stream;
}

static int walk(int from, int to, const struct way *way, int depth)
{
    struct dirent *entry;
    struct stat about;
    int result = 0;
    DIR *stream = entries(from);
    if (!stream)
        return -1;
    while (result == 0 && (entry = readdir(stream))) {
        const char *name = entry->d_name;
        if (is_interrupted()) {
            log_errno("cannot go on");
            result = -1;
        }
        if (result || is_self(name) || (depth == 0 && name[0] == '.') ||
            fstatat(from, name, &about, AT_SYMLINK_NOFOLLOW))
            continue;
        if (S_ISDIR(about.st_mode))
            result = enter(from, name, to, way, depth);
        else if (S_ISREG(about.st_mode))
            result = way->each(from, name, to, name) < 0 ? -1 : 0;
    }
    closedir(stream);
    return result;
}

int tree_copy_others(int from, int to)
{
    return walk(from, to, &(struct way){copy_others_file, false}, 0);
}

int tree_link(int from, int to)
{
    return walk(from, to, &(struct way){link_file, false}, 0);
}

int tree_copy(int from, int to)
{
    return walk(from, to, &(struct way){tree_copy_file, true}, 0);
}

/* ---- removing ---- */

static int remove_entry(int folder, const char *name)
{
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM) {
        log_errno("cannot remove %s", name);
        return -1;
    }
    return tree_remove(folder, name);
}

static bool is_kept(const char *name, const char *const *keep)
{
    for (; keep && *keep; keep++) {
        if (strcmp(*keep, name) == 0)
            return true;
    }
    return false;
}

int tree_empty(int folder, const char *const *keep)
{
    struct dirent *entry;
    int result = 0;
    DIR *stream = entries(folder);
    if (!stream)
        return -1;
    while (result == 0 && (entry = readdir(stream))) {
        if (!is_self(entry->d_name) && !is_kept(entry->d_name, keep))
            result = remove_entry(folder, entry->d_name);
    }
    closedir(stream);
    return result;
}

int tree_remove(int at, const char *name)
{
    int folder = tree_folder(at, name, false);
    if (folder < 0 && errno == ENOENT)
        return 0;
    int result = folder < 0 ? -1 : tree_empty(folder, NULL);
    fs_close(folder);
    if (result == 0 && unlinkat(at, name, AT_REMOVEDIR) && errno != ENOENT)
        result = -1;
    if (result)
        log_errno("cannot remove the folder %s", name);
    return result;
}
