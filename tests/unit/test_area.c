#include "base/mem.h"
#include "mirror/area.h"
#include "tests/unit/scratch.h"

#include <errno.h>
#include <unistd.h>

/* A disk and a memory with so much room left. */
struct world {
    int64_t disk, memory;
    int asked;
    struct area_room room;
    struct area area;
};

static int64_t disk(void *context, int64_t bytes)
{
    struct world *world = context;
    world->asked++;
    int64_t granted = world->disk >= bytes ? world->disk : 0;
    world->disk -= granted;
    return granted;
}

static bool memory(void *context, int64_t bytes)
{
    struct world *world = context;
    return world->area.size * world->area.in_memory + bytes <= world->memory;
}

static void world_init(struct world *world, void **state, int64_t on_disk, int64_t in_memory)
{
    *world = (struct world){.disk = on_disk, .memory = in_memory};
    world->room = (struct area_room){disk, memory, world};
    area_init(&world->area, mem_dup(scratch_path(*state, "area")), &world->room);
    assert_int_equal(area_open(&world->area), 0);
}

static void assert_holds(struct world *world, const char *text)
{
    char here[64] = "";
    assert_int_equal(world->area.size, strlen(text));
    assert_int_equal(pread(world->area.fd, here, sizeof here, 0), strlen(text));
    assert_string_equal(here, text);
}

static void room_is_asked_for_once_granted(void **state)
{
    struct world world;
    world_init(&world, state, 6, 0);
    assert_int_equal(area_put(&world.area, "abc", 3), 0);
    assert_int_equal(area_put(&world.area, "def", 3), 0);
    assert_int_equal(world.asked, 1);
    assert_int_equal(area_put(&world.area, "g", 1), -1);
    assert_int_equal(errno, ENOSPC);
    assert_holds(&world, "abcdef");
    assert_int_equal(access(world.area.path, F_OK), 0);
    area_done(&world.area);
}

static void what_the_disk_does_not_take_lies_in_memory(void **state)
{
    struct world world;
    world_init(&world, state, 3, 8);
    assert_int_equal(area_put(&world.area, "abc", 3), 0);
    assert_false(world.area.in_memory);
    assert_int_equal(area_put(&world.area, "def", 3), 0);
    assert_true(world.area.in_memory);
    assert_int_equal(access(world.area.path, F_OK), -1);
    assert_holds(&world, "abcdef");
    assert_int_equal(area_put(&world.area, "ghi", 3), -1);
    assert_int_equal(errno, ENOSPC);
    assert_holds(&world, "abcdef");
    assert_int_equal(area_lower(&world.area), 0);
    assert_false(world.area.in_memory);
    assert_int_equal(access(world.area.path, F_OK), 0);
    assert_int_equal(area_put(&world.area, "", 0), 0); /* and asks for nothing */
    assert_false(world.area.in_memory);
    assert_holds(&world, "abcdef");
    area_clear(&world.area);
    assert_int_equal(access(world.area.path, F_OK), -1);
    area_done(&world.area);
}

static void what_is_larger_than_memory_stays_where_it_is(void **state)
{
    struct world world;
    world_init(&world, state, 6, 4);
    assert_int_equal(area_put(&world.area, "abcdef", 6), 0);
    assert_int_equal(area_put(&world.area, "g", 1), -1);
    assert_int_equal(area_lift(&world.area), -1);
    assert_holds(&world, "abcdef");
    area_done(&world.area);
    world_init(&world, state, 0, 4);
    assert_int_equal(world.area.size, 6); /* taken up */
    area_done(&world.area);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(room_is_asked_for_once_granted),
        SCRATCH_TEST(what_the_disk_does_not_take_lies_in_memory),
        SCRATCH_TEST(what_is_larger_than_memory_stays_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
