/*
 * An archive's arrival on disks that fill up and fail, and by fetchers that die: at any one call
 * that writes, syncs, links or renames.
 */
#include "base/mem.h"
#include "mirror/part.h"
#include "tests/unit/disk_calls.h"
#include "tests/unit/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>

#define SIZE  ((int64_t)600000)
#define PIECE ((int64_t)100000)

static void picture(int fd)
{
    (void)fd;
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    return fails() ? -1 : (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

struct world {
    struct config config;
    struct cache *cache;
    uint8_t right[SIZE];
    struct checksum sums[DIGEST_KINDS];
    char name[CHECKSUM_TEXT];
};

static struct world *world_new(void **state)
{
    struct world *world = mem_alloc(sizeof *world);

    config_init(&world->config);
    free(world->config.box.state);
    world->config.box.state = mem_dup(((struct scratch *)*state)->folder);
    world->cache = cache_open(&world->config);
    assert_non_null(world->cache);
    for (int64_t i = 0; i < SIZE; i++)
        world->right[i] = (uint8_t)(i * i / 7919);
    for (int kind = 0; kind < DIGEST_KINDS; kind++) {
        world->sums[kind].kind = (enum digest_kind)kind;
        digest_of((enum digest_kind)kind, world->right, SIZE, world->sums[kind].bytes);
    }
    checksum_name(&world->sums[DIGEST_SHA512], world->name);
    return world;
}

static void world_free(struct world *world)
{
    cache_close(world->cache);
    config_done(&world->config);
    free(world);
}

/* The archive arrives from where it was, and is shown as it comes. Whether it is published. */
static bool arrive(struct world *world)
{
    struct part *part = part_open(world->cache, world->name,
                                  &(struct part_archive){world->sums, DIGEST_KINDS, NULL});
    enum part_put put = PART_OK;
    bool good = false;

    if (part == NULL)
        return false;
    if (!part_is_complete(part) && part_begin(part, part_offset(part), SIZE) == 0) {
        for (int64_t at = part_offset(part); at < SIZE && put == PART_OK; at += PIECE) {
            int64_t step = at + PIECE > SIZE ? SIZE - at : PIECE;

            put = part_put(part, world->right + at, (size_t)step, at);
            if (put == PART_OK)
                put = part_show(part, at + PART_DELAY_MS);
        }
        if (put == PART_OK)
            assert_int_equal(part_end(part), PART_RIGHT);
        else
            part_break(part);
    }
    if (put == PART_OK)
        good = part_publish(part) == 0;
    part_close(part);
    return good;
}

/* Under each name that is there lies the archive, whole; under all of them if it is published. */
static void check(struct world *world, bool published)
{
    uint8_t *bytes = mem_alloc(SIZE + 1);

    for (int kind = 0; kind < DIGEST_KINDS; kind++) {
        int fd = cache_get(world->cache, &world->sums[kind], NULL);

        assert_true(fd >= 0 || !published);
        if (fd < 0)
            continue;
        assert_int_equal(read(fd, bytes, SIZE + 1), SIZE);
        assert_memory_equal(bytes, world->right, SIZE);
        close(fd);
    }
    free(bytes);
}

/* What an archive that has not been published leaves is one part, which another try takes up. */
static void check_recovery(struct world *world)
{
    char *folder = cache_path(world->cache, "parts");
    DIR *parts;
    int left = 0;

    if (!cache_has(world->cache, &world->sums[DIGEST_SHA256], NULL))
        assert_true(arrive(world));
    check(world, cache_has(world->cache, &world->sums[DIGEST_SHA512], NULL));
    parts = opendir(folder);
    assert_non_null(parts);
    for (struct dirent *entry; (entry = readdir(parts)) != NULL;)
        left += *entry->d_name != '.';
    closedir(parts);
    assert_int_equal(left, 0);
    free(folder);
    assert_int_equal(cache_remove(world->cache, &world->sums[DIGEST_SHA256]), 0);
    for (int kind = 0; kind < DIGEST_KINDS; kind++)
        assert_false(cache_has(world->cache, &world->sums[kind], NULL));
}

static void every_call_may_fail(void **state)
{
    static const int errors[] = {ENOSPC, EIO};
    struct world *world = world_new(state);

    for (size_t e = 0; e < 2; e++) {
        for (int n = 1;; n++) {
            calls = 0;
            fail_at = n;
            fail_errno = errors[e];
            armed = true;
            bool published = arrive(world);
            armed = false;
            check(world, published);
            check_recovery(world);
            if (calls < n) {
                assert_true(published && n > 8);
                break;
            }
        }
    }
    world_free(world);
}

static void the_fetcher_may_die_at_every_call(void **state)
{
    struct world *world = world_new(state);
    int status = 42 << 8;

    fail_at = 0;
    for (int n = 1; status != 0; n++) {
        pid_t pid = fork();

        if (pid == 0) {
            calls = 0;
            cut_at = n;
            armed = true;
            _exit(arrive(world) ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(status == 0 || WEXITSTATUS(status) == 42);
        check(world, status == 0);
        check_recovery(world);
    }
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(every_call_may_fail),
        SCRATCH_TEST(the_fetcher_may_die_at_every_call),
    };
    return cmocka_run_group_tests_name("part: faults", tests, NULL, NULL);
}
