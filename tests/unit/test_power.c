/*
 * The store under power cuts and kill -9.
 *
 * A shim under SQLite notes what is written, truncated and synced. At a random moment, in the midst
 * of a transaction or a checkpoint too, it lays down the files as a disk may hold them after a cut:
 * all that was synced, and of the rest a random part, torn at sectors. Opened again, the store must
 * be sound, with everybody who was told that a name is theirs, and with the words that were said as
 * a beginning of those that were: all that had been synced, no gap, nothing twice.
 *
 * RIAD_CAMPAIGN=full does the numbers of a campaign (300 cuts, 200 kills).
 */
#include "base/fs.h"
#include "base/mem.h"
#include "identity/conversation.h"
#include "tests/unit/people.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECTOR 512
#define FILES  2 /* riad.db, riad.db-wal */

static int campaign(int brief, int full)
{
    const char *wish = getenv("RIAD_CAMPAIGN");
    return wish && strcmp(wish, "full") == 0 ? full : brief;
}

/* ---- what a disk would hold ---- */

struct pending {
    struct pending *next;
    sqlite3_int64 offset;
    int length; /* -1: cut to offset */
    uint8_t bytes[];
};

static struct disk {
    char name[160];
    uint8_t *synced;
    size_t length;
    struct pending *first, **last;
} disks[FILES];

static unsigned seed = 1;
static int64_t cut_in = -1; /* so many writes until the next cut; -1 none is due */
static bool cut_done;
static char cut_folder[160];

/* What the writer had been told when the cut came. */
static int64_t people, said, said_synced, people_at_cut, said_at_cut, said_synced_at_cut;

static unsigned chance(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % below;
}

static void apply(uint8_t **bytes, size_t *length, const struct pending *write, int take)
{
    size_t end = write->length < 0 ? (size_t)write->offset : (size_t)write->offset + (size_t)take;
    if (write->length < 0) {
        *length = end < *length ? end : *length;
        return;
    }
    if (end > *length) {
        *bytes = mem_resize(*bytes, end + 1, 1);
        memset(*bytes + *length, 0, end - *length);
        *length = end;
    }
    memcpy(*bytes + write->offset, write->bytes, (size_t)take);
}

static void disk_sync(struct disk *disk)
{
    while (disk->first) {
        struct pending *write = disk->first;
        apply(&disk->synced, &disk->length, write, write->length);
        disk->first = write->next;
        free(write);
    }
    disk->last = &disk->first;
}

/* Lays the file down as it may be after a cut now. */
static void disk_cut(const struct disk *disk)
{
    uint8_t *bytes = mem_alloc(disk->length + 1);
    size_t length = disk->length;
    if (length > 0)
        memcpy(bytes, disk->synced, length);
    for (const struct pending *write = disk->first; write; write = write->next) {
        unsigned fate = chance(3); /* lost, torn, whole */
        int sectors = write->length / SECTOR;
        if (write->length < 0 ? fate > 0 : fate == 2)
            apply(&bytes, &length, write, write->length);
        else if (fate == 1 && sectors > 0)
            apply(&bytes, &length, write, (int)chance((unsigned)sectors) * SECTOR);
    }
    char *path = mem_printf("%s%s", cut_folder, strrchr(disk->name, '/'));
    assert_int_equal(fs_replace_file(path, bytes, length, 0660), 0);
    free(path);
    free(bytes);
}

static void maybe_cut(void)
{
    if (cut_in < 0 || cut_in-- > 0)
        return;
    people_at_cut = people;
    said_at_cut = said;
    said_synced_at_cut = said_synced;
    for (int i = 0; i < FILES; i++)
        disk_cut(&disks[i]);
    cut_done = true;
}

static void note(struct disk *disk, const void *bytes, int length, sqlite3_int64 offset)
{
    struct pending *write = mem_alloc(sizeof *write + (size_t)(length > 0 ? length : 0));
    write->offset = offset;
    write->length = length;
    if (length > 0)
        memcpy(write->bytes, bytes, (size_t)length);
    *disk->last = write;
    disk->last = &write->next;
    maybe_cut();
}

/* ---- the shim ---- */

struct shim_file {
    sqlite3_file base;
    struct disk *disk; /* NULL: not one of ours */
    sqlite3_file *real;
};

#define REAL(file)              (((struct shim_file *)(file))->real)
#define DISK(file)              (((struct shim_file *)(file))->disk)
#define CALL(file, method, ...) REAL(file)->pMethods->method(REAL(file), ##__VA_ARGS__)

