#include "supervisor/anew.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "identity/salvage.h"
#include "identity/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Up to here a store is looked through at every start; that takes a few dozen milliseconds. */
#define STORE_QUICK_MAX (64 * 1024 * 1024)

static const char *const parts[] = {"", "-wal", "-shm"};

/* Gives the parts of a store that are there other names. 0 or -1, logged. */
static int move_store(const char *from, const char *to)
{
    int result = 0;

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *old = mem_printf("%s%s", from, parts[i]), *now = mem_printf("%s%s", to, parts[i]);
        if (rename(old, now) < 0 && errno != ENOENT) {
            log_errno("cannot set %s aside", old);
            result = -1;
        }
        free(now);
        free(old);
    }
    return result;
}

static void remove_store(const char *path)
{
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *part = mem_printf("%s%s", path, parts[i]);
        if (unlink(part) < 0 && errno != ENOENT)
            log_errno("cannot remove %s", part);
        free(part);
    }
}

/* Sets the damaged store aside and the saved one in its place. 0 or -1, logged. */
static int change_places(const char *path, const char *saved)
{
    time_t now = (time_t)(when_wall_ms() / 1000);
    struct tm local;
    char mark[32], *aside, *folder = fs_folder_of(path);
    int result = -1;

    strftime(mark, sizeof mark, "%Y%m%d-%H%M%S", localtime_r(&now, &local));
    aside = mem_printf("%s.damaged-%s", path, mark);
    if (move_store(path, aside) == 0) {
        result = rename(saved, path) < 0 ? -1 : fs_sync_folder(folder);
        if (result < 0)
            log_errno("cannot put a new store at %s", path);
        else
            log_error("the damaged store is set aside as %s", aside);
    }
    free(folder);
    free(aside);
    return result;
}

/* A store with what can still be read of the damaged one, as saved, in one piece. 0 or -1, logged.
 */
static int save(const char *path, const char *anew, const char *saved)
{
    struct salvage rows;
    char *log = mem_printf("%s-wal", anew);
    int result = store_migrate(anew);

    if (result == 0 && store_salvage(path, anew, &rows) == 0)
        log_warn("a new store begins with %lld people and %lld messages saved from the damaged "
                 "one%s; the files are still there. A backup put back in its place brings all back",
                 (long long)rows.people, (long long)rows.messages,
                 rows.gaps ? "; some of it could not be read" : "");
    else if (result == 0)
        log_warn("a new store begins: names are claimed again; the files are still there. A backup "
                 "put back in its place brings all back");
    if (result == 0 && (access(log, F_OK) == 0 || rename(anew, saved) < 0)) {
        log_error("the new store cannot be finished: is the disk full?");
        result = -1;
    }
    free(log);
    return result;
}

static bool is_damaged(const char *path, bool say)
{
    char *finding = NULL;
    bool damaged = access(path, F_OK) == 0 && store_check(path, &finding) == 0;

    if (damaged && say)
        log_error("the store was damaged (%s)", finding ? finding : "unreadable");
    free(finding);
    return damaged;
}

/* One at a time: who waited finds that it has been done. 1 done, 0 had been, -1 failed. */
static int begin_anew(const char *path)
{
    char *anew = mem_printf("%s.anew", path), *saved = mem_printf("%s.saved", path);
    char *folder = fs_folder_of(path);
    int turn = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = -1;

    if (turn < 0 || flock(turn, LOCK_EX) < 0) {
        log_errno("cannot lock %s", folder);
        goto out;
    }
    bool whole = access(saved, F_OK) == 0, damaged = whole || is_damaged(path, true);
    remove_store(anew);
    if (!damaged || ((whole || save(path, anew, saved) == 0) && change_places(path, saved) == 0))
        result = damaged ? 1 : 0;
    if (result >= 0 && store_migrate(path) < 0)
        result = -1;
out:
    fs_close(turn);
    free(folder);
    free(saved);
    free(anew);
    return result;
}

int anew_prepare(const char *path, bool thorough)
{
    struct stat st;
    char *saved = mem_printf("%s.saved", path);
    bool look = stat(path, &st) == 0 && (thorough || st.st_size <= STORE_QUICK_MAX);
    bool damaged = access(saved, F_OK) == 0 || (look && is_damaged(path, false));
    int result = 0;

    if (!damaged && store_migrate(path) < 0) {
        result = -1;
        /* Too large to be looked through unasked, but now there is a reason. */
        damaged = !look && is_damaged(path, false);
    }
    free(saved);
    return damaged ? begin_anew(path) : result;
}
