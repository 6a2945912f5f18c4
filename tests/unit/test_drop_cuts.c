/*
 * The drop on machines that lose power: a picture is kept of what is on disk for sure, from which
 * the state after a cut is made; what was not synced is there, or not, or torn. RIAD_CAMPAIGN=full
 * does it 300 times.
 */
#include "drop/drop_private.h"
#include "tests/unit/disk_calls.h"
#include "tests/unit/dropping.h"

#include <dirent.h>
#include <sys/wait.h>

/* ---- a picture of the disk ---- */

static unsigned cut_number; /* which of them is made now */
static char durable[128];   /* the picture: f-INODE are files, d-INODE lists of folders */

static void copy_file(const char *from, const char *to)
{
    struct buf bytes;
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    buf_init(&bytes, 1 << 26);
    fs_read_file(from, &bytes);
    for (size_t done = 0; done < bytes.len;)
        done += (size_t)syscall(SYS_write, fd, bytes.data + done, bytes.len - done);
    close(fd);
    buf_done(&bytes);
}

static void list_folder(const char *path, const char *to)
{
    char below_it[1024];
    DIR *folder = opendir(path);
    FILE *list = fopen(to, "w");
    struct dirent *entry;
    struct stat there;

    assert_non_null(folder);
    while ((entry = readdir(folder))) {
        snprintf(below_it, sizeof below_it, "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            lstat(below_it, &there) == 0)
            fprintf(list, "%c %lu %s\n", S_ISDIR(there.st_mode) ? 'd' : 'f',
                    (unsigned long)there.st_ino, entry->d_name);
    }
    closedir(folder);
    fclose(list);
}

static char *durable_path(char kind, unsigned long inode)
{
    static char path[4][192];
    static int turn;

    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%c-%lu", durable, kind, inode);
    return path[turn];
}

/* A file that is synced has its name for sure, too, as on ext4, XFS and Btrfs. */
static void picture_name(const char *path, unsigned long inode)
{
    char folder[1024], *slash;
    struct stat there;
    FILE *list;

    snprintf(folder, sizeof folder, "%s", path);
    slash = strrchr(folder, '/');
    *slash = '\0';
    if (strstr(path, " (deleted)") || stat(folder, &there))
        return;
    list = fopen(durable_path('d', there.st_ino), "a");
    fprintf(list, "f %lu %s\n", inode, slash + 1);
    fclose(list);
}

static void picture(int fd)
{
    char link[64], path[1024];
    struct stat there;
    ssize_t length;
    bool was = armed;

    if (!*durable)
        return;
    armed = false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    if (fstat(fd, &there) == 0 && S_ISDIR(there.st_mode)) {
        list_folder(path, durable_path('d', there.st_ino));
    } else {
        copy_file(link, durable_path('f', there.st_ino));
        picture_name(path, there.st_ino);
    }
    armed = was;
}

static void picture_all(const char *path)
{
    char below_it[1024];
    struct stat there;
    DIR *folder = opendir(path);
    struct dirent *entry;

    stat(path, &there);
    list_folder(path, durable_path('d', there.st_ino));
    while ((entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(below_it, sizeof below_it, "%s/%s", path, entry->d_name);
        if (lstat(below_it, &there) == 0 && S_ISDIR(there.st_mode))
            picture_all(below_it);
        else
            copy_file(below_it, durable_path('f', there.st_ino));
    }
    closedir(folder);
}

/* A file as it is after the cut: each block that was not synced is new, old or nothing. */
static void tear(const char *old_path, const char *live_path, const char *to)
{
    struct buf old, live;
    size_t length;
    FILE *out = fopen(to, "w");

    buf_init(&old, 1 << 26);
    buf_init(&live, 1 << 26);
    fs_read_file(old_path, &old);
    fs_read_file(live_path, &live);
    length = random() % 2 ? old.len : live.len;
    for (size_t at = 0; at < length; at++) {
        static int way;
        if (at % 512 == 0)
            way = (int)(random() % 3);
        bool in_old = at < old.len, in_live = at < live.len;
        bool same = in_old && in_live && old.data[at] == live.data[at];
        int byte = same                  ? old.data[at]
                   : way == 0 && in_live ? live.data[at]
                   : in_old              ? old.data[at]
                   : way == 1 && in_live ? live.data[at]
                                         : 0;
        fputc(byte, out);
    }
    fclose(out);
    buf_done(&old);
    buf_done(&live);
}

/* Where the files lie that the dying process had. */
static void find_live(const char *path, FILE *map)
{
    char below_it[1024];
    struct stat there;
    DIR *folder = opendir(path);
    struct dirent *entry;

    assert_non_null(folder);
    while ((entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(below_it, sizeof below_it, "%s/%s", path, entry->d_name);
        if (lstat(below_it, &there))
            continue;
        fprintf(map, "%lu %s\n", (unsigned long)there.st_ino, below_it);
        if (S_ISDIR(there.st_mode))
            find_live(below_it, map);
    }
    closedir(folder);
}

static bool live_path_of(const char *map_path, unsigned long inode, char *path)
{
    FILE *map = fopen(map_path, "r");
    unsigned long one;
    bool found = false;

    while (!found && fscanf(map, "%lu %1000[^\n]", &one, path) == 2)
        found = one == inode;
    fclose(map);
    if (!found)
        *path = '\0';
    return found;
}

/* Makes the state after the cut of the folder with that inode. */
static void rebuild(unsigned long inode, const char *map, const char *to)
{
    char name[512], live[1024], below_it[1400], list_path[200];
    unsigned long one;
    FILE *list;
    char kind;

    mkdir(to, 0770);
    snprintf(list_path, sizeof list_path, "%s", durable_path('d', inode));
    /* The journal may have written what nobody asked for. */
    if (random() % 3 == 0 && live_path_of(map, inode, live))
        list_folder(live, list_path);
    list = fopen(list_path, "r");
    while (list && fscanf(list, "%c %lu %500[^\n]\n", &kind, &one, name) == 3) {
        snprintf(below_it, sizeof below_it, "%s/%s", to, name);
        if (strstr(name, "-shm"))
            continue;
        if (kind == 'd') {
            rebuild(one, map, below_it);
            continue;
        }
        /* What has lost its name since was synced as it is: nothing of it was under way. */
        if (live_path_of(map, one, live))
            tear(durable_path('f', one), live, below_it);
        else
            copy_file(durable_path('f', one), below_it);
    }
    if (list)
        fclose(list);
}

/* ---- what a process does until its power is cut, and what must hold afterwards ---- */

#define NAMES     6
#define VERSIONS  4000
#define OPERATION 40

/* The content of version v of anything: recognisable as a whole. */
static size_t make_content(int version, uint8_t *bytes)
{
    size_t length = 20 + (size_t)version * 7919 % 20000;

    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)((i * 31 + (size_t)version * 17 + i / 251) % 255 + 1);
    memcpy(bytes, &version, sizeof version);
    return length;
}

static bool is_version(int version, const uint8_t *bytes, size_t length)
{
    static uint8_t wanted[32768];

    return make_content(version, wanted) == length && memcmp(wanted, bytes, length) == 0;
}

/* What was begun and what was acknowledged, as the process told before it died. */
struct told {
    char what;         /* b begun, a acknowledged */
    int name, version; /* version 0: removed */
};

static void tell_parent(int pipe, char what, int name, int version)
{
    struct told told = {what, name, version};

    syscall(SYS_write, pipe, &told, sizeof told);
}

static void live_until_cut(struct dropping *at, int pipe, unsigned seed)
{
    static uint8_t bytes[32768];
    struct drop_arrival *arrival;
    struct drop_file file;
    char path[64];

    srandom(seed);
    dropping_open(at);
    fail_at = 0;
    armed = true;
    for (int i = 1; i <= OPERATION; i++) {
        int name = (int)(random() % NAMES), version = (int)(seed % 90) * OPERATION + i;
        bool removes = random() % 5 == 0;
        size_t length = make_content(version, bytes);

        snprintf(path, sizeof path, name % 2 ? "folder%d/f" : "f%d", name);
        tell_parent(pipe, 'b', name, removes ? 0 : version);
        enum drop_result result;
        if (removes) {
            result = drop_remove(at->drop, path, &at->ada);
        } else {
            result = begin(at, path, &at->ada, (int64_t)length, true, true, &arrival);
            for (size_t done = 0; !result && done < length; done += 5000)
                result =
                    drop_write(arrival, bytes + done, length - done < 5000 ? length - done : 5000);
            if (!result)
                result = drop_publish(arrival, &file, NULL, NULL);
        }
        if (result == DROP_OK || (removes && result == DROP_NOT_FOUND))
            tell_parent(pipe, 'a', name, removes ? 0 : version);
        else
            _exit(10 + (int)result);
    }
    _exit(0);
}

/* The version that lies there, 0 for none; -2 cannot be read, -3 and -4 torn, -5 and -6 with a
 * wrong digest or none, -7 without its owner. */
static int version_at(struct dropping *at, const char *path)
{
    static uint8_t bytes[32768];
    uint8_t sha256[DIGEST_SHA256_SIZE];
    struct drop_file file;
    ssize_t length;
    int fd, version;

    enum drop_result result = drop_read(at->drop, path, &file, &fd);
    if (result)
        return result == DROP_NOT_FOUND ? 0 : -2;
    length = read(fd, bytes, sizeof bytes);
    close(fd);
    if (length < 20)
        return -3;
    memcpy(&version, bytes, sizeof version);
    digest_of(DIGEST_SHA256, bytes, (size_t)length, sha256);
    if (!is_version(version, bytes, (size_t)length))
        return -4;
    if (!file.has_sha256 || memcmp(sha256, file.sha256, sizeof sha256) != 0)
        return file.has_sha256 ? -5 : -6;
    return strcmp(file.owner, "ada") == 0 ? version : -7;
}

/* Acknowledged is there; what was begun last may be there, whole. */
static void check_cut(struct dropping *at, int pipe)
{
    int acknowledged[NAMES] = {0}, begun[NAMES];
    struct told told;
    char path[64];

    for (int i = 0; i < NAMES; i++)
        begun[i] = -1;
    while (read(pipe, &told, sizeof told) == sizeof told) {
        begun[told.name] = told.what == 'b' ? told.version : -1;
        if (told.what == 'a')
            acknowledged[told.name] = told.version;
    }
    for (int i = 0; i < NAMES; i++) {
        snprintf(path, sizeof path, i % 2 ? "folder%d/f" : "f%d", i);
        int version = version_at(at, path);
        if (version != acknowledged[i] && !(begun[i] >= 0 && version == begun[i]))
            fail_msg("%s: version %d is there; %d was acknowledged, %d begun (cut %u)", path,
                     version, acknowledged[i], begun[i], cut_number);
    }
}

static void remove_tree(const char *path)
{
    char *command = mem_printf("rm -rf '%s'", path);

    assert_int_equal(system(command), 0);
    free(command);
}

static void cut_once(struct dropping *at, unsigned seed)
{
    char after[160], map[192];
    struct stat root;
    int ends[2], status;
    FILE *list;

    snprintf(durable, sizeof durable, "%s-durable", at->config.box.state);
    snprintf(after, sizeof after, "%s-after", at->config.box.state);
    mkdir(durable, 0700);
    dropping_close(at);
    picture_all(at->config.box.state);
    srandom(seed);
    cut_at = 1 + (int)(random() % 900);
    assert_int_equal(pipe(ends), 0);
    if (fork() == 0)
        live_until_cut(at, ends[1], seed);
    close(ends[1]);
    wait(&status);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 42 && WEXITSTATUS(status) != 0))
        fail_msg("the process ended with status %x", status);

    snprintf(map, sizeof map, "%s/map", durable);
    list = fopen(map, "w");
    find_live(at->config.box.state, list);
    stat(at->config.box.state, &root);
    fprintf(list, "%lu %s\n", (unsigned long)root.st_ino, at->config.box.state);
    fclose(list);
    rebuild(root.st_ino, map, after);
    remove_tree(at->config.box.state);
    assert_int_equal(rename(after, at->config.box.state), 0);
    remove_tree(durable);
    *durable = '\0';

    dropping_open(at);
    store_set_fact(at->store, "drop boot", "before the cut");
    check_house(at);
    check_cut(at, ends[0]);
    close(ends[0]);
}

static void power_cuts_lose_nothing_acknowledged(void **state)
{
    const char *campaign = getenv("RIAD_CAMPAIGN");
    unsigned cuts = campaign && strcmp(campaign, "full") == 0 ? 300 : 6;
    struct dropping *at;
    void *fresh;

    (void)state;
    for (unsigned i = 1; i <= cuts; i++) {
        cut_number = i;
        dropping_setup(&fresh);
        at = fresh;
        cut_once(at, i * 2654435761u);
        dropping_teardown(&fresh);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_cuts_lose_nothing_acknowledged),
    };
    return cmocka_run_group_tests_name("drop: cuts", tests, NULL, NULL);
}
