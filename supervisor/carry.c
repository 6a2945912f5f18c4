#include "supervisor/carry.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "supervisor/command.h"
#include "supervisor/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORK   "store/" CARRY_WORK
#define SUFFIX ".incomplete"

/* ---- one at a time ---- */

int carry_turn(const struct config *config, int *turn)
{
    char *store = config_path(config, "store");
    int result = tree_open(store, turn);
    if (result == 0) {
        log_error("%s: no box has run with this configuration yet", store);
        result = -1;
    }
    if (result == 1 && flock(*turn, LOCK_EX | LOCK_NB)) {
        fs_close(*turn);
        *turn = -1;
        result = 0;
    }
    free(store);
    return result;
}

void carry_tidy(const struct config *config)
{
    char *work = config_path(config, WORK);
    int turn = -1;
    if (access(work, F_OK) == 0 && carry_turn(config, &turn) == 1 &&
        tree_remove(AT_FDCWD, work) == 0)
        log_info("removed what a `riad backup` or `riad export` that was killed had left");
    fs_close(turn);
    free(work);
}

/* ---- gathering, as the account of the box ---- */

int carry_snapshot(struct carry *carry, const char *drop)
{
    char *path = config_path(carry->config, "store/riad.db");
    char *copy = mem_printf("%s/store/riad.db", carry->path);
    char *files = config_path(carry->config, "drop");
    struct store *writer = store_open(path), *reader = store_open(path);
    int from = -1, to = tree_folder(carry->folder, drop, true), result = -1;
    if (mkdirat(carry->folder, "store", 0700) || !writer || !reader || to < 0 ||
        tree_open(files, &from) < 0)
        goto out;
    /* What organisers have put there themselves may be large, and nobody publishes it. */
    if (from >= 0 && tree_copy_others(from, to))
        goto out;
    /* Whoever publishes a file waits for this transaction: links cost little, so nobody waits
     * long, and the copy of the store reads the moment before it. */
    if (store_begin(writer, STORE_SOON))
        goto out;
    result = from < 0 ? 0 : tree_link(from, to);
    if (result == 0)
        result = store_copy(reader, copy);
    store_rollback(writer);
out:
    store_close(writer);
    store_close(reader);
    fs_close(from);
    fs_close(to);
    free(files);
    free(copy);
    free(path);
    return result;
}

/* Takes over the work folder: makes it, empties it. -1, logged. */
static int take_work(const char *path)
{
    if (mkdir(path, 0700) && errno != EEXIST) {
        log_errno("cannot make %s", path);
        return -1;
    }
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        log_errno("cannot open %s", path);
    if (folder >= 0 && tree_empty(folder, NULL)) {
        fs_close(folder);
        folder = -1;
    }
    return folder;
}

static int gather_here(struct carry *carry, carry_step *gather, const char *path)
{
    char *store = config_path(carry->config, "store/riad.db");
    int result = -1;
    if (command_no_store(store))
        goto out;
    carry->path = path;
    carry->folder = take_work(path);
    if (carry->folder < 0)
        goto out;
    result = gather(carry);
    if (result) {
        tree_empty(carry->folder, NULL);
        rmdir(path);
    }
    fs_close(carry->folder);
out:
    free(store);
    return result;
}

