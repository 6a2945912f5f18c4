#include "chat/sftp.h"
#include "chat/sftp_private.h"

#include "identity/store.h"

#include <libssh/libssh.h>
#include <stdlib.h>
#include <string.h>

/* ---- the channel as a pipe ---- */

static int pipe_read(void *context, void *bytes, size_t size)
{
    ssh_channel channel = context;
    int got;

    do
        got = ssh_channel_read(channel, bytes, (uint32_t)size, 0);
    while (got == SSH_AGAIN);
    return got < 0 ? -1 : got;
}

static int pipe_write(void *context, const void *bytes, size_t length)
{
    ssh_channel channel = context;
    const uint8_t *at = bytes;

    while (length > 0) {
        int wrote = ssh_channel_write(channel, at, (uint32_t)length);

        if (wrote <= 0 || !ssh_channel_is_open(channel))
            return -1;
        at += wrote;
        length -= (size_t)wrote;
    }
    return 0;
}

/* ---- serving ---- */

/* Opens a store and a drop for this thread, and runs it: command NULL is the subsystem. -1 failed,
 * else the exit status. */
static int serve(const struct sftp_door *door, const char *command)
{
    struct sftp_pipe pipe = {.read = pipe_read, .write = pipe_write, .context = door->channel};
    char *path = config_path(door->config, "store/riad.db");
    struct store *store = store_open(path);
    struct drop *drop = NULL;
    struct sftp sftp;
    int status = 0;

    free(path);
    if (store) {
        store_bells(store, door->bells, door->bell_count);
        drop = drop_open(door->config, store);
    }
    if (drop) {
        sftp_init(&sftp, drop, door->person);
        if (command)
            status = scp_run(&sftp, &pipe, command);
        else
            sftp_run(&sftp, &pipe);
        sftp_done(&sftp);
    }
    status = drop ? status : -1;
    drop_close(drop);
    store_close(store);
    return status;
}

int sftp_serve(const struct sftp_door *door)
{
    return serve(door, NULL);
}

/* The last part of the path that the first word of a command is. */
static size_t program_of(const char *command, const char **name)
{
    size_t length = strcspn(command, " ");

    *name = command;
    for (size_t i = 0; i < length; i++)
        if (command[i] == '/')
            *name = command + i + 1;
    return (size_t)(command + length - *name);
}

static bool is_program(const char *command, const char *program)
{
    const char *name;
    size_t length = program_of(command, &name);

    return strlen(program) == length && strncmp(name, program, length) == 0;
}

bool sftp_wants(const char *command)
{
    return is_program(command, "scp") || is_program(command, "sftp-server");
}

int sftp_exec(const struct sftp_door *door, const char *command)
{
    int status = serve(door, is_program(command, "sftp-server") ? NULL : command);

    return status < 0 ? 1 : status;
}
