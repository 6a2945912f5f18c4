/*
 * handler: answers opam clients. Linked into riad-web; knows nothing of HTTP's transport.
 *
 * riad-web parses the request, asks mirror_handle what to answer, and carries it out on the
 * connection: a head, then a file (or a part of one), or a file that still grows. So the mirror
 * needs no web server, the web server no mirror, and both are tested alone.
 *
 * Handlers run on any thread of riad-web; a struct mirror is for all of them.
 *
 * An archive that is not here becomes a flight: a row that the fetcher (riad-mirror) acts upon.
 * Whoever waits for it follows the part file, which is as long as what may be shown; a thread of
 * the mirror's own hears of its growth by inotify and wakes all followers at once. Under whichever
 * digest an archive is asked for, it is one flight. An index that is not here yet is followed in
 * the same way until it is.
 */
#ifndef MIRROR_HANDLER_H
#define MIRROR_HANDLER_H

#include "base/buf.h"
#include "config/config.h"
#include "identity/store.h"

#include <stdbool.h>
#include <stdint.h>

struct mirror;

/* Counters in the store: bytes and archives that crossed the link, bytes to clients, answers from
 * the cache and answers that had to be waited for. And the fact `up` or `down: WHY`. */
#define MIRROR_COUNT_LINK     "mirror.link_bytes"
#define MIRROR_COUNT_ARCHIVES "mirror.fetched"
#define MIRROR_COUNT_SERVED   "mirror.served_bytes"
#define MIRROR_COUNT_HITS     "mirror.hits"
#define MIRROR_COUNT_MISSES   "mirror.misses"
#define MIRROR_FACT_LINK      "mirror.link"

/* Makes the mirror's folders where they are missing; before sandbox_files, since riad-web may only
 * read there afterwards. 0, or -1, logged. */
int mirror_prepare(const struct config *config);

/* Opens the mirror of config's state folder and starts the thread that hears of growing files: so
 * before sandbox_calls. pass_fd: SERVICE_PASS, lent; -1: there is none. NULL, logged. */
struct mirror *mirror_open(const struct config *config, int pass_fd);
/* Nobody follows a flight any more when this is called. */
void mirror_close(struct mirror *mirror);

/* Called from riad-web's main thread when its doorbell rang, and at every tick: wakes whoever
 * follows. */
void mirror_look(struct mirror *mirror, struct store *store);

#define MIRROR_PLACE 192

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
    char place[MIRROR_PLACE]; /* of an archive: its path below mirror/cache of the state; else "" */
    const char *type;         /* Content-Type */
    const char *cache_control;
    struct mirror_flight *flight;
    int repository; /* under whose address it was asked for, for mirror_served */
};

/* path is behind /opam, decoded, with slashes folded: "/cache/md5/ab/abcd...", "/index.tar.gz".
 * store is this thread's connection. Never waits for the link. */
void mirror_handle(struct mirror *mirror, struct store *store, const char *path,
                   struct mirror_answer *answer);

/* ---- following a flight ---- */

struct mirror_flight;

enum mirror_wait { MIRROR_MORE, MIRROR_DONE, MIRROR_LOST, MIRROR_TIMEOUT };

/*
 * Waits at most timeout_ms until there are more than offset bytes, or the flight ends. offset is
 * what this follower has sent already. MIRROR_MORE: *available bytes in all may be sent from *fd
 * (the flight's descriptor; pread, sendfile), and mirror_flight_length is settled: time for the
 * head. MIRROR_DONE: all of *available is verified and complete; *fd may be another one than
 * before. MIRROR_LOST: no source can have it: before anything was sent, answer status and text of
 * mirror_flight_failure; afterwards cut the connection. MIRROR_TIMEOUT: nothing new; look whether
 * the client is still there, and wait again: an opam client waits for as long as one likes, and an
 * error sends it across the slow link.
 */
enum mirror_wait mirror_flight_wait(struct mirror_flight *flight, int64_t offset, int timeout_ms,
                                    int *fd, int64_t *available);
/* The whole length to promise in the head, -1 if it is not known (then chunked): settled when this
 * follower is first given something. It never gets more; a flight that turns out to have another
 * length is lost for it. */
int64_t mirror_flight_length(const struct mirror_flight *flight);
void mirror_flight_failure(struct mirror_flight *flight, struct mirror_answer *answer);
/* Whoever followed leaves; the flight goes on. */
void mirror_flight_leave(struct mirror_flight *flight);

/* ---- savings ---- */

/* The number of the repository under whose address a path (as for mirror_handle) is. */
int mirror_repository(const struct mirror *mirror, const char *path);

/* Counts what was served for an answer: bytes to a client, and whether it came from the cache. */
void mirror_served(struct mirror *mirror, int repository, int64_t bytes, bool hit);

struct mirror_savings {
    int64_t link_bytes, served_bytes; /* across the link, to clients */
    int64_t saved_bytes;              /* what did not cross it again */
    int64_t hits, misses;             /* answers from the cache, and those that had to be fetched */
};

/* Of the repository with that name ("": [mirror]); NULL: of all together. */
void mirror_savings(struct store *store, const char *repository, struct mirror_savings *savings);

/* An archive on its way that somebody waits for, or that flies. */
struct mirror_progress {
    int64_t id;
    char name[160], package[100]; /* package: the first that needs it, "" not known */
    bool flying;                  /* else it waits for its turn, or for the link */
    int64_t length, received;     /* length: -1 not known */
    int64_t speed, seconds_left;  /* bytes a second; seconds_left: -1 not known */
};

/* Fills in at most room, those that people wait for first. How many. */
size_t mirror_progress(struct mirror *mirror, struct store *store, struct mirror_progress *list,
                       size_t room);

#define MIRROR_SAY_MAX 400
/* One line about it for people: `lwt.5.6.1: 1.2 MB of 3.0 MB, 310 kB/s, 6 s left`. */
void mirror_progress_text(const struct mirror_progress *progress, char *out);
/* Its fields as members of a JSON object that the caller has opened. */
void mirror_progress_json(struct buf *out, const struct mirror_progress *flight);
/* And about savings: `3.2 MB saved: 4.2 MB served, 1.0 MB from the link, 12 of 15 answers from the
 * cache`. */
void mirror_savings_text(const struct mirror_savings *savings, char *out);

/* The savings and flights in progress, as members of a JSON object that the caller has opened. */
void mirror_report(struct mirror *mirror, struct store *store, struct buf *out);

#endif