/* Runs gather in a child that becomes the account. 0 or -1. */
static int gather_in_child(struct carry *carry, carry_step *gather, const char *path)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        log_errno("cannot start a process");
        return -1;
    }
    if (pid == 0) {
        umask(0077);
        int result = command_become_user(carry->config);
        if (result == 0)
            result = gather_here(carry, gather, path);
        _exit(result == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS ? 0 : -1;
}

/* ---- handing over, as the caller ---- */

/* Services see what lies there: people would be given the store and the host key as files. */
static bool is_within_state(const struct config *config, const char *directory)
{
    char *parent = fs_folder_of(directory);
    char *there = realpath(parent, NULL), *state = realpath(config->box.state, NULL);
    size_t length = state ? strlen(state) : 0;
    bool within = there && state && strncmp(there, state, length) == 0 &&
                  (there[length] == '/' || there[length] == '\0');
    free(state);
    free(there);
    free(parent);
    return within;
}

/* Whether directory may become the result: not there, or empty. 0, or -1, told. */
static int check_target(const struct config *config, const char *directory)
{
    if (is_within_state(config, directory)) {
        log_error("%s is within the box's own state folder: name one outside of it", directory);
        return -1;
    }
    if (rmdir(directory) == 0 || (errno == ENOENT && *directory))
        return 0;
    if (errno == ENOTEMPTY || errno == EEXIST || errno == EBUSY || errno == ENOTDIR ||
        errno == EINVAL)
        log_error("%s is there already: name a folder that does not exist yet, e.g. %s/riad",
                  directory, directory);
    else
        log_errno("`%s`", directory);
    return -1;
}

/* Copies the work into the incomplete folder and lets finish add to it. 0 or -1. */
static int fill(struct carry *carry, const char *work, const char *incomplete, carry_step *finish)
{
    int from = open(work, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), result = -1;
    if (from < 0 || mkdir(incomplete, 0700)) {
        log_errno("cannot make %s", incomplete);
        fs_close(from);
        return -1;
    }
    carry->folder = open(incomplete, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (carry->folder >= 0)
        result = tree_copy(from, carry->folder);
    if (result == 0 && finish)
        result = finish(carry);
    if (result == 0 && syncfs(carry->folder)) {
        log_errno("cannot sync %s", incomplete);
        result = -1;
    }
    fs_close(carry->folder);
    fs_close(from);
    return result;
}

static int appear(const char *incomplete, const char *directory)
{
    char *parent = fs_folder_of(directory);
    int result = rename(incomplete, directory);
    if (result == 0)
        result = fs_sync_folder(parent);
    if (result)
        log_errno("cannot finish %s", directory);
    free(parent);
    return result;
}

static int carry_in_turn(const struct config *config, const char *config_file,
                         const char *directory, carry_step *gather, carry_step *finish)
{
    struct carry carry = {.config = config, .config_file = config_file, .folder = -1};
    char *target = mem_dup(directory);
    for (size_t length = strlen(target); length > 1 && target[length - 1] == '/'; length--)
        target[length - 1] = '\0';
    char *incomplete = mem_printf("%s" SUFFIX, target), *work = config_path(config, WORK);
    bool gathered = false;
    int result = check_target(config, target);
    if (result == 0)
        result = tree_remove(AT_FDCWD, incomplete); /* of one that was killed */
    if (result == 0) {
        result = gather_in_child(&carry, gather, work);
        gathered = result == 0;
    }
    if (result == 0)
        result = fill(&carry, work, incomplete, finish);
    if (result == 0)
        result = appear(incomplete, target);
    if (result)
        tree_remove(AT_FDCWD, incomplete);
    if (gathered)
        tree_remove(AT_FDCWD, work);
    free(work);
    free(incomplete);
    free(target);
    return result;
}

/* Those that are not ignored, as nohup(1) does it. */
static void hold_signals(sigset_t *before)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction now;
    sigset_t held;
    sigemptyset(&held);
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        if (sigaction(ending[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(&held, ending[i]);
    sigprocmask(SIG_BLOCK, &held, before);
}

int carry_out(const struct config *config, const char *config_file, const char *directory,
              carry_step *gather, carry_step *finish)
{
    sigset_t before;
    int turn, result = carry_turn(config, &turn);
    if (result == 0)
        log_error(CARRY_BUSY);
    /* Whoever is told to end leaves nothing behind, and ends then. */
    hold_signals(&before);
    /* The child has the turn, too: it is given back when both have ended. */
    result = result == 1 ? carry_in_turn(config, config_file, directory, gather, finish) : -1;
    fs_close(turn);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return result;
}
