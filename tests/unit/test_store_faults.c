/*
 * The store on disks that fill up and fail: at each single write, sync and truncation of what
 * people do, ENOSPC and EIO in turn.
 *
 * The calls that write and sync are this program's own (a program's definition comes before the C
 * library's). Whatever failed, what was acknowledged before is there, what failed is there whole or
 * not at all, the store is sound, and it goes on as soon as the disk does. RIAD_CAMPAIGN=full does
 * each call with each error, once and for as long as it is tried; otherwise one of these each.
 */
#include "identity/conversation.h"
#include "identity/credential.h"
#include "tests/unit/people.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static int calls, fail_at, fail_errno;
static bool armed, failed, lasting; /* lasting: the disk stays full until it is disarmed */
static void (*between)(void);       /* comes between two writes that make room, once */

static bool fails(void)
{
    if (!armed)
        return false;
    calls++;
    if (calls != fail_at && !(lasting && calls > fail_at))
        return false;
    failed = true;
    errno = fail_errno;
    return true;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    if (fd == STDERR_FILENO && armed) /* the log of what is wanted to fail */
        return (ssize_t)length;
    return fails() ? -1 : syscall(SYS_write, fd, bytes, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    void (*now)(void) = length == 1 ? between : NULL;

    if (now) {
        between = NULL;
        now();
    }
    return fails() ? -1 : syscall(SYS_pwrite64, fd, bytes, length, offset);
}

/* Files are built with 64-bit offsets, whose calls have names of their own; libraries may use the
 * plain ones. */
ssize_t plain_pwrite(int fd, const void *bytes, size_t length, long offset) __asm__("pwrite");
int plain_ftruncate(int fd, long length) __asm__("ftruncate");

ssize_t plain_pwrite(int fd, const void *bytes, size_t length, long offset)
{
    return pwrite(fd, bytes, length, offset);
}

int fsync(int fd)
{
    return fails() ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return fails() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t length)
{
    return fails() ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

int plain_ftruncate(int fd, long length)
{
    return ftruncate(fd, length);
}

/* ---- what people do ---- */

static int enter(struct store *store)
{
    struct person_attempt attempt = attempt_with("late", "late");
    struct person person;

    return person_enter(store, &attempt, &person) == CLAIM_MADE ? 0 : -1;
}

static int say(struct store *store)
{
    struct message_new messages[] = {
        {.room_id = ROOM_LOBBY, .kind = MESSAGE_SAY, .text = "late one"  },
        {.room_id = ROOM_LOBBY, .kind = MESSAGE_SAY, .text = "late other"},
    };

    return conversation_say(store, messages, 2, NULL);
}

static int sync_now(struct store *store)
{
    return store_sync(store);
}

static int sign_in(struct store *store)
{
    uint8_t digest[DIGEST_SHA256_SIZE] = {7};

    return credential_add(store, 1, "browser", digest, "late", "10.77.0.9", 0) < 0 ? -1 : 0;
}

static int checkpoint(struct store *store)
{
    return store_checkpoint(store);
}

static const struct {
    int (*act)(struct store *store);
    const char *count; /* of what it leaves */
    int64_t whole;
} acts[] = {
    {enter,      "SELECT count(*) FROM person WHERE name = 'late'",      1},
    {say,        "SELECT count(*) FROM message WHERE text LIKE 'late%'", 2},
    {sync_now,   "SELECT 0",                                             0},
    {sign_in,    "SELECT count(*) FROM credential WHERE label = 'late'", 1},
    {checkpoint, "SELECT 0",                                             0},
};

static int64_t counted(struct store *store, const char *sql)
{
    int64_t value = -1;

    assert_int_equal(store_int(store, &value, sql, ""), 1);
    return value;
}

static struct store *begin(const char *path)
{
    struct message_new first = {.room_id = ROOM_LOBBY, .kind = MESSAGE_SAY, .text = "before"};
    struct store *store;

    assert_int_equal(store_migrate(path), 0);
    store = store_open(path);
    claim(store, "ada");
    assert_int_equal(conversation_say(store, &first, 1, NULL), 0);
    return store;
}

/* Acts with the call number n failing; whether one failed at all. */
static bool act_failing(const char *path, size_t i, int n, int error, bool stays)
{
    struct store *store = begin(path);
    int64_t there;
    int result;

    calls = 0;
    fail_at = n;
    fail_errno = error;
    failed = false;
    lasting = stays;
    armed = true;
    result = acts[i].act(store);
    armed = false;
    there = counted(store, acts[i].count);
    if (result == 0)
        assert_int_equal(there, acts[i].whole);
    assert_true(there == 0 || there == acts[i].whole);
    /* It goes on, and is as sound and whole after a new start. */
    struct message_new after = {.room_id = ROOM_LOBBY, .kind = MESSAGE_SAY, .text = "after"};
    assert_int_equal(conversation_say(store, &after, 1, NULL), 0);
    store_close(store);
    assert_int_equal(store_check(path, NULL), 1);
    store = store_open(path);
    assert_non_null(store);
    assert_int_equal(counted(store, acts[i].count), there);
    assert_int_equal(counted(store, "SELECT count(*) FROM message WHERE text = 'before'"), 1);
    assert_int_equal(counted(store, "SELECT count(*) FROM message WHERE text = 'after'"), 1);
    assert_int_equal(counted(store, "SELECT count(*) FROM person WHERE name = 'ada'"), 1);
    store_close(store);
    return failed;
}

static void every_write_and_sync_may_fail(void **state)
{
    static const int errors[] = {ENOSPC, EIO};
    const char *path = scratch_path(*state, "riad.db");
    const char *wish = getenv("RIAD_CAMPAIGN");
    bool full = wish && strcmp(wish, "full") == 0;
    int tried = 0;

    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        for (size_t e = 0; e < (full ? 4 : 1); e++)
            for (int n = 1, more = 1; more; n++, tried++) {
                more = act_failing(path, i, n, errors[(full ? (int)e : n) % 2],
                                   full ? e >= 2 : n % 4 >= 2);
                unlink(path);
            }
    print_message("%d failing writes and syncs: nothing half there\n", tried);
}

/* ---- room that is made ---- */

#define FACT_BYTES 30000

static struct store *grower;

/* Facts until the file has so many bytes, and the log copied into it. */
static void grow_to(int64_t bytes)
{
    static int number;
    char name[16], value[FACT_BYTES + 1];

    memset(value, 'v', FACT_BYTES);
    value[FACT_BYTES] = '\0';
    while (counted(grower, "SELECT page_count * page_size FROM pragma_page_count, "
                           "pragma_page_size") < bytes) {
        snprintf(name, sizeof name, "%d", number++);
        assert_int_equal(store_set_fact(grower, name, value), 0);
    }
    assert_int_equal(store_checkpoint(grower), 0);
}

static void grow_far(void)
{
    grow_to(1400000);
}

/* Whoever opens the store leaves alone what somebody else copies into it at that moment. */
static void who_opens_writes_no_page(void **state)
{
    const char *path = scratch_path(*state, "riad.db");
    struct store *opened;

    assert_int_equal(store_migrate(path), 0);
    grower = store_open(path);
    grow_to(1000000);
    between = grow_far;
    opened = store_open(path);
    between = NULL;
    grow_far();
    assert_int_equal(counted(opened, "SELECT count(*) FROM fact WHERE length(name) < 4 AND "
                                     "(length(value) != 30000 OR instr(value, char(0)))"),
                     0);
    store_close(opened);
    store_close(grower);
    assert_int_equal(store_check(path, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(every_write_and_sync_may_fail),
        SCRATCH_TEST(who_opens_writes_no_page),
    };

    return cmocka_run_group_tests_name("store: faults", tests, NULL, NULL);
}
