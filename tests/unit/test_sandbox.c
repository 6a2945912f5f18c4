/* From inside each service's walls: what must not work does not, and what must, does. Each try in
 * a child of its own, whose exit status is 0 for "could" and 1 for "could not". */
#include "base/log.h"
#include "base/sandbox.h"

#include "scratch.h"

#include <asm/sockios.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __SIZEOF_POINTER__ < 8
#define FILTERED 0
#else
#define FILTERED 1
#endif

#define EITHER 2 /* as the kernel is set */

static char *inside, *outside;
static int doors[2], probe; /* two that listen; the one that may connect */

static bool worked(int fd)
{
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool read_own(void)
{
    return worked(open(inside, O_RDONLY));
}

static bool write_own(void)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/new", inside);
    return worked(open(path, O_WRONLY | O_CREAT, 0600)) && unlink(path) == 0;
}

static bool write_elsewhere(void)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/new", outside);
    return worked(open(path, O_WRONLY | O_CREAT, 0600));
}

static bool read_elsewhere(void)
{
    return worked(open(outside, O_RDONLY));
}

/* Modes and lengths are no business of Landlock's where it is old. */
static bool change_elsewhere(void)
{
    bool changed = chmod(outside, 0700) == 0;

    return truncate(outside, 0) == 0 || errno == EISDIR || changed;
}

static bool read_shadow(void)
{
    return worked(open("/etc/shadow", O_RDONLY));
}

static bool open_socket(void)
{
    return worked(socket(AF_INET, SOCK_STREAM, 0));
}

static bool make_process(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

static bool run_program(void)
{
    char program[] = "/bin/true", *arguments[] = {program, NULL};

    execv(program, arguments); /* its exit status is 0 */
    return false;
}

/* What was a listening socket connects, if it may: by its own call or by a flag of another. */
static bool reach(bool (*way)(int fd, struct sockaddr_in *to))
{
    struct sockaddr_in to;
    socklen_t size = sizeof(to);

    shutdown(doors[0], SHUT_RDWR);
    return getsockname(doors[1], (struct sockaddr *)&to, &size) == 0 && way(doors[0], &to);
}

static bool by_connect(int fd, struct sockaddr_in *to)
{
    return connect(fd, (struct sockaddr *)to, sizeof(*to)) == 0;
}

static bool by_sending(int fd, struct sockaddr_in *to)
{
    return sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)to, sizeof(*to)) == 1;
}

static bool by_message(int fd, struct sockaddr_in *to)
{
    char byte = 'x';
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct mmsghdr message = {
        .msg_hdr = {.msg_name = to, .msg_namelen = sizeof(*to), .msg_iov = &part, .msg_iovlen = 1}
    };

    return sendmsg(fd, &message.msg_hdr, MSG_FASTOPEN | MSG_NOSIGNAL) == 1 ||
           sendmmsg(fd, &message, 1, MSG_FASTOPEN | MSG_NOSIGNAL) == 1;
}

static bool connect_door(void)
{
    return reach(by_connect);
}

static bool send_by_door(void)
{
    return reach(by_sending) || reach(by_message);
}

/* The one that may connect stays what it was. */
static bool replace_probe(void)
{
    return dup2(doors[0], probe) == probe || dup3(doors[0], probe, O_CLOEXEC) == probe ||
           close(probe) == 0;
}

static bool connect_probe(void)
{
    struct sockaddr_in to;
    socklen_t size = sizeof(to);

    return getsockname(doors[1], (struct sockaddr *)&to, &size) == 0 && by_connect(probe, &to);
}

/* A pair of datagrams can be sent to any socket that has a name. */
static bool make_pair(int kind)
{
    int pair[2];

    return socketpair(AF_UNIX, kind | SOCK_CLOEXEC, 0, pair) == 0;
}

static bool pair_datagrams(void)
{
    return make_pair(SOCK_DGRAM);
}

static bool pair_streams(void)
{
    return make_pair(SOCK_STREAM);
}

/* The parent is of the same account, as another service is. */
static bool signal_other(void)
{
    return tgkill(getppid(), getppid(), 0) == 0;
}

