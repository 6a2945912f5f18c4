/*
 * session_carrier: file transfers, each in a thread of its own.
 *
 * Carrying a file means waiting for disks and for the other side, and the loop may not wait. A
 * carrier is a thread that runs `sftp` or `scp` (sftp.h), `drop` or `get` (transfer.h), and reaches
 * its client in one of two ways:
 *
 *   direct   The channel is alone on its connection. The session has left the loop, is in blocking
 *            mode, and this thread alone touches it: the fastest way.
 *   piped    Others share the connection (ssh's ControlMaster: a chat and a copy at once). The
 *            session stays in the loop, which passes bytes on through a socket pair.
 *
 * A carrier that is direct goes over to the pipe when a second channel is wanted: that is what
 * `crowded` says, which callbacks of libssh set on the carrier's own thread.
 */
#ifndef CHAT_SESSION_CARRIER_H
#define CHAT_SESSION_CARRIER_H

#include "base/buf.h"
#include "config/config.h"
#include "identity/person.h"

struct ssh_session_struct;
struct ssh_channel_struct;

#define CARRIERS_MAX    64 /* transfers at once, */
#define CARRIERS_PERSON 24 /* of one person */

struct carriers;
struct carrier;

enum carrier_kind { CARRY_SFTP, CARRY_SCP, CARRY_DROP, CARRY_GET };

struct carrier_load {
    enum carrier_kind kind;
    bool direct;
    struct ssh_session_struct *session; /* direct: blocking, out of every event */
    struct ssh_channel_struct *channel;
    int fd; /* direct: of the connection */
    const bool *crowded;
    struct person person;
    const char *text; /* the path, or scp's command; copied */
    const struct config *config;
    const int *bells;
    size_t bell_count;
    void *owner; /* handed back by carriers_take */
};

struct carriers *carriers_new(void);
/* Readable when one has news. */
int carriers_fd(const struct carriers *carriers);

/* Starts a thread. NULL: too many at once, in all or of this person, or none could be started. */
struct carrier *carrier_start(struct carriers *carriers, const struct carrier_load *load);

/* The loop's end of the pipe, non-blocking, of one that is piped. Reading: what is for the client;
 * writing: what came from it; shutdown(2) of writing: its end of input. */
int carrier_pipe(const struct carrier *carrier);

/* Ends it soon: its connection is cut. */
void carrier_stop(struct carrier *carrier);

/* The same, and its owner is no more: nothing is handed back. Only when piped. */
void carrier_disown(struct carrier *carrier);

enum carrier_event {
    CARRIER_NOTHING,
    CARRIER_PIPED, /* was direct: the session is the loop's again, and the pipe is used */
    CARRIER_DONE,  /* the session is the loop's again; the carrier is released */
};

struct carrier_news {
    enum carrier_event event;
    void *owner;
    bool direct; /* DONE: it had the session until now */
    int status;  /* DONE: the exit status */
    char *rest;  /* DONE: what the loop has not taken from the pipe; yours to free */
    size_t rest_length;
    char *said; /* DONE: for the client's standard error; yours to free */
};

/* Next news; false if there is none. */
bool carriers_take(struct carriers *carriers, struct carrier_news *news);

/* Stops all and waits; then carriers_take gives the rest. */
void carriers_stop(struct carriers *carriers);
void carriers_free(struct carriers *carriers);

#endif
