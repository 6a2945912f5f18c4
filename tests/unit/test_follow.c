#include "base/mem.h"
#include "identity/store.h"
#include "mirror/follow.h"
#include "mirror/pass.h"
#include "tests/unit/scratch.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE ((int64_t)100000)
#define HALF ((int64_t)60000)

/* A hub, a store with one flight, and the archive that flies: SIZE bytes, HALF of them here. */
struct world {
    struct config config;
    struct cache *cache;
    struct hub hub;
    struct store *store;
    int pass; /* the fetcher's end */
    struct mirror_flight *follower;
    struct checksum sums[DIGEST_KINDS];
    uint8_t *bytes;
    char name[CHECKSUM_TEXT], *part;
};

static void row(struct world *world, const char *state, int64_t length)
{
    assert_int_equal(
        store_run(world->store,
                  "INSERT INTO flight (id, name, state, length, wanted_at) VALUES (1, ?, ?, ?, 0) "
                  "ON CONFLICT (name) DO UPDATE SET state = excluded.state, "
                  "length = excluded.length",
                  "ssi", world->name, state, length),
        0);
    hub_look(&world->hub, world->store);
}

static void part_is(struct world *world, int64_t length)
{
    int fd = open(world->part, O_WRONLY | O_CREAT, 0640);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, world->bytes, (size_t)length, 0), length);
    close(fd);
}

static void world_init(struct world *world, void **state)
{
    int pass[2];
    *world = (struct world){.bytes = mem_alloc(SIZE)};
    config_init(&world->config);
    free(world->config.box.state);
    world->config.box.state = mem_dup(((struct scratch *)*state)->folder);
    assert_non_null(world->cache = cache_open(&world->config));
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pass), 0);
    world->pass = pass[1];
    assert_int_equal(hub_open(&world->hub, world->cache, &world->config, pass[0]), 0);
    assert_non_null(world->store = store_open_memory());
    for (int64_t i = 0; i < SIZE; i++)
        world->bytes[i] = (uint8_t)(i * i >> 7);
    for (int kind = 0; kind < DIGEST_KINDS; kind++) {
        world->sums[kind].kind = (enum digest_kind)kind;
        digest_of((enum digest_kind)kind, world->bytes, SIZE, world->sums[kind].bytes);
    }
    checksum_name(&world->sums[DIGEST_SHA512], world->name);
    world->part = cache_part_path(world->cache, world->name);
    world->follower = hub_follow(&world->hub, 1, world->name);
    part_is(world, HALF);
    row(world, "flying", SIZE);
}

static void world_done(struct world *world)
{
    mirror_flight_leave(world->follower);
    hub_close(&world->hub);
    close(world->hub.pass_fd);
    close(world->pass);
    store_close(world->store);
    cache_close(world->cache);
    config_done(&world->config);
    free(world->part);
    free(world->bytes);
}

static enum mirror_wait wait_for(struct world *world, int64_t offset, int64_t *available)
{
    int fd = -1;
    return mirror_flight_wait(world->follower, offset, 0, &fd, available);
}

/* The whole archive takes the place of the part, and the store says so. */
static void lands(struct world *world)
{
    part_is(world, SIZE);
    int fd = open(world->part, O_RDWR);
    assert_int_equal(cache_publish(world->cache, world->part, fd, world->sums), 0);
    close(fd);
    row(world, "landed", SIZE);
}

/* Whoever was told that there are bytes asks for the length a moment later: the landing may have
 * come between, and nobody has opened the archive yet. */
static void the_length_is_promised_while_it_lands(void **state)
{
    struct world world;
    int64_t available = 0;
    world_init(&world, state);
    assert_int_equal(wait_for(&world, 0, &available), MIRROR_MORE);
    assert_int_equal(available, HALF);
    lands(&world);
    assert_int_equal(mirror_flight_length(world.follower), SIZE);
    assert_int_equal(wait_for(&world, HALF, &available), MIRROR_DONE);
    assert_int_equal(available, SIZE);
    world_done(&world);
}

/* The same, and it leaves the cache again: who has a head that promises SIZE is cut off. */
static void what_left_at_once_is_lost(void **state)
{
    struct world world;
    int64_t available = 0, left, count;
    world_init(&world, state);
    assert_int_equal(wait_for(&world, 0, &available), MIRROR_MORE);
    lands(&world);
    assert_int_equal(cache_evict(world.cache, 0, &left, &count), 1);
    assert_int_equal(mirror_flight_length(world.follower), SIZE);
    assert_int_equal(wait_for(&world, HALF, &available), MIRROR_LOST);
    world_done(&world);
}

/* The next source announces more: who has a head that promises less gets no byte beyond it, and is
 * cut off; who comes then is promised the new length. */
static void another_length_goes_to_who_comes_after_it(void **state)
{
    struct world world;
    struct mirror_flight *late;
    int64_t available = 0;
    int fd;
    world_init(&world, state);
    row(&world, "flying", HALF + 10);
    assert_int_equal(wait_for(&world, 0, &available), MIRROR_MORE);
    row(&world, "flying", SIZE);
    part_is(&world, SIZE - 5);
    assert_int_equal(mirror_flight_length(world.follower), HALF + 10);
    assert_int_equal(wait_for(&world, HALF, &available), MIRROR_MORE);
    assert_int_equal(available, HALF + 9);
    assert_int_equal(wait_for(&world, HALF + 9, &available), MIRROR_TIMEOUT);
    assert_non_null(late = hub_join(&world.hub, world.name));
    assert_int_equal(mirror_flight_wait(late, 0, 0, &fd, &available), MIRROR_MORE);
    assert_int_equal(available, SIZE - 5);
    assert_int_equal(mirror_flight_length(late), SIZE);
    mirror_flight_leave(late);
    lands(&world);
    assert_int_equal(wait_for(&world, HALF + 9, &available), MIRROR_LOST);
    world_done(&world);
}

