/* From inside each service's walls: what must not work does not, and what must, does. Each try in
 * a child of its own, whose exit status is 0 for "could" and 1 for "could not". */
#include "base/log.h"
#include "base/sandbox.h"

#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTERED 0
#else
#define FILTERED 1
#endif

static char *inside, *outside;

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
        if (sandbox_files(id, paths, 2) < 0 || sandbox_calls(id) < 0)
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
        {read_own,        {1, 1, 1, 1}                        },
        {write_own,       {1, 1, 1, 1}                        },
        {make_thread,     {1, 1, 1, 1}                        },
        {read_elsewhere,  {0, 0, 0, 0}                        },
        {write_elsewhere, {0, 0, 0, 0}                        },
        {read_shadow,     {0, 0, 0, 0}                        },
        {dump_core,       {0, 0, 0, 0}                        },
        {open_socket,     {!FILTERED, !FILTERED, 1, 1}        },
        {make_process,    {!FILTERED, !FILTERED, !FILTERED, 1}},
        {run_program,     {0, 0, 0, 1}                        },
    };

    inside = scratch_path(*state, "inside");
    outside = scratch_path(*state, "outside");
    assert_true(mkdir(inside, 0700) == 0 && mkdir(outside, 0700) == 0);
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        for (int id = 0; id < SERVICE_COUNT; id++) {
            int could = try((enum service_id)id, tries[i].what);

            if (could != tries[i].could[id])
                fail_msg("try %zu within %s: %d", i, service_name((enum service_id)id), could);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {SCRATCH_TEST(walls_hold)};

    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
