#include "base/fs.h"
#include "base/mem.h"
#include "mirror/part.h"
#include "tests/unit/scratch.h"

#include <unistd.h>

#define SIZE ((int64_t)600000)

/* A mirror of its own, and an archive of SIZE bytes with its digests. */
struct world {
    struct config config;
    struct cache *cache;
    uint8_t *right, *wrong; /* wrong differs at byte `flip` */
    struct checksum sums[DIGEST_KINDS];
    char name[CHECKSUM_TEXT];
};

static void world_init(struct world *world, void **state, size_t flip)
{
    uint32_t seed = 1;
    config_init(&world->config);
    free(world->config.box.state);
    world->config.box.state = mem_dup(((struct scratch *)*state)->folder);
    world->cache = cache_open(&world->config);
    assert_non_null(world->cache);
    world->right = mem_alloc(SIZE);
    world->wrong = mem_alloc(SIZE);
    for (int64_t i = 0; i < SIZE; i++) {
        seed = seed * 1664525u + 1013904223u;
        world->wrong[i] = world->right[i] = (uint8_t)(seed >> 24);
    }
    world->wrong[flip] ^= 1;
    for (int kind = 0; kind < DIGEST_KINDS; kind++) {
        world->sums[kind].kind = (enum digest_kind)kind;
        digest_of((enum digest_kind)kind, world->right, SIZE, world->sums[kind].bytes);
    }
    checksum_name(&world->sums[DIGEST_SHA512], world->name);
}

static void world_done(struct world *world)
{
    cache_close(world->cache);
    config_done(&world->config);
    free(world->right);
    free(world->wrong);
}

static struct part *open_part(struct world *world)
{
    struct part *part = part_open(world->cache, world->name,
                                  &(struct part_archive){world->sums, DIGEST_KINDS, NULL});
    assert_non_null(part);
    return part;
}

static int64_t shown(struct world *world)
{
    char *path = cache_part_path(world->cache, world->name);
    struct stat info;
    int64_t size = stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
    free(path);
    return size;
}

static void put(struct part *part, const uint8_t *bytes, int64_t from, int64_t to, int64_t now)
{
    for (int64_t step = 10000; from < to; from += step) {
        if (step > to - from)
            step = to - from;
        assert_int_equal(part_put(part, bytes + from, (size_t)step, now), PART_OK);
    }
}

static void assert_cached(struct world *world)
{
    struct stat info[DIGEST_KINDS];
    for (int kind = 0; kind < DIGEST_KINDS; kind++) {
        int fd = cache_get(world->cache, &world->sums[kind], &info[kind]);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(info[kind].st_size, SIZE);
        assert_int_equal(info[kind].st_ino, info[0].st_ino);
    }
    assert_int_equal(shown(world), -1);
}

static void the_end_is_held_back(void **state)
{
    struct world world;
    struct part *part;
    world_init(&world, state, 0);
    part = open_part(&world);
    assert_int_equal(part_begin(part, 0, SIZE), 0);
    put(part, world.right, 0, 100000, 1000);
    assert_int_equal(shown(&world), -1);
    assert_int_equal(part_due(part), 1000 + PART_DELAY_MS);
    assert_int_equal(part_show(part, 1000 + PART_DELAY_MS), PART_OK);
    assert_int_equal(shown(&world), 100000);
    put(part, world.right, 100000, SIZE, 2000);
    assert_int_equal(part_show(part, 3000), PART_OK);
    assert_int_equal(shown(&world), SIZE - PART_TAIL);
    assert_int_equal(part_put(part, "x", 1, 3000), PART_TOO_LONG);
    assert_int_equal(part_end(part), PART_RIGHT);
    assert_int_equal(part_publish(part), 0);
    part_close(part);
    assert_cached(&world);
    world_done(&world);
}

static void a_part_survives_a_restart(void **state)
{
    struct world world;
    struct part *part;
    world_init(&world, state, 0);
    part = open_part(&world);
    assert_int_equal(part_begin(part, 0, SIZE), 0);
    put(part, world.right, 0, 200000, 0);
    assert_int_equal(part_show(part, 1000), PART_OK);
    part_close(part);
    part = open_part(&world);
    assert_int_equal(part_offset(part), 200000);
    assert_false(part_is_complete(part));
    assert_int_equal(part_begin(part, 100000, SIZE), -1);
    assert_int_equal(part_begin(part, 200000, SIZE), 0);
    put(part, world.right, 200000, SIZE, 0);
    assert_int_equal(part_end(part), PART_RIGHT);
    assert_int_equal(part_publish(part), 0);
    part_close(part);
    assert_cached(&world);
    world_done(&world);
}