/* Who asks after the landing is promised what is in the cache. */
static void a_landed_archive_has_its_own_length(void **state)
{
    struct world world;
    int64_t available = 0;
    world_init(&world, state);
    lands(&world);
    assert_int_equal(wait_for(&world, 0, &available), MIRROR_DONE);
    assert_int_equal(available, SIZE);
    assert_int_equal(mirror_flight_length(world.follower), SIZE);
    world_done(&world);
}

/* What the fetcher says of memory of its own, with so many right bytes; wrong: its first is not. */
static void note(struct world *world, int64_t bytes, bool whole, bool wrong)
{
    struct pass_note note = {.length = SIZE, .whole = whole};
    int fd = memfd_create("test", MFD_CLOEXEC);
    strcpy(note.name, world->name);
    assert_int_equal(pwrite(fd, world->bytes, (size_t)bytes, 0), bytes);
    if (wrong)
        assert_int_equal(pwrite(fd, "?", 1, 0), 1);
    assert_int_equal(pass_send(world->pass, &note, fd), 0);
    close(fd);
}

/* On a full disk the bytes move into memory: they are gone on with there, the row's failure means
 * nothing any more, and who comes a moment later has the whole, too. */
static void what_lies_in_memory_is_followed(void **state)
{
    struct world world;
    int64_t available = 0;
    world_init(&world, state);
    assert_int_equal(wait_for(&world, 0, &available), MIRROR_MORE);
    assert_int_equal(unlink(world.part), 0);
    note(&world, HALF + 10, false, false);
    hub_hear(&world.hub);
    assert_int_equal(wait_for(&world, HALF, &available), MIRROR_MORE);
    assert_int_equal(available, HALF + 10);
    note(&world, SIZE, true, false);
    row(&world, "failed", SIZE);
    assert_int_equal(wait_for(&world, HALF + 10, &available), MIRROR_DONE);
    assert_int_equal(available, SIZE);
    mirror_flight_leave(world.follower);
    world.follower = hub_join(&world.hub, world.name);
    assert_non_null(world.follower);
    assert_int_equal(wait_for(&world, 0, &available), MIRROR_DONE);
    world_done(&world);
}

/* A fetcher that began anew sends other bytes: who has the old ones gets no end to them. */
static void memory_of_other_bytes_cuts_those_who_have_the_old(void **state)
{
    struct world world;
    int64_t available = 0;
    world_init(&world, state);
    struct mirror_flight *late = hub_join(&world.hub, world.name);
    note(&world, HALF, false, true);
    hub_hear(&world.hub);
    assert_int_equal(wait_for(&world, 0, &available), MIRROR_MORE);
    note(&world, SIZE, true, false);
    hub_hear(&world.hub);
    assert_int_equal(wait_for(&world, HALF, &available), MIRROR_LOST);
    mirror_flight_leave(world.follower);
    world.follower = late;
    assert_int_equal(wait_for(&world, 0, &available), MIRROR_DONE);
    world_done(&world);
}

/* A fetcher that is killed again and again leaves its memory to those who read from it, not without
 * end. */
static void memory_of_fetchers_that_died_counts(void **state)
{
    enum mirror_wait result = MIRROR_MORE;
    struct world world;
    int64_t available = 0, bytes = 0;
    world_init(&world, state);
    while (bytes < 6 * PASS_MAX && result == MIRROR_MORE) {
        struct pass_note note = {.length = SIZE};
        int fd = memfd_create("test", MFD_CLOEXEC);
        strcpy(note.name, world.name);
        assert_int_equal(ftruncate(fd, PASS_MAX), 0);
        assert_int_equal(pass_send(world.pass, &note, fd), 0);
        close(fd);
        hub_hear(&world.hub);
        result = wait_for(&world, 0, &available);
        bytes += PASS_MAX;
    }
    assert_int_equal(result, MIRROR_LOST);
    assert_int_equal(bytes, 4 * PASS_MAX);
    world_done(&world);
}

static int open_files(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Whoever holds the other end hands over one descriptor a note, whatever it sends. */
static void a_packet_leaves_one_descriptor(void **state)
{
    struct pass_note note = {.length = SIZE, .name = "sha256:00"};
    struct iovec part = {&note, sizeof note};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {
        .head = {CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS}
    };
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    const int sent[] = {STDERR_FILENO, STDERR_FILENO};
    int ends[2], before, fd;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    before = open_files();
    memcpy(CMSG_DATA(&control.head), sent, sizeof sent);
    assert_int_equal(sendmsg(ends[1], &message, 0), sizeof note);
    fd = pass_receive(ends[0], &note);
    close(fd);
    assert_int_equal(open_files(), before);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(the_length_is_promised_while_it_lands),
        SCRATCH_TEST(what_left_at_once_is_lost),
        SCRATCH_TEST(another_length_goes_to_who_comes_after_it),
        SCRATCH_TEST(a_landed_archive_has_its_own_length),
        SCRATCH_TEST(what_lies_in_memory_is_followed),
        SCRATCH_TEST(memory_of_other_bytes_cuts_those_who_have_the_old),
        SCRATCH_TEST(memory_of_fetchers_that_died_counts),
        cmocka_unit_test(a_packet_leaves_one_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
