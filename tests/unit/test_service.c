/* The life of a service, with this test as its keeper; and what it writes to the log. */
#include "base/doorbell.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/service.h"
#include "config/start.h"

#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What standard error gets while one of these runs. */
static int saved_stderr, log_fd;

static int catch_log(void **state)
{
    (void)state;
    saved_stderr = dup(STDERR_FILENO);
    log_fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    return dup2(log_fd, STDERR_FILENO) < 0;
}

static int release_log(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(log_fd);
    return 0;
}

static const char *logged(void)
{
    static char text[16384];
    ssize_t got = pread(log_fd, text, sizeof(text) - 1, 0);

    text[got < 0 ? 0 : got] = '\0';
    assert_int_equal(ftruncate(log_fd, 0), 0);
    lseek(log_fd, 0, SEEK_SET);
    return text;
}

static void logs_one_harmless_line(void **state)
{
    char longer[9000];
    const char *text;

    (void)state;
    log_open("test", LOG_LEVEL_INFO);
    log_info("%s", "a\nb\x1B[31m\xC2\x9B\xE2\x80\xAE\xFFz \xC3\xA9");
    text = logged();
    assert_non_null(strstr(text, " test info: a?b?[31m???z \xC3\xA9\n"));
    log_debug("not shown");
    assert_string_equal(logged(), "");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("shown");
    assert_non_null(strstr(logged(), " test debug: shown\n"));
    errno = ENOENT;
    log_errno("cannot open %s", "x");
    assert_int_equal(errno, ENOENT);
    assert_non_null(strstr(logged(), " test error: cannot open x: No such file or directory\n"));
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    errno = EIO;
    log_errno("%s", longer);
    text = logged();
    assert_in_range(strlen(text), 4000, 4400);
    assert_int_equal(strchr(text, '\n') - text, (int)strlen(text) - 1);
    log_set_level(LOG_LEVEL_ERROR);
    log_warn("quiet");
    assert_string_equal(logged(), "");
    log_error("loud");
    assert_non_null(strstr(logged(), "error: loud"));
}

static void speaks_to_the_journal(void **state)
{
    struct stat st;
    char stream[64];

    (void)state;
    fstat(STDERR_FILENO, &st);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open("test", LOG_LEVEL_DEBUG);
    log_warn("w");
    log_debug("d");
    assert_string_equal(logged(), "<4>test: w\n<7>test: d\n");
    setenv("JOURNAL_STREAM", "1:1", 1);
    log_open("test", LOG_LEVEL_INFO);
    log_info("i");
    assert_non_null(strstr(logged(), " test info: i"));
    unsetenv("JOURNAL_STREAM");
}

static void runs_alone(void **state)
{
    struct service service;
    int fds[2];

    (void)state;
    unsetenv("RIAD_SERVICE");
    assert_int_equal(service_begin(&service, SERVICE_WEB), 0);
    assert_false(service.kept);
    assert_int_equal(service_wait(&service, 0), 0);
    doorbell_ring(service.doorbell);
    assert_int_equal(service_wait(&service, -1), SERVICE_RANG);
    kill(getpid(), SIGHUP);
    assert_int_equal(service_wait(&service, -1), SERVICE_RELOAD);
    kill(getpid(), SIGTERM);
    assert_int_equal(service_wait(&service, -1), SERVICE_STOP);
    assert_int_equal(service_wait(&service, 2000), SERVICE_TICK);
    service_ready(&service); /* nobody listens */
    service_add_fd(&service, "listen", dup(0));
    service_add_fd(&service, "other", dup(0));
    service_add_fd(&service, "listen", dup(0));
    assert_int_equal(service_fds_named(&service, "listen", fds, 2), 2);
    assert_int_equal(fds[1], service.fds[2]);
    assert_int_equal(service_fds_named(&service, "listen", fds, 0), 2);
    assert_int_equal(service_fds_named(&service, "none", fds, 2), 0);
    service_end(&service);
    assert_string_equal(service_name(SERVICE_MIRROR), "mirror");
}

/* Under a keeper: within a child, which says by its exit status at which line it failed. */
#define CHECK(condition)                                                                           \
    if (!(condition))                                                                              \
    _exit(__LINE__ % 250 + 1)

static void hands_over(int keeper, const struct config *config)
{
    int fd = config_seal(config);
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    char packet[] = "C";
    struct iovec part = {packet, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &fd, sizeof(fd));
    CHECK(sendmsg(keeper, &message, 0) == 1);
    close(fd);
}

static void expect_packet(int keeper, const char *expected)
{
    char packet[1000];
    ssize_t got = recv(keeper, packet, sizeof(packet) - 1, 0);

    CHECK(got >= 0);
    packet[got] = '\0';
    CHECK(strcmp(packet, expected) == 0);
}

