#include "base/doorbell.h"
#include "base/fs.h"
#include "base/listen.h"

#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t entries(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t count = 0;

    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count - 2;
}

static void replaces_files_whole(void **state)
{
    struct scratch *scratch = *state;
    char *path = scratch_path(scratch, "file");
    struct buf text;
    struct stat st;

    buf_init(&text, 100);
    assert_int_equal(fs_replace_file(path, "one", 3, 0640), 0);
    assert_int_equal(fs_replace_file(path, "two!", 4, 0600), 0);
    assert_int_equal(fs_read_file(path, &text), 0);
    assert_string_equal(buf_text(&text), "two!");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(entries(scratch->folder), 1);
    assert_int_equal(fs_replace_file(scratch_path(scratch, "no/file"), "x", 1, 0600), -1);
    buf_done(&text);
}

static void reads_no_more_than_fits(void **state)
{
    char *path = scratch_path(*state, "file");
    struct buf text;

    assert_int_equal(fs_replace_file(path, "12345", 5, 0600), 0);
    buf_init(&text, 4);
    assert_int_equal(fs_read_file(path, &text), -1);
    assert_int_equal(errno, EFBIG);
    assert_int_equal(fs_read_file(scratch_path(*state, "none"), &text), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fs_read_all(-1, &text), -1);
    assert_int_equal(fs_write_all(-1, "x", 1), -1);
    buf_done(&text);
}

static void makes_folders(void **state)
{
    char *deep = scratch_path(*state, "a/b/c"), *file = scratch_path(*state, "file");
    struct stat st;

    assert_int_equal(fs_make_folders(deep, 0700), 0);
    assert_int_equal(fs_make_folders(deep, 0700), 0);
    assert_true(stat(deep, &st) == 0 && S_ISDIR(st.st_mode));
    assert_int_equal(fs_replace_file(file, "", 0, 0600), 0);
    assert_int_equal(fs_make_folders(file, 0700), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(fs_make_folders(scratch_path(*state, "file/below"), 0700), -1);
    assert_int_equal(fs_make_folders("/proc/no/such", 0700), -1);
    assert_int_equal(fs_sync_folder(deep), 0);
    assert_int_equal(fs_sync_folder(file), -1);
}

static void measures_space(void **state)
{
    struct scratch *scratch = *state;
    int64_t available = -1, total = -1;

    assert_int_equal(fs_space(scratch->folder, &available, &total), 0);
    assert_true(available >= 0 && total > 0 && available <= total);
    assert_int_equal(fs_space(scratch->folder, NULL, NULL), 0);
    assert_int_equal(fs_space(scratch_path(scratch, "none"), NULL, NULL), -1);
}

static void writes_and_reads_hexadecimal(void **state)
{
    static const uint8_t bytes[] = {0x00, 0x9f, 0xA0, 0xff};
    static const char *const bad[] = {"0", "", "0g", "g0", "00 0", "0099a0f"};
    uint8_t back[4], random[2][16] = {{0}};
    char text[9];

    (void)state;
    fs_hex(bytes, 4, text);
    assert_string_equal(text, "009fa0ff");
    assert_int_equal(fs_unhex("009FA0ff", back, 4), 0);
    assert_memory_equal(back, bytes, 4);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(fs_unhex(bad[i], back, 4), -1);
    fs_random(random[0], 16);
    fs_random(random[1], 16);
    assert_memory_not_equal(random[0], random[1], 16);
}

static void close_keeps_errno(void **state)
{
    (void)state;
    errno = 7;
    fs_close(-1);
    fs_close(dup(0));
    fs_close(9999);
    assert_int_equal(errno, 7);
}

static void bells_ring_until_heard(void **state)
{
    int bell = doorbell_open();

    (void)state;
    assert_true(bell >= 0);
    assert_true(fcntl(bell, F_GETFD) & FD_CLOEXEC);
    assert_false(doorbell_heard(bell));
    doorbell_ring(bell);
    doorbell_ring(bell);
    assert_true(doorbell_heard(bell));
    assert_false(doorbell_heard(bell));
    doorbell_ring(-1);
    assert_false(doorbell_heard(-1));
    close(bell);
}

static void reads_addresses(void **state)
{
    static const struct {
        const char *text, *again; /* NULL: none */
        int port;
    } cases[] = {
        {"0.0.0.0:22",                                                            "0.0.0.0:22",      22   },
        {"10.77.0.1:65535",                                                       "10.77.0.1:65535", 65535},
        {"127.0.0.1:0",                                                           "127.0.0.1:0",     0    },
        {"[::]:22",                                                               "[::]:22",         22   },
        {"[fe80::1]:80",                                                          "[fe80::1]:80",    80   },
        {"[::ffff:10.0.0.1]:80",                                                  "10.0.0.1:80",     80   },
        {"0.0.0.0",                                                               NULL,              0    },
        {"0.0.0.0:",                                                              NULL,              0    },
        {":22",                                                                   NULL,              0    },
        {"0.0.0.0:65536",                                                         NULL,              0    },
        {"0.0.0.0:+22",                                                           NULL,              0    },
        {"0.0.0.0:22x",                                                           NULL,              0    },
        {"0.0.0.0:000022",                                                        NULL,              0    },
        {"::1:22",                                                                NULL,              0    },
        {"[::1:22",                                                               NULL,              0    },
        {"[::1]",                                                                 NULL,              0    },
        {"[10.0.0.1]:22",                                                         NULL,              0    },
        {"localhost:22",                                                          NULL,              0    },
        {"10.0.0:22",                                                             NULL,              0    },
        {"",                                                                      NULL,              0    },
        {"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd]:22", NULL,              0    },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        union listen_address address;
        char text[LISTEN_TEXT_MAX];

        assert_int_equal(listen_parse(cases[i].text, &address), cases[i].again == NULL ? -1 : 0);
        if (cases[i].again == NULL)
            continue;
        listen_text(&address, text);
        assert_string_equal(text, cases[i].again);
        assert_int_equal(listen_port(&address), cases[i].port);
    }
}

static void opens_sockets(void **state)
{
    union listen_address address, bound, none = {.any.sa_family = AF_UNIX};
    char text[LISTEN_TEXT_MAX];
    int fd, other;

    (void)state;
    assert_int_equal(listen_parse("127.0.0.1:0", &address), 0);
    fd = listen_open(&address);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(listen_bound(fd, &bound), 0);
    assert_true(listen_port(&bound) > 0);
    other = listen_open(&bound);
    assert_int_equal(other, -1);
    assert_int_equal(errno, EADDRINUSE);
    close(fd);
    assert_int_equal(listen_bound(-1, &bound), -1);
    assert_int_equal(listen_port(&none), 0);
    listen_text(&none, text);
    assert_string_equal(text, "?:0");
    memset(&none, 0xFF, sizeof(none));
    assert_int_equal(listen_open(&none), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(replaces_files_whole),
        SCRATCH_TEST(reads_no_more_than_fits),
        SCRATCH_TEST(makes_folders),
        SCRATCH_TEST(measures_space),
        cmocka_unit_test(writes_and_reads_hexadecimal),
        cmocka_unit_test(close_keeps_errno),
        cmocka_unit_test(bells_ring_until_heard),
        cmocka_unit_test(reads_addresses),
        cmocka_unit_test(opens_sockets),
    };
    return cmocka_run_group_tests_name("fs", tests, NULL, NULL);
}