static void without_range_it_is_compared(void **state)
{
    struct world world;
    struct part *part;
    world_init(&world, state, 0);
    part = open_part(&world);
    assert_int_equal(part_begin(part, 0, -1), 0);
    put(part, world.right, 0, 200000, 0);
    assert_int_equal(part_show(part, 1000), PART_OK);
    assert_int_equal(shown(&world), 200000 - PART_TAIL_OPEN);
    part_break(part);
    assert_int_equal(part_begin(part, 0, -1), 0);
    put(part, world.right, 0, 150000, 0);
    assert_int_equal(part_received(part), 200000);
    put(part, world.right, 150000, SIZE, 0);
    assert_int_equal(part_end(part), PART_RIGHT);
    assert_int_equal(part_publish(part), 0);
    part_close(part);
    assert_cached(&world);
    world_done(&world);
}

/* Wrong bytes that nobody has seen are forgotten; those that were shown are set right aside. */
static void wrong_bytes_give_way(void **state)
{
    struct world world;
    struct part *part;
    world_init(&world, state, 1000);
    part = open_part(&world);
    assert_int_equal(part_begin(part, 0, SIZE), 0);
    put(part, world.wrong, 0, SIZE, 0);
    assert_int_equal(part_end(part), PART_WRONG);
    assert_int_equal(part_offset(part), 0);
    assert_int_equal(part_received(part), 0);
    assert_int_equal(part_begin(part, 0, SIZE), 0);
    put(part, world.wrong, 0, SIZE, 0);
    assert_int_equal(part_show(part, 1000), PART_OK);
    assert_int_equal(part_end(part), PART_WRONG);
    assert_int_equal(shown(&world), SIZE - PART_TAIL);
    assert_int_equal(part_offset(part), 0);
    assert_int_equal(part_begin(part, 0, SIZE), 0);
    put(part, world.right, 0, SIZE, 0);
    assert_int_equal(part_end(part), PART_RIGHT);
    assert_int_equal(part_size(part), SIZE);
    assert_int_equal(part_publish(part), 0);
    part_close(part);
    assert_cached(&world);
    world_done(&world);
}

static int64_t no_disk(void *context, int64_t bytes)
{
    (void)context, (void)bytes;
    return 0;
}

static bool much_memory(void *context, int64_t bytes)
{
    (void)context, (void)bytes;
    return true;
}

/* The same on a full disk, where others made room at the end. */
static void wrong_bytes_in_memory_give_way(void **state)
{
    static const struct area_room room = {no_disk, much_memory, NULL};
    struct world world;
    struct part *part;
    int64_t seen = 0;
    world_init(&world, state, 1000);
    part =
        part_open(world.cache, world.name, &(struct part_archive){world.sums, DIGEST_KINDS, &room});
    assert_non_null(part);
    assert_int_equal(part_begin(part, 0, SIZE), 0);
    put(part, world.wrong, 0, SIZE, 0);
    assert_int_equal(part_memory(part, &seen), -1);
    assert_int_equal(part_show(part, 1000), PART_OK);
    assert_true(part_memory(part, &seen) >= 0);
    assert_int_equal(seen, SIZE - PART_TAIL);
    assert_int_equal(part_end(part), PART_WRONG);
    assert_int_equal(part_begin(part, 0, SIZE), 0);
    put(part, world.right, 0, SIZE, 0);
    assert_int_equal(part_end(part), PART_RIGHT);
    assert_int_equal(part_size(part), SIZE);
    assert_int_equal(part_in_memory(part), seen + SIZE);
    assert_int_equal(part_publish(part), 1);
    assert_int_equal(shown(&world), -1);
    assert_int_equal(part_lower(part), 0);
    assert_int_equal(part_publish(part), 0);
    assert_int_equal(part_in_memory(part), 0);
    part_close(part);
    assert_cached(&world);
    world_done(&world);
}

/* A wrong source after a right beginning does no harm. */
static void a_wrong_second_source_is_left(void **state)
{
    struct world world;
    struct part *part;
    world_init(&world, state, 1000);
    part = open_part(&world);
    assert_int_equal(part_begin(part, 0, SIZE), 0);
    put(part, world.right, 0, 200000, 0);
    assert_int_equal(part_show(part, 1000), PART_OK);
    part_break(part);
    assert_int_equal(part_begin(part, 0, SIZE), 0);
    put(part, world.wrong, 0, SIZE, 0);
    assert_int_equal(part_end(part), PART_WRONG);
    assert_int_equal(part_offset(part), 200000);
    assert_int_equal(part_begin(part, 200000, SIZE), 0);
    put(part, world.right, 200000, SIZE, 0);
    assert_int_equal(part_end(part), PART_RIGHT);
    assert_int_equal(part_publish(part), 0);
    part_close(part);
    assert_cached(&world);
    world_done(&world);
}

/* Killed in the midst of publishing what it had beside the part: that file has one name in the
 * cache already, and clients read it. The next one must not write into it. */
