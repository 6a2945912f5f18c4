#include "supervisor/state.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "identity/clock.h"
#include "identity/store.h"
#include "supervisor/anew.h"
#include "supervisor/carry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum owner { KEEPER, BOX, DHCP };

static const struct {
    const char *name;
    mode_t mode;
    enum owner owner;
} folders[] = {
    {"run",      0755,  KEEPER},
    {"keys",     0700,  KEEPER},
    {"store",    02770, BOX   },
    {"drop",     02750, BOX   },
    {"mirror",   02750, BOX   },
    {"run/dhcp", 02750, DHCP  },
};

/* ---- folders ---- */

static int explain(const char *path)
{
    log_errno("the state folder cannot be used: %s (as user %d); give it to this user or choose "
              "another with [box] state",
              path, (int)geteuid());
    return -1;
}

/* Whether others than the keeper could write in this folder of its own, or are given it by their
 * being its owner (`chown -R`). */
static bool is_open_to_others(const struct stat *st, mode_t mode)
{
    return st->st_mode & (0777 & ~mode) || (geteuid() == 0 && st->st_uid != 0);
}

/* What is the keeper's own becomes that again. 0, or -1 with errno. */
static int take_back(int fd, mode_t mode)
{
    return fchown(fd, geteuid(), (gid_t)-1) < 0 ? -1 : fchmod(fd, mode);
}

/* A folder with that mode and owner. One that exists is left as it is, unless it is the keeper's
 * own and others could write there. */
static int make_folder(const char *path, mode_t mode, const struct account *owner)
{
    struct stat st;
    int fd;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return explain(path);
    bool made = errno != EEXIST;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        fs_close(fd);
        return explain(path);
    }
    int result = 0;
    if (!owner && is_open_to_others(&st, mode))
        result = take_back(fd, mode);
    else if (made && owner && owner->change && fchown(fd, owner->uid, owner->gid) < 0)
        result = -1;
    else if (made)
        result = fchmod(fd, mode);
    fs_close(fd);
    return result < 0 ? explain(path) : 0;
}

/* The host key may have been put back from a stick, which keeps no modes, or given away by `chown
 * -R`. If it cannot be opened, whoever reads it next says why. */
static void guard_key(const struct config *config)
{
    char *path = config_path(config, "keys/host_ed25519");
    const mode_t mode = 0600;
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && is_open_to_others(&st, mode)) {
        if (take_back(fd, mode) < 0)
            log_errno("others can read the host key %s, and it cannot be taken back", path);
        else
            log_info("took back the host key %s, which others could read", path);
    }
    fs_close(fd);
    free(path);
}

int state_make(const struct config *config, const struct account *box, const struct account *dhcp)
{
    const struct account *const owners[] = {[KEEPER] = NULL, [BOX] = box, [DHCP] = dhcp};
    int result = 0;

    if (fs_make_folders(config->box.state, 0755) < 0)
        return explain(config->box.state);
    for (size_t i = 0; i < sizeof folders / sizeof *folders && result == 0; i++) {
        char *path = config_path(config, folders[i].name);
        if (folders[i].owner != DHCP || dhcp) {
            errno = 0;
            result = make_folder(path, folders[i].mode, owners[folders[i].owner]);
        }
        free(path);
    }
    if (result == 0)
        guard_key(config);
    return result;
}

/* ---- the lock ---- */

static pid_t read_pid(int fd)
{
    char text[32];
    ssize_t length = pread(fd, text, sizeof text - 1, 0);

    if (length <= 0)
        return 0;
    text[length] = '\0';
    return (pid_t)strtol(text, NULL, 10);
}

int state_lock(const struct config *config, bool *unclean)
{
    char *path = config_path(config, "run/lock"), *text = NULL;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    int result = -1;

    if (fd < 0) {
        explain(path);
        goto out;
    }
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        log_error("another box (pid %d) runs on %s already; end it, or give this one another "
                  "[box] state",
                  (int)read_pid(fd), config->box.state);
        goto out;
    }
    *unclean = read_pid(fd) != 0;
    text = mem_printf("%d\n", (int)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0) {
        explain(path);
        goto out;
    }
    result = fd;
out:
    if (result < 0)
        fs_close(fd);
    free(text);
    free(path);
    return result;
}

void state_unlock(int lock)
{
    if (lock < 0)
        return;
    if (ftruncate(lock, 0) < 0)
        log_errno("cannot note that the box ended in order");
    fs_close(lock);
}

pid_t state_holder(const struct config *config)
{
    char *path = config_path(config, "run/lock");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    pid_t pid = 0;

    free(path);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    /* Asks, and holds nothing: a box that starts just now is not kept from it. */
    if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        pid = read_pid(fd);
    fs_close(fd);
    return pid;
}

/* ---- the store, in a child ---- */

/* What a service must be able to write, seen with its own eyes. */
static int check_folders(const struct config *config)
{
    int result = 0;

    for (size_t i = 0; i < sizeof folders / sizeof *folders && result == 0; i++) {
        char *path = config_path(config, folders[i].name);
        if (folders[i].owner == BOX &&
            faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) < 0)
            result = explain(path);
        free(path);
    }
    return result;
}

/* Compares the store with the clock, and writes down for the parent what comes of it. */
static void begin_clock(const char *path, int parent)
{
    struct store *store = store_open(path);
    int64_t base_ms = store == NULL ? WHEN_NO_BASE : clock_begin(store);

    store_close(store);
    if (write(parent, &base_ms, sizeof base_ms) < 0)
        log_errno("cannot tell the time");
}

