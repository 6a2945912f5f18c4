#include "supervisor/lengths.h"

#include "base/buf.h"
#include "base/doorbell.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/start.h"
#include "mirror/sizes.h"
#include "supervisor/spawn.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define MAX_LINE ((size_t)64 * 1024) /* bytes that wait for the end of their line */
#define MAX_KEPT ((size_t)16 << 20)  /* bytes; those of the whole repository are 1.7 MB */

struct lengths {
    pid_t pid;
    int fd;        /* names there, lengths back */
    int keeper_fd; /* its end tells the child to end */
    struct mirrors_archive **named;
    size_t count;
    struct buf line;
    struct buf learnt; /* lines to keep */
    char *kept;        /* path of the file for them */
};

/* ---- lines ---- */

/* `ALGO:HEX BYTES`, whose blank becomes a NUL; the archive that it is about, NULL none. */
static struct mirrors_archive *take_line(struct mirrors_archive **named, size_t count, char *line)
{
    char *blank = strchr(line, ' ');
    struct mirrors_archive *archive;
    int64_t length = blank ? strtoll(blank + 1, NULL, 10) : -1;

    if (!blank || length < 0)
        return NULL;
    *blank = '\0';
    archive = mirrors_named(named, count, line);
    if (archive)
        archive->length = length;
    return archive;
}

static void take_lines(struct lengths *lengths)
{
    const struct mirrors_archive *archive;
    struct buf *in = &lengths->line;
    uint8_t *end;

    while ((end = memchr(in->data, '\n', in->len))) {
        *end = '\0';
        archive = take_line(lengths->named, lengths->count, (char *)in->data);
        if (archive)
            buf_printf(&lengths->learnt, "%s %lld\n", archive->name, (long long)archive->length);
        buf_consume(in, (size_t)(end + 1 - in->data));
    }
}

/* ---- what is kept ---- */

static char *kept_path(const struct config *config)
{
    return config_path(config, "mirror/sizes");
}

void lengths_recall(const struct config *config, struct mirrors_archive *archives, size_t count)
{
    struct mirrors_archive **named = mirrors_by_name(archives, count);
    char *path = kept_path(config), *next, *line;
    struct buf text;

    buf_init(&text, MAX_KEPT);
    if (fs_read_file(path, &text) == 0) {
        next = (char *)(uintptr_t)buf_text(&text);
        while ((line = strsep(&next, "\n")))
            take_line(named, count, line);
    }
    buf_done(&text);
    free(path);
    free(named);
}

/* Behind what is there. */
static void keep(const struct lengths *lengths)
{
    struct buf text;

    if (lengths->learnt.len == 0)
        return;
    buf_init(&text, 2 * MAX_KEPT);
    if (fs_read_file(lengths->kept, &text) < 0 || text.len + lengths->learnt.len > MAX_KEPT)
        buf_clear(&text);
    buf_put(&text, lengths->learnt.data, lengths->learnt.len);
    fs_replace_file(lengths->kept, text.data, text.len, 0640);
    buf_done(&text);
}

/* ---- the child ---- */

static pid_t start_child(const struct config *config, int fd, int keeper_fd)
{
    const struct account account = {.change = false}; /* the command has become it already */
    char *program = spawn_find(SERVICE_MIRROR);
    int config_fd = config_seal(config), doorbells[SERVICE_COUNT];
    struct spawn spawn = {.id = SERVICE_MIRROR,
                          .program = program,
                          .account = &account,
                          .config_fd = config_fd,
                          .keeper_fd = keeper_fd,
                          .doorbells = doorbells,
                          .fds = {fd},
                          .fd_names = {SIZES_FD},
                          .fd_count = 1};
    pid_t pid = -1;

    for (int i = 0; i < SERVICE_COUNT; i++)
        doorbells[i] = doorbell_open();
    if (!program)
        log_error("riad-mirror, which asks for the sizes, is not installed");
    else if (config_fd < 0)
        log_errno("riad-mirror cannot be told its configuration");
    else
        pid = spawn_start(&spawn);
    for (int i = 0; i < SERVICE_COUNT; i++)
        fs_close(doorbells[i]);
    fs_close(config_fd);
    free(program);
    return pid;
}

/* A child that has died is no reason to die. */
static int send_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return -1;
        bytes += sent;
        length -= (size_t)sent;
    }
    return 0;
}

static int send_names(int fd, const struct mirrors_archive *archives, size_t count)
{
    struct buf names;
    int result;

    buf_init(&names, (count + 1) * CHECKSUM_TEXT);
    for (size_t i = 0; i < count; i++)
        if (archives[i].bytes < 0 && archives[i].length < 0)
            buf_printf(&names, "%s\n", archives[i].name);
    result = send_all(fd, names.data, names.len);
    buf_done(&names);
    return shutdown(fd, SHUT_WR) < 0 ? -1 : result;
}

struct lengths *lengths_ask(const struct config *config, struct mirrors_archive *archives,
                            size_t count)
{
    struct lengths *lengths = mem_alloc(sizeof *lengths);
    int pair[2] = {-1, -1}, keeper[2] = {-1, -1};

    lengths->pid = lengths->fd = lengths->keeper_fd = -1;
    lengths->named = mirrors_by_name(archives, count);
    lengths->count = count;
    buf_init(&lengths->line, MAX_LINE);
    buf_init(&lengths->learnt, MAX_KEPT);
    lengths->kept = kept_path(config);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, keeper) < 0)
        log_errno("riad-mirror cannot be asked for sizes");
    else
        lengths->pid = start_child(config, pair[1], keeper[1]);
    lengths->fd = pair[0];
    lengths->keeper_fd = keeper[0];
    fs_close(pair[1]);
    fs_close(keeper[1]);
    if (lengths->pid > 0 && send_names(lengths->fd, archives, count) == 0)
        return lengths;
    lengths_end(lengths);
    return NULL;
}

void lengths_end(struct lengths *lengths)
{
    if (!lengths)
        return;
    fs_close(lengths->fd);
    fs_close(lengths->keeper_fd);
    if (lengths->pid > 0) {
        kill(lengths->pid, SIGTERM);
        while (waitpid(lengths->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    keep(lengths);
    buf_done(&lengths->learnt);
    buf_done(&lengths->line);
    free(lengths->kept);
    free(lengths->named);
    free(lengths);
}

/* ---- what it says ---- */

bool lengths_look(struct lengths *lengths, int timeout_ms)
{
    struct pollfd ready = {.fd = lengths ? lengths->fd : -1, .events = POLLIN};
    char block[4096];
    ssize_t got;

    if (!lengths)
        return false;
    if (poll(&ready, 1, timeout_ms) <= 0)
        return true;
    got = recv(lengths->fd, block, sizeof block, MSG_DONTWAIT);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    if (got == 0 || buf_put(&lengths->line, block, (size_t)got) < 0)
        return false;
    take_lines(lengths);
    return true;
}
