/*
 * session_carrier: file transfers, each in a thread of its own.
 *
 * Carrying a file means waiting for disks and for the other side, and the loop may not wait. So the
 * session is taken out of the loop, put into blocking mode and handed to a thread, which alone
 * touches it until carrier_take hands it back: `sftp` and `scp` (sftp.h), and `drop` and `get`.
 */
#ifndef CHAT_SESSION_CARRIER_H
#define CHAT_SESSION_CARRIER_H

#include "chat/command.h"

struct ssh_session_struct;
struct ssh_channel_struct;

#define CARRIERS_MAX    64 /* transfers at once, */
#define CARRIERS_PERSON 24 /* of one person */

struct carriers;
struct carrier;

enum carrier_kind { CARRY_SFTP, CARRY_SCP, CARRY_DROP, CARRY_GET };

struct carrier_load {
    enum carrier_kind kind;
    struct ssh_session_struct *session; /* blocking, out of every event */
    struct ssh_channel_struct *channel;
    int fd; /* of the connection, to end the thread */
    struct person person;
    const char *text;    /* the path, or scp's command; copied */
    const char *address; /* of the peer; copied */
    const struct config *config;
    const char *store_path;
    const int *bells;
    size_t bell_count;
    void *owner; /* handed back by carriers_take */
};

struct carriers *carriers_new(void);
/* Readable when one is done. */
int carriers_fd(const struct carriers *carriers);

/* Starts a thread. NULL: too many at once, in all or of this person, or none could be started. */
struct carrier *carrier_start(struct carriers *carriers, const struct carrier_load *load);

/* Ends it soon: its connection is shut down. */
void carrier_stop(struct carrier *carrier);

/* The owner of one that is done, which is released; NULL if there is none. */
void *carriers_take(struct carriers *carriers);

/* Stops all and waits; then carriers_take gives the rest. */
void carriers_stop(struct carriers *carriers);
void carriers_free(struct carriers *carriers);

#endif