/* A store that went missing is told from a first start by what people have left. */
static void warn_of_loss(const struct config *config, const char *path)
{
    char *drop = config_path(config, "drop");
    DIR *files = NULL;
    struct dirent *file;
    struct stat st;

    if (stat(path, &st) < 0 ? errno == ENOENT : st.st_size == 0)
        files = opendir(drop);
    while (files && (file = readdir(files)))
        if (file->d_name[0] != '.') {
            log_warn("there are files, and no store: a new one begins, where every name is free "
                     "and the files are nobody's; if there was one, stop the box and put a backup "
                     "in its place");
            break;
        }
    if (files)
        closedir(files);
    free(drop);
}

static int run_child(const struct config *config, const struct account *box, bool thorough,
                     int parent)
{
    char *path = config_path(config, "store/riad.db");
    enum state_store result = STATE_STORE_FAILED;

    umask(0007);
    if (account_become(box) == 0 && check_folders(config) == 0) {
        carry_tidy(config);
        warn_of_loss(config, path);
        result = (enum state_store)anew_prepare(path, thorough);
    }
    if (result != STATE_STORE_FAILED)
        begin_clock(path, parent);
    free(path);
    return result;
}

enum state_store state_store(const struct config *config, const struct account *box, bool thorough)
{
    int64_t base_ms;
    int ends[2], status;
    pid_t pid = pipe2(ends, O_CLOEXEC) < 0 ? -1 : fork();

    if (pid < 0) {
        log_errno("cannot start a process for the store");
        return STATE_STORE_FAILED;
    }
    if (pid == 0)
        _exit((uint8_t)run_child(config, box, thorough, ends[1]));
    fs_close(ends[1]);
    if (read(ends[0], &base_ms, sizeof base_ms) == sizeof base_ms)
        when_set_base(base_ms);
    fs_close(ends[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status)) {
        log_error("the process that prepares the store died of signal %d", WTERMSIG(status));
        return STATE_STORE_FAILED;
    }
    return (enum state_store)(int8_t)WEXITSTATUS(status);
}

/* ---- looking, without changing anything ---- */

#define FINDING_MAX 512

/* In the child: what is the matter, with the finding told to the parent. */
static enum state_look look_at_store(const char *path, int parent)
{
    struct stat st;
    char *finding = NULL;
    enum state_look found = STATE_LOOK_WELL;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return STATE_LOOK_WELL;
    if (store_check(path, &finding) == 0)
        found = STATE_LOOK_DAMAGED;
    else if (store_newer_by(path) > 0)
        found = STATE_LOOK_NEWER;
    if (finding && fs_write_all(parent, finding, strlen(finding)) < 0)
        log_errno("cannot tell what is damaged");
    free(finding);
    return found;
}

/* All that the child says, fit to be shown; yours to free. */
static char *hear_finding(int child)
{
    struct buf said, clean;

    buf_init(&said, FINDING_MAX);
    buf_init(&clean, FINDING_MAX);
    (void)fs_read_all(child, &said);
    text_clean(&clean, said.data, said.len, TEXT_ONE_LINE);
    buf_done(&said);
    char *finding = buf_take(&clean);
    buf_done(&clean);
    return finding;
}

enum state_look state_look(const struct config *config, const struct account *box, char **finding)
{
    char *path = config_path(config, "store/riad.db");
    int ends[2], status = 0;
    pid_t pid = pipe2(ends, O_CLOEXEC) < 0 ? -1 : fork();
    enum state_look found = STATE_LOOK_WELL;

    *finding = NULL;
    if (pid < 0) {
        log_errno("cannot start a process for the store");
        goto out;
    }
    if (pid == 0)
        _exit(account_become(box) < 0 ? STATE_LOOK_WELL : look_at_store(path, ends[1]));
    fs_close(ends[1]);
    *finding = hear_finding(ends[0]);
    fs_close(ends[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    found = WIFEXITED(status) ? (enum state_look)WEXITSTATUS(status) : STATE_LOOK_DAMAGED;
    if (found != STATE_LOOK_DAMAGED || !WIFEXITED(status)) {
        free(*finding);
        *finding = WIFEXITED(status) ? NULL : mem_dup("whoever looks at it dies of it");
    }
out:
    free(path);
    return found;
}

enum { OBSTACLE_FILE = 100, OBSTACLE_STORE };

/* In the child: 0, 1 + the folder's number, or one of the above. */
static int find_obstacle(const struct config *config)
{
    char *path = config_path(config, "store/riad.db");
    struct stat st;
    int found = 0;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        found = OBSTACLE_FILE;
    else if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) < 0 && errno != ENOENT)
        found = OBSTACLE_STORE;
    free(path);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        path = config_path(config, folders[i].name);
        if (folders[i].owner == BOX && stat(path, &st) == 0 &&
            (!S_ISDIR(st.st_mode) ||
             faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) < 0)) {
            found = 1 + (int)i;
            i = sizeof folders / sizeof *folders;
        }
        free(path);
    }
    return found;
}

char *state_obstacle(const struct config *config, const struct account *box)
{
    const char *user = *config->box.user && box->change ? config->box.user : NULL;
    char *path, *text = NULL;
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(account_become(box) < 0 ? 0 : find_obstacle(config));
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    status = pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (status == 0)
        return NULL;
    bool is_folder = status <= (int)(sizeof folders / sizeof *folders);
    path = config_path(config, is_folder ? folders[status - 1].name : "store/riad.db");
    if (status == OBSTACLE_FILE)
        text = mem_printf("%s is no file: move it away, or put a backup's in its place", path);
    else if (user)
        text =
            mem_printf("%s cannot be used by the account `%s`: chown -R %s: %s && chmod -R u+rwX "
                       "%s",
                       path, user, user, path, path);
    else
        text = mem_printf("%s cannot be used by this user: give it to them, or start the box as "
                          "its owner",
                          path);
    free(path);
    return text;
}
