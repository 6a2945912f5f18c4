#include "chat/sftp_private.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define IN_SIZE (2 * SFTP_PACKET_MAX)

/* ---- answers ---- */

void sftp_put_status(struct sftp *sftp, uint32_t id, enum sftp_status status, const char *text)
{
    size_t begin = sftp_packet_begin(&sftp->out, SFTP_STATUS, id);

    sftp_put_u32(&sftp->out, status);
    sftp_put_text(&sftp->out, text);
    sftp_put_text(&sftp->out, "en");
    sftp_packet_end(&sftp->out, begin);
}

static enum sftp_status status_of(enum drop_result result)
{
    static const enum sftp_status statuses[DROP_RESULTS] = {
        [DROP_OK] = SFTP_FX_OK,
        [DROP_NOT_FOUND] = SFTP_FX_NO_SUCH_FILE,
        [DROP_BAD_PATH] = SFTP_FX_PERMISSION_DENIED,
        [DROP_NOT_YOURS] = SFTP_FX_PERMISSION_DENIED,
        [DROP_TAKEN] = SFTP_FX_FAILURE,
        [DROP_CHANGED] = SFTP_FX_FAILURE,
        [DROP_NOT_ALLOWED] = SFTP_FX_PERMISSION_DENIED,
        [DROP_SIGN_IN] = SFTP_FX_PERMISSION_DENIED,
        [DROP_TOO_LARGE] = SFTP_FX_FAILURE,
        [DROP_NO_SPACE] = SFTP_FX_FAILURE,
        [DROP_WRONG_OFFSET] = SFTP_FX_FAILURE,
        [DROP_WRONG_DIGEST] = SFTP_FX_FAILURE,
        [DROP_IS_FOLDER] = SFTP_FX_FAILURE,
        [DROP_NOT_EMPTY] = SFTP_FX_FAILURE,
        [DROP_BUSY] = SFTP_FX_FAILURE,
    };

    return result < 0 ? SFTP_FX_FAILURE : statuses[result];
}

void sftp_put_result(struct sftp *sftp, uint32_t id, enum drop_result result)
{
    sftp_put_status(sftp, id, status_of(result), drop_result_text(result));
}

bool sftp_get_path(struct sftp *sftp, uint32_t id, struct sftp_reader *in, char *path)
{
    char asked[4 * DROP_PATH_MAX];

    sftp_get_text(in, asked, sizeof asked);
    if (!in->bad && sftp_path(asked, path, DROP_PATH_MAX) == 0)
        return true;
    sftp_put_status(sftp, id, in->bad ? SFTP_FX_BAD_MESSAGE : SFTP_FX_NO_SUCH_FILE,
                    "That path is too long, or none.");
    return false;
}

/* ---- requests ---- */

static void refuse(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    (void)in;
    sftp_put_status(sftp, id, SFTP_FX_OP_UNSUPPORTED, "The drop has no links.");
}

/* How much a request and an answer may carry; clients then send and ask for more at a time. */
static void answer_limits(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    size_t begin = sftp_packet_begin(&sftp->out, SFTP_EXTENDED_REPLY, id);

    (void)in;
    sftp_put_u64(&sftp->out, SFTP_PACKET_MAX);
    sftp_put_u64(&sftp->out, SFTP_DATA_MAX);
    sftp_put_u64(&sftp->out, SFTP_DATA_MAX);
    sftp_put_u64(&sftp->out, SFTP_HANDLES);
    sftp_packet_end(&sftp->out, begin);
}

static const struct {
    const char *name, *version;
    sftp_request *answer;
} extensions[] = {
    {"posix-rename@openssh.com",       "1", sftp_posix_rename},
    {"statvfs@openssh.com",            "2", sftp_statvfs     },
    {"fstatvfs@openssh.com",           "2", sftp_fstatvfs    },
    {"fsync@openssh.com",              "1", sftp_fsync       },
    {"lsetstat@openssh.com",           "1", sftp_setstat     },
    {"limits@openssh.com",             "1", answer_limits    },
    {"copy-data",                      "1", sftp_copy_data   },
    {"expand-path@openssh.com",        "1", sftp_realpath    },
    {"users-groups-by-id@openssh.com", "1", sftp_names_of_ids},
};

static void answer_extended(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    char name[64];

    sftp_get_text(in, name, sizeof name);
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
        if (strcmp(name, extensions[i].name) == 0) {
            extensions[i].answer(sftp, id, in);
            return;
        }
    sftp_put_status(sftp, id, SFTP_FX_OP_UNSUPPORTED, "The drop does not know that.");
}