static void live_as_kept(void)
{
    struct service service;
    struct config config;
    char program[] = "riad-chat", *arguments[] = {program, NULL};
    int pair[2], keeper, status, fds[2];

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    keeper = fcntl(pair[0], F_DUPFD, 100);
    config_init(&config);
    config.chat.history = 7;
    CHECK(dup2(fcntl(config_seal(&config), F_DUPFD, 100), 3) == 3);
    CHECK(dup2(fcntl(pair[1], F_DUPFD, 100), 4) == 4);
    for (int fd = 5; fd <= 8; fd++)
        CHECK(dup2(fcntl(doorbell_open(), F_DUPFD, 100), fd) == fd);
    CHECK(dup2(0, 9) == 9 && dup2(0, 10) == 10);
    setenv("RIAD_SERVICE", "chat", 1);
    setenv("RIAD_FDS", "listen:hostkey", 1);

    CHECK(config_start(&service, &config, SERVICE_CHAT, 1, arguments, &status) == 0);
    CHECK(service.kept && config.chat.history == 7);
    CHECK(service_fds_named(&service, "hostkey", fds, 2) == 1 && fds[0] == 10);
    CHECK(fcntl(9, F_GETFD) & FD_CLOEXEC);
    service_ready(&service);
    service_say(&service, true, "%d here", 3);
    service_say(&service, true, "3 here");
    service_say(&service, false, "gone");
    expect_packet(keeper, "R");
    expect_packet(keeper, "U3 here");
    expect_packet(keeper, "Dgone");
    CHECK(service_wait(&service, 3000) == SERVICE_TICK);
    expect_packet(keeper, "B");
    service_tick_beats(&service, false);
    CHECK(service_wait(&service, 3000) == SERVICE_TICK);
    CHECK(recv(keeper, program, 1, MSG_DONTWAIT) < 0);
    kill(getpid(), SIGHUP);
    CHECK(service_wait(&service, 500) == 0); /* the keeper reads the file */
    config.chat.history = 8;
    hands_over(keeper, &config);
    CHECK(service_wait(&service, 500) == SERVICE_RELOAD);
    config.chat.history = 1;
    CHECK(config_restart(&service, &config) == 0 && config.chat.history == 8);
    CHECK(send(keeper, "?", 1, 0) == 1);
    CHECK(service_wait(&service, 100) == 0);
    close(keeper);
    close(pair[0]);
    CHECK(service_wait(&service, 500) == SERVICE_STOP);
    service_beat(&service); /* nobody is there any more */
    service_end(&service);
    config_done(&config);
    _exit(0);
}

static void lives_under_a_keeper(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0)
        live_as_kept();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void refuses_a_false_start(void **state)
{
    struct service service;

    (void)state;
    setenv("RIAD_SERVICE", "web", 1);
    assert_int_equal(service_begin(&service, SERVICE_CHAT), -1);
    assert_non_null(strstr(logged(), "RIAD_SERVICE is web"));
    unsetenv("RIAD_SERVICE");
}

static int run_start(char *second, char *third)
{
    char program[] = "riad-mirror", *arguments[] = {program, second, third, NULL};
    struct service service;
    struct config config;
    int status = -1, count = second == NULL ? 1 : third == NULL ? 2 : 3;

    if (config_start(&service, &config, SERVICE_MIRROR, count, arguments, &status) == 0) {
        config_done(&config);
        service_end(&service);
    }
    return status;
}

static void reads_arguments(void **state)
{
    char option[] = "-c", odd[] = "--odd", *path = scratch_path(*state, "riad.conf");

    catch_log(NULL);
    fs_replace_file(path, "[box]\nname = x\n", 15, 0600);
    assert_int_equal(run_start(option, path), 0);
    fs_replace_file(path, "[box]\nnaem = x\n", 15, 0600);
    assert_int_equal(run_start(option, path), 2);
    assert_non_null(strstr(logged(), "riad.conf:2: unknown key \"naem\""));
    assert_int_equal(run_start(odd, NULL), 2);
    assert_int_equal(run_start(option, NULL), 2);
    release_log(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(logs_one_harmless_line, catch_log, release_log),
        cmocka_unit_test_setup_teardown(speaks_to_the_journal, catch_log, release_log),
        cmocka_unit_test(lives_under_a_keeper),
        cmocka_unit_test_setup_teardown(runs_alone, catch_log, release_log),
        cmocka_unit_test_setup_teardown(refuses_a_false_start, catch_log, release_log),
        SCRATCH_TEST(reads_arguments),
    };
    return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