static void what_has_a_name_already_is_left_alone(void **state)
{
    struct world world;
    struct part *part;
    struct stat info;
    char name[CHECKSUM_TEXT], *other, *named;
    world_init(&world, state, 1000);
    part = open_part(&world);
    assert_int_equal(part_begin(part, 0, SIZE), 0);
    put(part, world.wrong, 0, SIZE, 0);
    assert_int_equal(part_show(part, 1000), PART_OK);
    assert_int_equal(part_end(part), PART_WRONG);
    part_close(part);

    char *part_path = cache_part_path(world.cache, world.name);
    other = mem_printf("%s.other", part_path);
    checksum_path(&world.sums[DIGEST_MD5], name);
    char *below = mem_printf("cache/%s", name);
    named = cache_path(world.cache, below);
    assert_int_equal(fs_replace_file(other, world.right, (size_t)SIZE, 0640), 0);
    char *folder = mem_dup(named);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(fs_make_folders(folder, 0770), 0);
    assert_int_equal(link(other, named), 0);

    part = open_part(&world);
    assert_int_equal(part_begin(part, 0, SIZE), 0);
    put(part, world.right, 0, 100000, 0);
    assert_int_equal(stat(named, &info), 0);
    assert_int_equal(info.st_size, SIZE);
    put(part, world.right, 100000, SIZE, 0);
    assert_int_equal(part_end(part), PART_RIGHT);
    assert_int_equal(part_publish(part), 0);
    part_close(part);
    assert_cached(&world);
    free(folder);
    free(named);
    free(below);
    free(other);
    free(part_path);
    world_done(&world);
}

static void short_and_too_long_are_told(void **state)
{
    struct world world;
    struct part *part;
    world_init(&world, state, 0);
    part = open_part(&world);
    assert_int_equal(part_begin(part, 0, PART_MAX + 1), -1);
    assert_int_equal(part_begin(part, 0, SIZE), 0);
    put(part, world.right, 0, 1000, 0);
    assert_int_equal(part_end(part), PART_SHORT);
    part_discard(part);
    assert_int_equal(shown(&world), -1);
    world_done(&world);
}

static int count_files(void *context, const struct cache_file *file)
{
    int *kept = context;
    *kept += file->kept ? 100 : 1;
    return 0;
}

static void the_least_used_leave_first(void **state)
{
    struct world world;
    struct checksum sums[4][DIGEST_KINDS];
    int64_t left, count;
    int seen = 0;
    world_init(&world, state, 0);
    for (int i = 0; i < 4; i++) {
        char text[8], name[CHECKSUM_TEXT];
        struct part *part;
        int length = snprintf(text, sizeof text, "file %d", i);
        for (int kind = 0; kind < DIGEST_KINDS; kind++) {
            sums[i][kind] = (struct checksum){.kind = (enum digest_kind)kind};
            digest_of((enum digest_kind)kind, text, (size_t)length, sums[i][kind].bytes);
        }
        checksum_name(&sums[i][DIGEST_MD5], name);
        part = part_open(world.cache, name, &(struct part_archive){sums[i], DIGEST_KINDS, NULL});
        assert_int_equal(part_begin(part, 0, length), 0);
        assert_int_equal(part_put(part, text, (size_t)length, 0), PART_OK);
        assert_int_equal(part_end(part), PART_RIGHT);
        assert_int_equal(part_publish(part), 0);
        part_close(part);
    }
    assert_int_equal(cache_keep(world.cache, &sums[0][DIGEST_SHA256], true), 0);
    assert_int_equal(cache_walk(world.cache, count_files, &seen), 0);
    assert_int_equal(seen, 103);
    assert_int_equal(cache_evict(world.cache, 14, &left, &count), 2);
    assert_int_equal(left, 12);
    assert_int_equal(count, 2);
    assert_true(cache_has(world.cache, &sums[0][DIGEST_MD5], NULL));
    assert_int_equal(cache_evict(world.cache, 0, &left, &count), 2);
    for (int i = 0; i < 4; i++)
        for (int kind = 0; kind < DIGEST_KINDS; kind++)
            assert_false(cache_has(world.cache, &sums[i][kind], NULL));
    world_done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(the_end_is_held_back),
        SCRATCH_TEST(a_part_survives_a_restart),
        SCRATCH_TEST(without_range_it_is_compared),
        SCRATCH_TEST(wrong_bytes_give_way),
        SCRATCH_TEST(wrong_bytes_in_memory_give_way),
        SCRATCH_TEST(a_wrong_second_source_is_left),
        SCRATCH_TEST(short_and_too_long_are_told),
        SCRATCH_TEST(the_least_used_leave_first),
        SCRATCH_TEST(what_has_a_name_already_is_left_alone),
    };
    return cmocka_run_group_tests_name("part", tests, NULL, NULL);
}