static int shim_close(sqlite3_file *file)
{
    return CALL(file, xClose);
}
static int shim_read(sqlite3_file *file, void *bytes, int length, sqlite3_int64 offset)
{
    return CALL(file, xRead, bytes, length, offset);
}
static int shim_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 offset)
{
    if (DISK(file))
        note(DISK(file), bytes, length, offset);
    return CALL(file, xWrite, bytes, length, offset);
}
static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    if (DISK(file))
        note(DISK(file), NULL, -1, size);
    return CALL(file, xTruncate, size);
}
static int shim_sync(sqlite3_file *file, int flags)
{
    if (DISK(file))
        disk_sync(DISK(file));
    return CALL(file, xSync, flags);
}
static int shim_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return CALL(file, xFileSize, size);
}
static int shim_lock(sqlite3_file *file, int level)
{
    return CALL(file, xLock, level);
}
static int shim_unlock(sqlite3_file *file, int level)
{
    return CALL(file, xUnlock, level);
}
static int shim_reserved(sqlite3_file *file, int *is)
{
    return CALL(file, xCheckReservedLock, is);
}
static int shim_control(sqlite3_file *file, int op, void *argument)
{
    return CALL(file, xFileControl, op, argument);
}
static int shim_sector(sqlite3_file *file)
{
    return CALL(file, xSectorSize);
}
static int shim_device(sqlite3_file *file)
{
    (void)file;
    return 0; /* no promise: neither atomic nor in order */
}
static int shim_map(sqlite3_file *file, int region, int size, int extend, void volatile **memory)
{
    return CALL(file, xShmMap, region, size, extend, memory);
}
static int shim_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return CALL(file, xShmLock, offset, count, flags);
}
static void shim_barrier(sqlite3_file *file)
{
    CALL(file, xShmBarrier);
}
static int shim_unmap(sqlite3_file *file, int remove_it)
{
    return CALL(file, xShmUnmap, remove_it);
}

static const sqlite3_io_methods shim_methods = {
    .iVersion = 2,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_reserved,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector,
    .xDeviceCharacteristics = shim_device,
    .xShmMap = shim_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_barrier,
    .xShmUnmap = shim_unmap,
};

static sqlite3_vfs *real_vfs;

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    struct shim_file *shim = (struct shim_file *)file;
    shim->real = (sqlite3_file *)(shim + 1);
    shim->disk = NULL;
    for (int i = 0; name && i < FILES; i++) {
        if (strcmp(disks[i].name, name) == 0)
            shim->disk = &disks[i];
    }
    int code = real_vfs->xOpen(real_vfs, name, shim->real, flags, out);
    file->pMethods = code == SQLITE_OK ? &shim_methods : NULL;
    return code;
}

static void shim_install(void)
{
    static sqlite3_vfs shim;
    real_vfs = sqlite3_vfs_find(NULL);
    shim = *real_vfs;
    shim.zName = "shim";
    shim.szOsFile = (int)sizeof(struct shim_file) + real_vfs->szOsFile;
    shim.xOpen = shim_open;
    sqlite3_vfs_register(&shim, 1);
}

/* ---- the life of a store ---- */

static void enter(struct store *store)
{
    char name[NAME_MAX_BYTES];
    struct person person;
    snprintf(name, sizeof name, "p%lld", (long long)people + 2);
    struct person_attempt attempt = attempt_with(name, name);
    assert_int_equal(person_enter(store, &attempt, &person), CLAIM_MADE);
    people++;
}

static void talk(struct store *store)
{
    struct message_new messages[8];
    char texts[8][32];
    size_t count = 1 + chance(8);
    for (size_t i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "line %lld", (long long)said + (long long)i + 1);
        messages[i] =
            (struct message_new){.room_id = ROOM_LOBBY, .kind = MESSAGE_SAY, .text = texts[i]};
    }
    assert_int_equal(conversation_say(store, messages, count, NULL), 0);
    said += (int64_t)count;
}

static void live(struct store *store)
{
    unsigned what = chance(10);
    if (what == 0) {
        enter(store); /* synced: so is all that was said before */
        said_synced = said;
    } else if (what == 1) {
        assert_int_equal(store_sync(store), 0);
        said_synced = said;
    } else if (what == 2) {
        assert_int_equal(store_checkpoint(store), 0);
    } else {
        talk(store);
    }
}

static void see(void *context, const struct message *message)
{
    char text[32];
    int64_t *expected = context;
    ++*expected;
    snprintf(text, sizeof text, "line %lld", (long long)*expected);
    assert_int_equal(message->id, *expected);
    assert_string_equal(message->text, text);
}

