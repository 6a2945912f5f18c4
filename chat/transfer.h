/*
 * transfer: `drop NAME` and `get NAME`: one file, from what comes in or to what goes out.
 *
 * Runs on a thread of its own (session_carrier.h), with a store and a drop of its own, and waits
 * for disks and for the client. A connection lost in the middle keeps what came for a day.
 */
#ifndef CHAT_TRANSFER_H
#define CHAT_TRANSFER_H

#include "base/buf.h"
#include "chat/sftp.h"

struct transfer {
    const struct sftp_door *door; /* its pipe carries the file's bytes */
    const char *path;
    bool in;          /* drop; else get */
    struct buf *said; /* refusals, for the client's standard error */
};

/* The exit status. A file that arrived is answered with its path and its SHA-256, a line each. */
int transfer_run(const struct transfer *transfer);

#endif
