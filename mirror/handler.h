/*
 * handler: answers opam clients. Linked into riad-web; knows nothing of HTTP's transport.
 *
 * riad-web parses the request, asks mirror_handle what to answer, and carries it out on the
 * connection: a head, then a file (or a part of one), or a file that still grows. So the mirror
 * needs no web server, the web server no mirror, and both are tested alone.
 *
 * Handlers run on any thread of riad-web; a struct mirror is for all of them.
 */
#ifndef MIRROR_HANDLER_H
#define MIRROR_HANDLER_H

#include "base/buf.h"
#include "config/config.h"
#include "identity/store.h"

#include <stdbool.h>
#include <stdint.h>

struct mirror;

/* Opens the mirror of config's state folder. NULL, logged. */
struct mirror *mirror_open(const struct config *config);
void mirror_close(struct mirror *mirror);

/* Called from riad-web's main thread when its doorbell rang, and at every tick: wakes whoever
 * follows. */
void mirror_look(struct mirror *mirror, struct store *store);

enum mirror_kind {
    MIRROR_FILE,   /* send file, status 200; Range and conditions are the web's business */
    MIRROR_FLIGHT, /* follow flight: mirror_flight_* */
    MIRROR_TEXT,   /* status and text, one sentence */
};

struct mirror_answer {
    enum mirror_kind kind;
    int status; /* MIRROR_TEXT: 404, 503, ... */
    char text[256];
    int retry_after;           /* seconds; 0 none */
    int fd;                    /* MIRROR_FILE: yours to close */
    int64_t size, modified_ms; /* MIRROR_FILE */
    char etag[72];             /* without quotes; "" none */
    const char *type;          /* Content-Type */
    const char *cache_control;
    struct mirror_flight *flight;
};

/* path is behind /opam, decoded, with slashes folded: "/cache/md5/ab/abcd...", "/index.tar.gz".
 * store is this thread's connection. Never waits for the link. */
void mirror_handle(struct mirror *mirror, struct store *store, const char *path,
                   struct mirror_answer *answer);

/* ---- following a flight ---- */

struct mirror_flight;

enum mirror_wait { MIRROR_MORE, MIRROR_DONE, MIRROR_LOST, MIRROR_TIMEOUT };

/*
 * Waits at most timeout_ms until there is more than offset bytes, or the flight ends. MIRROR_MORE:
 * *available bytes may be sent from *fd (the flight's descriptor; pread, sendfile). MIRROR_DONE:
 * all of *available is verified and complete. MIRROR_LOST: no source can have it: before anything
 * was sent, answer status and text of mirror_flight_failure; afterwards cut the connection.
 */
enum mirror_wait mirror_flight_wait(struct mirror_flight *flight, int64_t offset, int timeout_ms,
                                    int *fd, int64_t *available);
/* The whole length, -1 while it is not known. */
int64_t mirror_flight_length(struct mirror_flight *flight);
void mirror_flight_failure(struct mirror_flight *flight, struct mirror_answer *answer);
/* Whoever followed leaves; the flight goes on. */
void mirror_flight_leave(struct mirror_flight *flight);

/* Counts what was served, for the savings: bytes to a client, and whether it came from the cache.
 */
void mirror_served(struct mirror *mirror, int64_t bytes, bool hit);

/* The savings and flights in progress, as members of a JSON object that the caller has opened. */
void mirror_report(struct mirror *mirror, struct store *store, struct buf *out);

#endif