/* What must hold of a store that was found after the end of the last one. */
static void verify(const char *path, int64_t least_people, int64_t least_said, int64_t most_said)
{
    int64_t heard = 0, before;
    assert_int_equal(store_check(path, NULL), 1);
    assert_int_equal(store_migrate(path), 0);
    struct store *store = store_open(path);
    assert_non_null(store);
    do {
        struct message_query query = {.room_id = ROOM_LOBBY, .after = heard, .limit = 1000};
        before = heard;
        assert_int_equal(conversation_read(store, &query, see, &heard), 0);
    } while (heard > before);
    assert_in_range(heard, least_said, most_said);
    for (int64_t i = 1; i <= least_people; i++) {
        char name[NAME_MAX_BYTES];
        struct person person;
        snprintf(name, sizeof name, "p%lld", (long long)i + 1);
        struct person_attempt attempt = attempt_with(name, name);
        attempt.claim = false;
        assert_int_equal(person_enter(store, &attempt, &person), CLAIM_IS_YOURS);
    }
    struct message_new again = {.room_id = ROOM_LOBBY, .kind = MESSAGE_SAY, .text = "it goes on"};
    assert_int_equal(conversation_say(store, &again, 1, NULL), 0);
    store_close(store);
}

static void power_cuts_take_nothing_that_was_promised(void **state)
{
    char *path = scratch_path(*state, "riad.db");
    int cuts = campaign(25, 300);
    snprintf(cut_folder, sizeof cut_folder, "%s/cut", ((struct scratch *)*state)->folder);
    assert_int_equal(mkdir(cut_folder, 0700), 0);
    snprintf(disks[0].name, sizeof disks[0].name, "%s", path);
    snprintf(disks[1].name, sizeof disks[1].name, "%s-wal", path);
    for (int i = 0; i < FILES; i++)
        disks[i].last = &disks[i].first;
    shim_install();
    people = said = said_synced = 0;
    assert_int_equal(store_migrate(path), 0);
    struct store *store = store_open(path);
    char *found = mem_printf("%s/riad.db", cut_folder), *shm = mem_printf("%s-shm", found);
    for (int cut = 0; cut < cuts; cut++) {
        for (cut_done = false, cut_in = (int64_t)chance(400); !cut_done;)
            live(store);
        verify(found, people_at_cut, said_synced_at_cut, said_at_cut + 8);
        unlink(shm);
    }
    cut_in = -1;
    store_close(store);
    sqlite3_vfs_register(real_vfs, 1);
    for (int i = 0; i < FILES; i++) {
        disk_sync(&disks[i]);
        free(disks[i].synced);
        disks[i] = (struct disk){0};
    }
    print_message("%d power cuts: %lld people, %lld lines\n", cuts, (long long)people,
                  (long long)said);
    free(shm);
    free(found);
}

/* The writer tells each thing that it was told, and is killed in the midst of it. */
static void write_until_killed(const char *path, int pipe_fd)
{
    struct store *store = store_open(path);
    for (;;) {
        int64_t told[2];
        live(store);
        told[0] = people;
        told[1] = said;
        if (write(pipe_fd, told, sizeof told) != sizeof told)
            _exit(1);
    }
}

static void kills_take_nothing_that_was_acknowledged(void **state)
{
    char *path = scratch_path(*state, "riad.db");
    int kills = campaign(10, 200);
    assert_int_equal(store_migrate(path), 0);
    people = said = said_synced = 0;
    for (int round = 0; round < kills; round++) {
        int ends[2];
        int64_t told[2], wanted = 1 + chance(60);
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            seed += (unsigned)round;
            write_until_killed(path, ends[1]);
        }
        close(ends[1]);
        for (int64_t i = 0; i < wanted && read(ends[0], told, sizeof told) == sizeof told; i++)
            people = told[0], said = told[1];
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        while (read(ends[0], told, sizeof told) == sizeof told) /* told before the end came */
            people = told[0], said = told[1];
        close(ends[0]);
        verify(path, people, said, said + 8);
        /* As found, for the next round: what it said when it was verified goes. */
        struct store *store = store_open(path);
        assert_int_equal(store_run(store, "DELETE FROM message WHERE text = 'it goes on'", ""), 0);
        assert_int_equal(store_run(store,
                                   "UPDATE sqlite_sequence SET seq = (SELECT max(id) FROM message) "
                                   "WHERE name = 'message'",
                                   ""),
                         0);
        people = person_count(store);
        said = conversation_newest(store);
        store_close(store);
    }
    print_message("%d kills: %lld people, %lld lines\n", kills, (long long)people, (long long)said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(power_cuts_take_nothing_that_was_promised),
        SCRATCH_TEST(kills_take_nothing_that_was_acknowledged),
    };
    return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
