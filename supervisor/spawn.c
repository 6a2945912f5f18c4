#include "supervisor/spawn.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FD_CONFIG = 3, FD_KEEPER, FD_DOORBELL, FD_OTHERS, FD_NAMED = FD_OTHERS + SERVICE_OTHERS };

/* Above all that is placed, so that nothing is overwritten before it has been moved. */
#define FD_ASIDE 100

/* Exit status of a child that never became a service; what went wrong is in the log. */
#define EXIT_UNBORN 127

/* The program if it is in that folder; NULL if it is not. */
static char *find_in(const char *folder, enum service_id id)
{
    char *path = mem_printf("%s/riad-%s", folder, service_name(id));

    if (access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

char *spawn_find(enum service_id id)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    char *installed, *path;

    if (length <= 0)
        return find_in(RIAD_LIBEXEC, id);
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    path = find_in(self, id);
    if (path)
        return path;
    installed = mem_printf("%s/../libexec/riad", self);
    path = find_in(installed, id);
    free(installed);
    return path ? path : find_in(RIAD_LIBEXEC, id);
}

/* ---- in the child ---- */

static void fail(const char *what)
{
    log_errno("%s", what);
    _exit(EXIT_UNBORN);
}

/* What shall stand at each number, from 0 on; how many. */
static size_t list_descriptors(const struct spawn *spawn, int nothing, int *sources)
{
    size_t count = 0;

    sources[count++] = nothing;
    sources[count++] = STDERR_FILENO;
    sources[count++] = STDERR_FILENO;
    sources[count++] = spawn->config_fd;
    sources[count++] = spawn->keeper_fd;
    sources[count++] = spawn->doorbells[spawn->id];
    for (int other = 0; other < SERVICE_COUNT; other++)
        if (other != (int)spawn->id)
            sources[count++] = spawn->doorbells[other];
    for (size_t i = 0; i < spawn->fd_count; i++)
        sources[count++] = spawn->fds[i];
    return count;
}

static void place_descriptors(const struct spawn *spawn)
{
    int sources[FD_NAMED + SERVICE_MAX_FDS];
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    size_t count = list_descriptors(spawn, nothing, sources);

    for (size_t i = 0; i < count; i++) {
        sources[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, FD_ASIDE);
        if (sources[i] < 0)
            fail("cannot hand over a descriptor");
    }
    for (size_t i = 0; i < count; i++)
        if (dup2(sources[i], (int)i) < 0)
            fail("cannot place a descriptor");
    if (syscall(SYS_close_range, (unsigned)count, ~0U, 0) < 0)
        fail("cannot close the keeper's descriptors");
}

static void set_environment(const struct spawn *spawn)
{
    static const char *const ours[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                                       "LISTEN_FDS",    "LISTEN_PID",    "LISTEN_FDNAMES",
                                       "RIAD_CONF",     "RIAD_FDS"};
    struct buf names;

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        unsetenv(ours[i]);
    buf_init(&names, 4096);
    for (size_t i = 0; i < spawn->fd_count; i++)
        buf_printf(&names, "%s%s", i ? ":" : "", spawn->fd_names[i]);
    setenv("RIAD_SERVICE", service_name(spawn->id), 1);
    setenv("RIAD_FDS", buf_text(&names), 1);
    /* Hundreds of threads: what each would keep of freed memory for itself took 15 MB, and saved
     * no time. See malloc's tunables in the manual of the GNU C library. */
    if (spawn->id == SERVICE_WEB)
        setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
    buf_done(&names);
}

static void reset_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        fail("cannot unblock signals");
}

/* What is not in it no exec(2) gives, not even to root. A root that may not change it has little to
 * give up, and gives that up later (base/sandbox.h). */
static void drop_bounding_set(const struct spawn *spawn)
{
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (!(spawn->capabilities & UINT64_C(1) << cap) && prctl(PR_CAPBSET_DROP, cap) < 0 &&
            errno != EINVAL && (errno != EPERM || spawn->account->change))
            fail("cannot give up a capability");
}

static void keep_capabilities(uint64_t keep)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    for (int half = 0; half < 2; half++) {
        uint32_t bits = (uint32_t)(keep >> (32 * half));
        data[half] = (struct __user_cap_data_struct){bits, bits, bits};
    }
    if (syscall(SYS_capset, &header, data) < 0)
        fail("cannot keep the capabilities that this service needs");
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (keep & UINT64_C(1) << cap && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
            fail("cannot keep a capability that this service needs");
}

static void become(const struct spawn *spawn)
{
    if (geteuid() == 0)
        drop_bounding_set(spawn);
    if (!spawn->account->change)
        return;
    if (spawn->capabilities && prctl(PR_SET_KEEPCAPS, 1) < 0)
        fail("cannot keep capabilities");
    if (account_become(spawn->account) < 0)
        _exit(EXIT_UNBORN);
    if (spawn->capabilities)
        keep_capabilities(spawn->capabilities);
}

static void run_child(const struct spawn *spawn, pid_t keeper)
{
    char *const arguments[] = {mem_dup(strrchr(spawn->program, '/') + 1), NULL};

    setsid();
    umask(0007);
    reset_signals();
    place_descriptors(spawn);
    set_environment(spawn);
    become(spawn);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail("cannot restrict the service");
    if (getppid() != keeper)
        _exit(EXIT_UNBORN);
    execv(spawn->program, arguments);
    fail(spawn->program);
}

pid_t spawn_start(const struct spawn *spawn)
{
    pid_t keeper = getpid(), pid = fork();

    if (pid < 0)
        log_errno("cannot start another process for %s", service_name(spawn->id));
    if (pid == 0)
        run_child(spawn, keeper);
    return pid;
}