static sftp_request *const requests[256] = {
    [SFTP_OPEN] = sftp_open_file,      [SFTP_CLOSE] = sftp_close,
    [SFTP_READ] = sftp_read,           [SFTP_WRITE] = sftp_write,
    [SFTP_LSTAT] = sftp_stat,          [SFTP_FSTAT] = sftp_fstat,
    [SFTP_SETSTAT] = sftp_setstat,     [SFTP_FSETSTAT] = sftp_fsetstat,
    [SFTP_OPENDIR] = sftp_opendir,     [SFTP_READDIR] = sftp_readdir,
    [SFTP_REMOVE] = sftp_remove,       [SFTP_MKDIR] = sftp_mkdir,
    [SFTP_RMDIR] = sftp_rmdir,         [SFTP_REALPATH] = sftp_realpath,
    [SFTP_STAT] = sftp_stat,           [SFTP_RENAME] = sftp_rename,
    [SFTP_READLINK] = refuse,          [SFTP_SYMLINK] = refuse,
    [SFTP_EXTENDED] = answer_extended,
};

static void answer_init(struct sftp *sftp)
{
    size_t begin = sftp_packet_begin(&sftp->out, SFTP_VERSION, 3);

    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        sftp_put_text(&sftp->out, extensions[i].name);
        sftp_put_text(&sftp->out, extensions[i].version);
    }
    sftp_packet_end(&sftp->out, begin);
}

int sftp_answer(struct sftp *sftp, const uint8_t *packet, size_t length)
{
    struct sftp_reader in = {.at = packet, .end = packet + length};
    uint8_t type = sftp_get_u8(&in);
    uint32_t id = sftp_get_u32(&in);

    if (in.bad)
        return -1;
    if (type == SFTP_INIT)
        answer_init(sftp);
    else if (requests[type])
        requests[type](sftp, id, &in);
    else
        sftp_put_status(sftp, id, SFTP_FX_OP_UNSUPPORTED, "The drop does not know that.");
    return sftp->out.overflowed ? -1 : 0;
}

/* ---- the loop ---- */

bool sftp_is_cut(const struct sftp *sftp)
{
    return sftp->pipe->is_cut && sftp->pipe->is_cut(sftp->pipe->context);
}

static int send_answers(struct sftp *sftp, const struct sftp_pipe *pipe)
{
    int result = 0;

    if (sftp->out.len > 0)
        result = pipe->write(pipe->context, sftp->out.data, sftp->out.len);
    buf_clear(&sftp->out);
    return result;
}

/*
 * Answers every whole packet of what has come, and sends the answers together: a client has many
 * requests under way. How many bytes were used; -1: the session ends.
 */
static ssize_t answer_all(struct sftp *sftp, const struct sftp_pipe *pipe, const uint8_t *bytes,
                          size_t length)
{
    size_t used = 0;

    while (length - used >= 4) {
        struct sftp_reader in = {.at = bytes + used, .end = bytes + length};
        size_t packet = sftp_get_u32(&in);

        if (packet < 5 || packet > SFTP_PACKET_MAX || sftp_is_cut(sftp))
            return -1;
        if (length - used - 4 < packet)
            break;
        if (sftp_answer(sftp, in.at, packet))
            return -1;
        used += 4 + packet;
        if (sftp->out.len > SFTP_OUT_MAX - SFTP_PACKET_MAX - 64 && send_answers(sftp, pipe))
            return -1;
    }
    return send_answers(sftp, pipe) ? -1 : (ssize_t)used;
}

/* A client that lets us wait: others may see what it has sent so far. */
static void show_arrivals(struct sftp *sftp)
{
    for (size_t i = 0; i < SFTP_HANDLES; i++)
        if (sftp->handles[i].used && sftp->handles[i].arrival)
            drop_arrival_show(sftp->handles[i].arrival);
}

void sftp_run(struct sftp *sftp, const struct sftp_pipe *pipe)
{
    uint8_t *in = mem_alloc(IN_SIZE);
    size_t have = 0;
    ssize_t used = 0;

    sftp->pipe = pipe;
    while (used >= 0) {
        if (pipe->wait && !pipe->wait(pipe->context, DROP_SHOWN_AFTER_MS))
            show_arrivals(sftp);
        int got = pipe->read(pipe->context, in + have, IN_SIZE - have);

        if (got <= 0)
            break;
        have += (size_t)got;
        used = answer_all(sftp, pipe, in, have);
        if (used > 0) {
            have -= (size_t)used;
            memmove(in, in + used, have);
        }
    }
    free(in);
}

/* ---- its life ---- */

void sftp_init(struct sftp *sftp, struct drop *drop, const struct person *person)
{
    *sftp = (struct sftp){
        .drop = drop,
        .actor = {.person_id = person->id, .host = person->role == ROLE_HOST},
        .door = "sftp",
        .handles = mem_array(SFTP_HANDLES, sizeof *sftp->handles),
    };
    memcpy(sftp->name, person->name, sizeof sftp->name);
    buf_init(&sftp->out, SFTP_OUT_MAX);
}
