#include "dhcp/child.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "base/when.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1000
#define END_MS         3000
#define TEST_MS        5000
/* Who has run this long was healthy: its next end is not the same trouble again. */
#define HEALTHY_MS 60000

void child_init(struct child *child)
{
    *child = (struct child){.pid = -1, .process_fd = -1, .log_fd = -1};
}

const char *child_program(void)
{
    static const char *const places[] = {"/usr/sbin/dnsmasq", "/usr/local/sbin/dnsmasq",
                                         "/usr/bin/dnsmasq", "/sbin/dnsmasq"};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

/* ---- within the child ---- */

/* The rights that we have stay over exec(2) without being root's. */
static void keep_rights(void)
{
    static const int rights[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE, CAP_SETGID};
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &head, data) < 0)
        return;
    for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
        data[0].inheritable |= data[0].permitted & (1u << rights[i]);
    if (syscall(SYS_capset, &head, data) < 0)
        return;
    for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, rights[i], 0, 0);
}

/* Of what riad-dhcp sees, what is generated for dnsmasq and the script that it runs: us. */
static int confine(const char *folder)
{
    const struct sandbox_path paths[] = {
        {folder,           SANDBOX_READ},
        {"/proc/self/exe", SANDBOX_READ},
    };

    return sandbox_files(SERVICE_DHCP, paths, sizeof(paths) / sizeof(paths[0]));
}

__attribute__((noreturn)) static void become(const char *folder, char *const *arguments,
                                             char *environment, int output, pid_t parent)
{
    char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char *variables[] = {path, environment, NULL};
    sigset_t none;

    /* Dies with us; if we died before this line, it is too late to be told. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
        _exit(127);
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    keep_rights();
    if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 || confine(folder) < 0)
        _exit(127);
    execve(arguments[0], arguments, variables);
    _exit(127);
}

/* ---- within riad-dhcp ---- */

/* Starts the program with its output in a pipe. The process, or -1, logged. */
static pid_t spawn(const char *folder, char *const *arguments, char *environment, int *output)
{
    pid_t parent = getpid(), pid;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0) {
        log_errno("cannot make a pipe");
        return -1;
    }
    pid = fork();
    if (pid == 0)
        become(folder, arguments, environment, ends[1], parent);
    fs_close(ends[1]);
    if (pid < 0) {
        log_errno("cannot start %s", arguments[0]);
        fs_close(ends[0]);
        return -1;
    }
    *output = ends[0];
    return pid;
}

int child_test(const char *folder, char **why)
{
    char program[64], *argument = mem_printf("--conf-file=%s/" CHILD_CONFIG, folder);
    char test[] = "--test";
    char *arguments[] = {program, test, argument, NULL};
    struct buf output;
    int fd = -1, status = -1;
    pid_t pid;

    *why = NULL;
    strcpy(program, child_program());
    buf_init(&output, 8192);
    pid = spawn(folder, arguments, NULL, &fd);
    if (pid > 0) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};

        if (poll(&wait, 1, TEST_MS) <= 0)
            kill(pid, SIGKILL);
        fs_read_all(fd, &output);
        fs_close(fd);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
    }
    if (status != 0) {
        *why = mem_dup_bytes(output.data, strcspn(buf_text(&output), "\n"));
        log_error("dnsmasq refuses its configuration: %s", *why);
    }
    buf_done(&output);
    free(argument);
    return status == 0 ? 0 : -1;
}

int child_start(struct child *child, const char *folder, char *environment)
{
    char program[64], *argument = mem_printf("--conf-file=%s/" CHILD_CONFIG, folder);
    char *arguments[] = {program, argument, NULL};

    strcpy(program, child_program());
    child->pid = spawn(folder, arguments, environment, &child->log_fd);
    free(argument);
    if (child->pid < 0)
        return -1;
    fcntl(child->log_fd, F_SETFL, O_NONBLOCK);
    child->process_fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    if (child->process_fd < 0) {
        log_errno("cannot watch dnsmasq");
        child_stop(child);
        return -1;
    }
    fcntl(child->process_fd, F_SETFD, FD_CLOEXEC);
    buf_init(&child->line, LINE_MAX_BYTES);
    child->started_ms = when_monotonic_ms();
    child->last[0] = '\0';
    child->serves = false;
    return 0;
}

static void release(struct child *child)
{
    fs_close(child->process_fd);
    fs_close(child->log_fd);
    buf_done(&child->line);
    child->pid = child->process_fd = child->log_fd = -1;
}

void child_stop(struct child *child)
{
    struct pollfd wait = {.fd = child->process_fd, .events = POLLIN};

    if (child->pid < 0)
        return;
    kill(child->pid, SIGTERM);
    if (child->process_fd < 0 || poll(&wait, 1, END_MS) <= 0)
        kill(child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (child->log_fd != -1 && child->line.data != NULL)
        child_listen(child);
    release(child);
}

void child_reload(const struct child *child)
{
    if (child->pid > 0)
        kill(child->pid, SIGHUP);
}

/* What is said for every packet is for whoever looks for a fault; the rest as well, but it is also
 * what the end of dnsmasq may be explained with. */
static void take_line(struct child *child)
{
    const char *text = buf_text(&child->line), *behind = strchr(text, ' ');

    /* `dnsmasq[123]: `, `dnsmasq-dhcp[123]: ` */
    if (strncmp(text, "dnsmasq", 7) == 0 && behind != NULL && behind[-1] == ':')
        text = behind + 1;
    if (child->line.len > 0) {
        strncpy(child->last, text, sizeof(child->last) - 1);
        log_debug("dnsmasq: %s", text);
        child->serves |= strncmp(text, "started, ", 9) == 0;
    }
    buf_clear(&child->line);
}

void child_listen(struct child *child)
{
    char block[4096];
    ssize_t got;

    while ((got = read(child->log_fd, block, sizeof(block))) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (block[i] == '\n' || buf_putc(&child->line, (uint8_t)block[i]) < 0)
                take_line(child);
        }
    }
    if (got == 0) { /* its end; process_fd says the rest */
        fs_close(child->log_fd);
        child->log_fd = -1;
    }
}

static int64_t pause_ms(unsigned failures)
{
    return failures == 0 ? 0 : failures > 3 ? 8000 : 500 << failures;
}

void child_bury(struct child *child, int64_t now_ms)
{
    int status = 0;

    if (child->log_fd != -1)
        child_listen(child);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (now_ms - child->started_ms > HEALTHY_MS)
        child->failures = 0;
    child->retry_ms = now_ms + pause_ms(child->failures++);
    if (WIFSIGNALED(status))
        log_warn("dnsmasq was ended by signal %d", WTERMSIG(status));
    else
        log_warn("dnsmasq ended with status %d: %s", WEXITSTATUS(status), child->last);
    release(child);
}