static bool signal_by_descriptor(void)
{
    int pair[2], owner = getppid();
    struct f_owner_ex ex = {.type = F_OWNER_PID, .pid = owner};

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return false;
    return fcntl(pair[0], F_SETOWN, owner) == 0 || fcntl(pair[0], F_SETOWN_EX, &ex) == 0 ||
           fcntl(pair[0], F_SETSIG, SIGKILL) == 0 || ioctl(pair[0], FIOSETOWN, &owner) == 0 ||
           ioctl(pair[0], SIOCSPGRP, &owner) == 0;
}

static bool limit_other(void)
{
    struct rlimit files;

    return prlimit(getppid(), RLIMIT_NOFILE, NULL, &files) == 0;
}

static bool slow_other(void)
{
    return setpriority(PRIO_PROCESS, (id_t)getppid(), 19) == 0;
}

static bool signal_itself(void)
{
    struct rlimit files;

    return raise(0) == 0 && getrlimit(RLIMIT_NOFILE, &files) == 0;
}

static void *nothing(void *unused)
{
    return unused;
}

static bool make_thread(void)
{
    pthread_t thread;

    return pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

static bool dump_core(void)
{
    struct rlimit core;

    return getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max > 0;
}

static int open_tcp(bool listening)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(listening ? listen(fd, 9) : 0, 0);
    return fd;
}

/* 1 it could, 0 it could not. */
static int try(enum service_id id, bool (*what)(void))
{
    const struct sandbox_path paths[] = {
        {inside,     SANDBOX_WRITE},
        {"/no/such", SANDBOX_READ }
    };
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        log_open("test", LOG_LEVEL_ERROR);
        probe = open_tcp(false);
        doors[0] = open_tcp(true);
        doors[1] = open_tcp(true);
        if (sandbox_files(id, paths, 2) < 0 || sandbox_calls(id, probe) < 0)
            _exit(9);
        _exit(what() ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_in_range(WEXITSTATUS(status), 0, 1);
    return WEXITSTATUS(status) == 0;
}

static void walls_hold(void **state)
{
    static const struct {
        bool (*what)(void);
        int could[SERVICE_COUNT]; /* chat, web, mirror, dhcp */
    } tries[] = {
        {read_own,             {1, 1, 1, 1}                                },
        {write_own,            {1, 1, 1, 1}                                },
        {make_thread,          {1, 1, 1, 1}                                },
        {read_elsewhere,       {0, 0, 0, 0}                                },
        {write_elsewhere,      {0, 0, 0, 0}                                },
        {read_shadow,          {0, 0, 0, 0}                                },
        {dump_core,            {0, 0, 0, 0}                                },
        {open_socket,          {!FILTERED, !FILTERED, 1, 1}                },
        {make_process,         {!FILTERED, !FILTERED, !FILTERED, 1}        },
        {run_program,          {0, 0, 0, 1}                                },
        {change_elsewhere,     {!FILTERED, !FILTERED, !FILTERED, !FILTERED}},
        {connect_door,         {!FILTERED, !FILTERED, 1, 1}                },
        {send_by_door,         {!FILTERED, !FILTERED, EITHER, EITHER}      },
        {connect_probe,        {!FILTERED, 1, 1, 1}                        },
        {replace_probe,        {!FILTERED, !FILTERED, 1, 1}                },
        {pair_datagrams,       {!FILTERED, !FILTERED, 1, 1}                },
        {pair_streams,         {1, 1, 1, 1}                                },
        {signal_other,         {!FILTERED, !FILTERED, !FILTERED, 1}        },
        {signal_by_descriptor, {!FILTERED, !FILTERED, !FILTERED, 1}        },
        {limit_other,          {!FILTERED, !FILTERED, !FILTERED, 1}        },
        {slow_other,           {!FILTERED, !FILTERED, !FILTERED, !FILTERED}},
        {signal_itself,        {1, 1, 1, 1}                                },
    };

    inside = scratch_path(*state, "inside");
    outside = scratch_path(*state, "outside");
    assert_true(mkdir(inside, 0700) == 0 && mkdir(outside, 0700) == 0);
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        for (int id = 0; id < SERVICE_COUNT; id++) {
            int could = try((enum service_id)id, tries[i].what);

            if (could != tries[i].could[id] && tries[i].could[id] != EITHER)
                fail_msg("try %zu within %s: %d", i, service_name((enum service_id)id), could);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {SCRATCH_TEST(walls_hold)};

    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
