#include "chat/sftp.h"
#include "chat/sftp_private.h"

#include "identity/store.h"

#include <stdlib.h>
#include <string.h>

/* Opens a store and a drop for this thread, and runs it: command NULL is the subsystem. -1 failed,
 * else the exit status. */
static int serve(const struct sftp_door *door, const char *command)
{
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
            status = scp_run(&sftp, door->pipe, command);
        else
            sftp_run(&sftp, door->pipe);
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
