/*
 * sftp: the drop over SSH: SFTP version 3, and scp's own protocol.
 *
 * A file transfer has a thread of its own (session_carrier.h), which calls one of the functions
 * below with a pipe to its client; it has a store and a drop of its own. The connection lost in the
 * middle keeps what came of each open file for a day.
 *
 * Protocol: draft-ietf-secsh-filexfer-02, with posix-rename@openssh.com, statvfs@openssh.com,
 * fstatvfs@openssh.com, fsync@openssh.com, users-groups-by-id@openssh.com and others
 * (sftp_session.c has the list); links are refused. The packets are read and written
 * here, not by libssh's sftp functions, so that reads and writes are answered while others wait.
 */
#ifndef CHAT_SFTP_H
#define CHAT_SFTP_H

#include "config/config.h"
#include "identity/person.h"

#include <stdbool.h>
#include <stddef.h>

/* Where bytes come from and go to, and wait. */
struct sftp_pipe {
    /* At least one byte, at most size: how many; 0 at the end, -1 when the connection is gone. */
    int (*read)(void *context, void *bytes, size_t size);
    /* Whether within timeout_ms there is something to read, or the end. NULL: always. */
    bool (*wait)(void *context, int timeout_ms);
    /* All of them: 0 or -1. */
    int (*write)(void *context, const void *bytes, size_t length);
    /* Whether it has been cut off, as by a ban: nothing more is done for it. NULL: never. */
    bool (*is_cut)(void *context);
    void *context;
};

struct sftp_door {
    const struct sftp_pipe *pipe;
    const struct person *person;
    const struct config *config;
    const int *bells; /* for the store that the thread opens */
    size_t bell_count;
};

/* Subsystem `sftp`: answers until the client leaves. 0, or -1 when the store or drop cannot be
 * opened (logged). EOF, exit status and closing are the caller's. */
int sftp_serve(const struct sftp_door *door);

/* Whether an exec request is a file transfer: `scp -t PATH`, `scp -f PATH` (what `scp -O` sends),
 * or `sftp-server` by any path. */
bool sftp_wants(const char *command);

/* Runs such a command: the exit status to send. */
int sftp_exec(const struct sftp_door *door, const char *command);

#endif
