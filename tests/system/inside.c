/*
 * inside: a preloaded library that tries, within a service as it really runs, what a stranger would
 * who had taken it over; for test_walls.py. At SIGUSR2 it writes a line to standard error:
 *
 *     inside chat: shadow=EACCES write=EACCES key=EACCES fork=EPERM exec=EPERM socket=EPERM ...
 *
 * RIAD_TEST_KEY names the host key's file, RIAD_TEST_ELSEWHERE a folder that anybody may write.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char elsewhere[512], key[512], conf[512];

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

static void say(char *line, size_t size, const char *what, int result)
{
    size_t length = strlen(line);

    snprintf(line + length, size - length, " %s=%s", what,
             result >= 0 ? "could" : strerrorname_np(errno));
}

static void attempt(int number)
{
    char line[1024];

    (void)number;
    snprintf(line, sizeof line, "inside %s:", getenv("RIAD_SERVICE"));
    say(line, sizeof line, "shadow", opened("/etc/shadow", O_RDONLY));
    say(line, sizeof line, "key", opened(key, O_RDONLY));
    say(line, sizeof line, "conf", opened(conf, O_WRONLY));
    say(line, sizeof line, "write", opened(elsewhere, O_WRONLY | O_CREAT));
    say(line, sizeof line, "fork", forked());
    say(line, sizeof line, "socket", connected(AF_INET, SOCK_STREAM));
    say(line, sizeof line, "datagram", connected(AF_INET, SOCK_DGRAM));
    say(line, sizeof line, "unix", connected(AF_UNIX, SOCK_STREAM));
    say(line, sizeof line, "kill", kill(getppid(), 0));
    say(line, sizeof line, "trace", (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
    say(line, sizeof line, "root", setuid(0));
    say(line, sizeof line, "chroot", chroot("/"));
    snprintf(line + strlen(line), sizeof line - strlen(line), "\n");
    if (write(2, line, strlen(line)) < 0)
        _exit(9);
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_handler = attempt, .sa_flags = SA_RESTART};

    if (getenv("RIAD_SERVICE") == NULL || getenv("RIAD_TEST_ELSEWHERE") == NULL)
        return;
    snprintf(elsewhere, sizeof elsewhere, "%s/%s", getenv("RIAD_TEST_ELSEWHERE"),
             getenv("RIAD_SERVICE"));
    snprintf(key, sizeof key, "%s", getenv("RIAD_TEST_KEY"));
    snprintf(conf, sizeof conf, "%s", getenv("RIAD_TEST_CONF"));
    sigaction(SIGUSR2, &action, NULL);
}
