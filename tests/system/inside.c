/*
 * inside: a preloaded library that tries, within a service as it really runs, what a stranger would
 * who had taken it over; for test_walls.py. At SIGUSR2 it writes a line to standard error:
 *
 *     inside chat: shadow=EACCES write=EACCES key=EACCES fork=EPERM exec=EPERM socket=EPERM ...
 *
 * RIAD_TEST_KEY names the host key's file, RIAD_TEST_ELSEWHERE a folder that anybody may write. The
 * signal's value is the process of another service, of the same account.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[512], elsewhere[1024], key[512], conf[512];

static int opened(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static int forked(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return pid;
}

static int connected(int family, int kind)
{
    struct sockaddr_in away = {.sin_family = AF_INET, .sin_port = htons(9)};
    int fd = socket(family, kind, 0), result = fd;

    if (fd >= 0 && family == AF_INET) {
        inet_pton(AF_INET, "127.0.0.1", &away.sin_addr);
        result = connect(fd, (struct sockaddr *)&away, sizeof away) < 0 && errno != ECONNREFUSED;
        result = result ? -1 : 0;
    }
    if (fd >= 0)
        close(fd);
    return result;
}

/* Where there is no such pair the kernel says so of two sockets that it has made. */
static int paired(int family)
{
    int pair[2];

    return socketpair(family, SOCK_STREAM, 0, pair) < 0 && errno != EOPNOTSUPP ? -1 : 0;
}

static void say(char *line, size_t size, const char *what, int result)
{
    size_t length = strlen(line);

    snprintf(line + length, size - length, " %s=%s", what,
             result >= 0 ? "could" : strerrorname_np(errno));
}

static int opened_of(pid_t pid, const char *file, int flags)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    return opened(path, flags);
}

static int owned(pid_t pid)
{
    int pair[2], result;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return -1;
    result = fcntl(pair[0], F_SETOWN, pid);
    close(pair[0]);
    close(pair[1]);
    return result;
}

static int taken(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), result;

    if (fd < 0)
        return -1;
    result = (int)syscall(SYS_pidfd_getfd, fd, 3, 0);
    close(fd);
    return result;
}

static int peeked(pid_t pid)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {elsewhere, 1};

    return (int)process_vm_readv(pid, &here, 1, &there, 1, 0);
}

/* Another service of the account. */
static void attempt_other(char *line, size_t size, pid_t other)
{
    say(line, size, "signal", tgkill(other, other, 0));
    say(line, size, "owner", owned(other));
    say(line, size, "limit", prlimit(other, RLIMIT_NOFILE, NULL, &(struct rlimit){0}));
    say(line, size, "slow", setpriority(PRIO_PROCESS, (id_t)other, 19));
    say(line, size, "attach", (int)ptrace(PTRACE_ATTACH, other, NULL, NULL));
    say(line, size, "memory", opened_of(other, "mem", O_RDWR));
    say(line, size, "environ", opened_of(other, "environ", O_RDONLY));
    say(line, size, "peek", peeked(other));
    say(line, size, "take", taken(other));
}

static void attempt(int number, siginfo_t *info, void *context)
{
    static char line[2048];

    (void)number;
    (void)context;
    snprintf(line, sizeof line, "inside %s:", getenv("RIAD_SERVICE"));
    say(line, sizeof line, "shadow", opened("/etc/shadow", O_RDONLY));
    say(line, sizeof line, "key", opened(key, O_RDONLY));
    say(line, sizeof line, "conf", opened(conf, O_WRONLY));
    say(line, sizeof line, "write", opened(elsewhere, O_WRONLY | O_CREAT));
    say(line, sizeof line, "fork", forked());
    say(line, sizeof line, "socket", connected(AF_INET, SOCK_STREAM));
    say(line, sizeof line, "datagram", connected(AF_INET, SOCK_DGRAM));
    say(line, sizeof line, "unix", connected(AF_UNIX, SOCK_STREAM));
    say(line, sizeof line, "pair", paired(AF_INET));
    say(line, sizeof line, "kill", kill(getppid(), 0));
    say(line, sizeof line, "trace", (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
    say(line, sizeof line, "root", setuid(0));
    say(line, sizeof line, "chroot", chroot("/"));
    say(line, sizeof line, "mount", mount("none", "/tmp", "tmpfs", 0, NULL));
    say(line, sizeof line, "namespace", unshare(CLONE_NEWUSER));
    say(line, sizeof line, "ring", (int)syscall(SYS_io_uring_setup, 1, NULL));
    say(line, sizeof line, "keys", (int)syscall(SYS_keyctl, 0, -3, 1));
    say(line, sizeof line, "chmod", chmod(folder, 0700));
    attempt_other(line, sizeof line, info->si_value.sival_int);
    snprintf(line + strlen(line), sizeof line - strlen(line), "\n");
    if (write(2, line, strlen(line)) < 0)
        _exit(9);
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_sigaction = attempt, .sa_flags = SA_RESTART | SA_SIGINFO};

    if (getenv("RIAD_SERVICE") == NULL || getenv("RIAD_TEST_ELSEWHERE") == NULL)
        return;
    snprintf(folder, sizeof folder, "%s", getenv("RIAD_TEST_ELSEWHERE"));
    snprintf(elsewhere, sizeof elsewhere, "%s/%s", folder, getenv("RIAD_SERVICE"));
    snprintf(key, sizeof key, "%s", getenv("RIAD_TEST_KEY"));
    snprintf(conf, sizeof conf, "%s", getenv("RIAD_TEST_CONF"));
    sigaction(SIGUSR2, &action, NULL);
}
