/*
 * pack: a folder of the drop as one file, tar or zip, that is never stored.
 *
 * Its length is known before its first byte, since nothing is compressed: browsers show progress.
 * What the box may not read when it begins is left out: an organiser's `sudo cp` is no reason to
 * keep the rest from people. A file that changes or goes meanwhile ends the connection, so that
 * nobody takes a wrong one.
 */
#include "base/fs.h"
#include "base/mem.h"
#include "base/when.h"
#include "web/archive.h"
#include "web/door.h"
#include "web/share.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP      65536
#define FILES_MAX 100000

/* What a list of files takes stays until its client has read all of them: there are so many pieces
 * of that for all, shared among addresses. */
#define PIECE  (256 * 1024)
#define PIECES 512

static struct share *pieces;
static pthread_once_t pieces_once = PTHREAD_ONCE_INIT;

struct pack {
    struct call *call;
    char folder[DROP_PATH_MAX]; /* "" or with a slash at its end */
    bool zip;
    struct archive_file *files;
    size_t listed, count, room; /* in the folder; of them that can be read; slots */
    struct in_addr address;
    size_t bytes, pieces; /* about what the list takes; taken for it */
    bool refused;         /* more than are to be had */
    struct buf head;      /* what stands around the files, one piece at a time */
    struct buf directory;
    int64_t length, directory_at; /* of all of it; where the zip's directory begins */
};

static void make_pieces(void)
{
    pieces = share_new(PIECES, 1);
}

/* Room for one more file in the list, and in the zip's directory. */
static bool take_room(struct pack *pack, size_t path)
{
    pack->bytes += 2 * (sizeof *pack->files + path) + 64;
    while (pack->pieces * PIECE < pack->bytes && !pack->refused) {
        pack->refused = !share_take(pieces, pack->address, false);
        pack->pieces += !pack->refused;
    }
    return !pack->refused;
}

static void gather(void *context, const struct drop_file *file)
{
    struct pack *pack = context;
    size_t length = strlen(pack->folder);
    if (file->folder || strncmp(file->path, pack->folder, length) != 0 ||
        ++pack->listed > FILES_MAX || pack->refused || !drop_is_readable(pack->call->drop, file) ||
        !take_room(pack, strlen(file->path)))
        return;
    if (pack->count == pack->room) {
        pack->room = pack->room == 0 ? 64 : 2 * pack->room;
        pack->files = mem_resize(pack->files, pack->room, sizeof *pack->files);
    }
    pack->files[pack->count++] = (struct archive_file){
        .path = mem_dup(file->path), .size = file->size, .modified_ms = file->modified_at};
}

/* Within the archive stands what is below the folder. */
static struct archive_file inner(const struct pack *pack, const struct archive_file *file)
{
    struct archive_file shown = *file;
    shown.path = file->path + strlen(pack->folder);
    return shown;
}

static void put_head(struct pack *pack, const struct archive_file *file)
{
    struct archive_file shown = inner(pack, file);
    buf_clear(&pack->head);
    if (pack->zip)
        archive_zip_head(&pack->head, &shown);
    else
        archive_tar_head(&pack->head, &shown);
}

static void put_end(struct pack *pack)
{
    buf_clear(&pack->head);
    if (pack->zip)
        archive_zip_end(&pack->head, (int64_t)pack->count, (int64_t)pack->directory.len,
                        pack->directory_at);
    else
        archive_tar_end(&pack->head);
}

/* Where each file will lie, and how long all of it becomes. */
static void measure(struct pack *pack)
{
    int64_t at = 0;
    for (size_t i = 0; i < pack->count; i++) {
        struct archive_file *file = &pack->files[i];
        file->offset = at;
        put_head(pack, file);
        at += (int64_t)pack->head.len + file->size;
        at += pack->zip ? 0 : archive_tar_padding(file->size);
        struct archive_file shown = inner(pack, file);
        if (pack->zip)
            archive_zip_entry(&pack->directory, &shown);
    }
    pack->directory_at = at;
    put_end(pack);
    pack->length = at + (int64_t)pack->directory.len + (int64_t)pack->head.len;
    buf_clear(&pack->directory);
}

