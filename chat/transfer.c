#include "chat/transfer.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "drop/drop.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE      (64 * 1024)
#define SHOWN_PATH 200 /* bytes of a path in a refusal */

static int fail(const struct transfer *transfer, const char *sentence)
{
    text_clean(transfer->said, transfer->path, strnlen(transfer->path, SHOWN_PATH), TEXT_ONE_LINE);
    buf_printf(transfer->said, ": %s\n", sentence);
    return 1;
}

/* The next bytes. If they let us wait, others may see what has come so far. */
static int read_some(const struct sftp_pipe *pipe, struct drop_arrival *arrival, uint8_t *block)
{
    if (!pipe->wait(pipe->context, DROP_SHOWN_AFTER_MS))
        drop_arrival_show(arrival);
    return pipe->read(pipe->context, block, PIECE);
}

/* The arrival from the pipe; *lost: the connection broke before its end was said. */
static enum drop_result fill(const struct transfer *transfer, struct drop_arrival *arrival,
                             bool *lost)
{
    uint8_t *block = mem_alloc(PIECE);
    enum drop_result result = DROP_OK;
    int got = 1;

    while (result == DROP_OK && (got = read_some(transfer->door->pipe, arrival, block)) > 0)
        result = drop_write(arrival, block, (size_t)got);
    *lost = got < 0;
    free(block);
    return result;
}

static int answer(const struct transfer *transfer, const struct drop_file *file)
{
    const struct sftp_pipe *pipe = transfer->door->pipe;
    char hash[2 * DIGEST_SHA256_SIZE + 1];
    char *line;

    fs_hex(file->sha256, DIGEST_SHA256_SIZE, hash);
    line = mem_printf("%s\n%s\n", file->path, hash);
    pipe->write(pipe->context, line, strlen(line));
    free(line);
    return 0;
}

static int drop_in(const struct transfer *transfer, struct drop *drop)
{
    const struct person *person = transfer->door->person;
    struct drop_wish wish = {
        .path = transfer->path,
        .actor = {.person_id = person->id, .host = person->role == ROLE_HOST},
        .door = "ssh",
        .size = -1,
        .replace = true
    };
    struct drop_arrival *arrival = NULL;
    struct drop_file file;
    enum drop_result result = drop_begin(drop, &wish, &arrival);
    bool lost = false, same = false;

    if (result != DROP_OK)
        return fail(transfer, drop_refusal_text(result, transfer->path));
    result = fill(transfer, arrival, &lost);
    if (lost && result == DROP_OK) {
        drop_pause(arrival);
        return 1;
    }
    if (result != DROP_OK) {
        drop_abandon(arrival);
        return fail(transfer, drop_refusal_text(result, transfer->path));
    }
    result = drop_publish(arrival, &file, &same, NULL);
    return result == DROP_OK ? answer(transfer, &file)
                             : fail(transfer, drop_refusal_text(result, transfer->path));
}

static int get_out(const struct transfer *transfer, struct drop *drop)
{
    const struct sftp_pipe *pipe = transfer->door->pipe;
    struct drop_file file;
    uint8_t *block = NULL;
    ssize_t got = 0;
    int fd = -1, status = 1;
    enum drop_result result = drop_read(drop, transfer->path, &file, &fd);

    if (result != DROP_OK)
        return fail(transfer, drop_refusal_text(result, transfer->path));
    block = mem_alloc(PIECE);
    while ((got = read(fd, block, PIECE)) > 0)
        if (pipe->write(pipe->context, block, (size_t)got) != 0)
            goto out;
    if (got == 0) {
        drop_downloaded(drop, file.id);
        status = 0;
    }
out:
    free(block);
    fs_close(fd);
    return status;
}

int transfer_run(const struct transfer *transfer)
{
    const struct sftp_door *door = transfer->door;
    char *path = config_path(door->config, "store/riad.db");
    struct store *store = store_open(path);
    struct drop *drop = NULL;
    int status;

    free(path);
    if (store != NULL) {
        store_bells(store, door->bells, door->bell_count);
        drop = drop_open(door->config, store);
    }
    if (drop == NULL)
        status = fail(transfer, "the drop cannot be opened now");
    else
        status = transfer->in ? drop_in(transfer, drop) : get_out(transfer, drop);
    drop_close(drop);
    store_close(store);
    return status;
}