/* The file, if it still is what it was. -1: it is not. */
static int open_same(struct pack *pack, const struct archive_file *file)
{
    struct drop_file now;
    int fd = -1;
    if (call_acquire(pack->call) < 0)
        return -1;
    enum drop_result result = drop_read(pack->call->drop, file->path, &now, &fd);
    call_release(pack->call);
    if (result == DROP_OK && now.size == file->size)
        return fd;
    fs_close(fd);
    return -1;
}

/* A zip says the checksum before the bytes: they are read twice, the second time from memory. */
static int checksum(int fd, struct archive_file *file)
{
    uint8_t *piece = mem_alloc(STEP);
    int64_t at = 0;
    ssize_t got = 1;
    while (at < file->size && (got = pread(fd, piece, STEP, at)) > 0) {
        file->crc = archive_crc(file->crc, piece, (size_t)got);
        at += got;
    }
    free(piece);
    return got > 0 && at == file->size ? 0 : -1;
}

static int send_head(struct pack *pack)
{
    return http_send(pack->call->http, pack->head.data, pack->head.len);
}

static int send_file(struct pack *pack, struct archive_file *file)
{
    static const char zeros[ARCHIVE_TAR_BLOCK];
    int fd = open_same(pack, file);
    int result = fd < 0 || (pack->zip && checksum(fd, file) < 0) ? -1 : 0;
    put_head(pack, file);
    if (result == 0)
        result = send_head(pack);
    if (result == 0)
        result = http_send_file(pack->call->http, fd, 0, file->size);
    if (result == 0 && !pack->zip)
        result = http_send(pack->call->http, zeros, (size_t)archive_tar_padding(file->size));
    fs_close(fd);
    struct archive_file shown = inner(pack, file);
    if (pack->zip)
        archive_zip_entry(&pack->directory, &shown);
    return result;
}

static void send_all(struct pack *pack)
{
    int result = 0;
    for (size_t i = 0; i < pack->count && result == 0; i++)
        result = send_file(pack, &pack->files[i]);
    put_end(pack);
    if (result == 0 && http_send(pack->call->http, pack->directory.data, pack->directory.len) == 0)
        result = send_head(pack);
    if (result < 0)
        http_cut(pack->call->http);
}

static void answer(struct pack *pack, const char *folder)
{
    struct http_request *request = pack->call->http;
    char name[DROP_PATH_MAX + 8];
    snprintf(name, sizeof name, "%s.%s",
             *folder == '\0' ? pack->call->config->box.name : drop_path_name(folder),
             pack->zip ? "zip" : "tar");
    reply_begin(request, 200, pack->zip ? "application/zip" : "application/x-tar");
    reply_peoples_bytes(request, name, false);
    call_release(pack->call);
    if (reply_head(request, pack->length) == 0 && reply_wants_body(request))
        send_all(pack);
}

void pack_answer(struct call *call, const char *folder, bool zip)
{
    const struct drop_query query = {.folder = NULL};
    struct pack pack = {.call = call, .zip = zip, .address = share_address(call->http->address)};
    pthread_once(&pieces_once, make_pieces);
    buf_init(&pack.head, 64 * 1024);
    buf_init(&pack.directory, 256 * 1024 * 1024);
    snprintf(pack.folder, sizeof pack.folder, "%s%s", folder, *folder == '\0' ? "" : "/");
    if (drop_list(call->drop, &query, gather, &pack) < 0) {
        reply_error(call->http, 500, "The folder cannot be listed just now.");
    } else if (pack.listed > FILES_MAX) {
        reply_error(call->http, 403,
                    "An archive holds at most %d files, and here are %zu: take one folder at a "
                    "time, or all by sftp -r.",
                    FILES_MAX, pack.listed);
    } else if (pack.refused) {
        reply_extra(call->http, "Retry-After", "10");
        reply_error(call->http, 503, "Too many large folders are on their way; try again later.");
    } else {
        measure(&pack);
        answer(&pack, folder);
    }
    for (size_t i = 0; i < pack.count; i++)
        free((char *)(uintptr_t)pack.files[i].path);
    free(pack.files);
    for (; pack.pieces > 0; pack.pieces--)
        share_give(pieces, pack.address);
    buf_done(&pack.head);
    buf_done(&pack.directory);
}
