/*
 * drop_private: what the sources of the drop share and show to nobody else.
 *
 *     drop.c      opening, sentences, space, folders on disk
 *     look.c      the index: what is there, lists, totals
 *     learn.c     bringing the index in line with what was done by hand
 *     arrival.c   beginning, resuming, pausing;  write.c the bytes;  row.c what the store knows
 *     downloads.c counting them
 *     digester.c  the SHA-256 of a part while it grows
 *     publish.c   from part to file
 *     coming.c    what is on its way: lists, followers
 *     house.c     removing, renaming, folders, times
 *     tidy.c      putting in order what a crash or a hand left
 *     keeper.c    the drop's own thread;  announce.c what it says in the lobby
 */
#ifndef DROP_DROP_PRIVATE_H
#define DROP_DROP_PRIVATE_H

#include "drop/drop.h"

#include <pthread.h>
#include <sys/stat.h>

#define DROP_ARRIVING    ".arriving"
#define DROP_PART_LIFE_S (24 * 3600) /* a part that nobody goes on with */
#define DROP_ACTIVE_MS   5000        /* bytes came within: it is coming, not standing still */
#define DROP_FILE_MODE   0660
#define DROP_FOLDER_MODE 02770

struct drop {
    const struct config *config;
    struct store *store;
    int root_fd;     /* drop/ */
    int arriving_fd; /* drop/.arriving/ */
    bool nameless;   /* lists tell nobody's name, see drop_name_owners */
};

/* ---- drop.c ---- */

/* Checks what was asked and puts it into path (DROP_PATH_MAX). DROP_OK or DROP_BAD_PATH. */
enum drop_result drop_check(const char *asked, char *path);

/* openat2(2) beneath the drop, through no link; path "" is the drop itself. -1 with errno. */
int drop_open_at(const struct drop *drop, const char *path, int flags, mode_t mode);
/* fstatat for a checked path, through no link. 0, or -1 with errno. */
int drop_stat(const struct drop *drop, const char *path, struct stat *out);
/* The folder that holds path, open; *name is the last part of path. -1 with errno. */
int drop_open_parent(const struct drop *drop, const char *path, const char **name);
/* Makes the folders above path, on disk (synced) and in the index, within one transaction: nobody
 * takes them for made by hand. */
enum drop_result drop_make_parents(struct drop *drop, const char *path);
/* fsync of the folder that holds path. 0, or -1, logged. */
int drop_sync_parent(const struct drop *drop, const char *path);
/* What a failed call means: DROP_NO_SPACE for a full disk, else DROP_FAILED, logged. */
enum drop_result drop_failure(const char *what, const char *path);

/* Whether the actor owns what has this person and guest (a blob or NULL). */
bool drop_owns(const struct drop_actor *actor, int64_t person_id, const void *guest, size_t length);
/* The actor's guest digest as values `b` of a statement: NULL and 0 for people. */
const void *drop_guest_blob(const struct drop_actor *actor);

/* Milliseconds of a time as stat(2) gives it. */
int64_t drop_ms(struct timespec at);

/* ---- look.c ---- */

/* The index row of a checked path: 1, 0, -1. actor may be NULL. */
int drop_index_get(struct drop *drop, const char *path, const struct drop_actor *actor,
                   struct drop_file *file);
/*
 * Brings the row of one checked path in line with the disk: adds, corrects (without digest) or
 * removes it. A file that is just being published is left alone. 1 something is there now, 0
 * nothing, -1 failed.
 */
int drop_index_learn(struct drop *drop, const char *path);
/* The row gets another path, within the caller's transaction. 0 or -1. */
int drop_index_move(struct drop *drop, int64_t id, const char *path);
/* Rows for the folders above path, within the caller's transaction. 0 or -1. */
int drop_index_parents(struct drop *drop, const char *path, int64_t now);
/* Folders above path that were not made by themselves and are empty go, on disk and in the index.
 */
void drop_index_prune(struct drop *drop, const char *path);

/* ---- downloads.c ---- */

/* Writes down what was counted by drop_downloaded; not within a transaction. */
void drop_downloads_write(struct drop *drop);

/* ---- digester.c ---- */

/*
 * Reads a part file behind its writer and keeps the digest of its first bytes. Small files are
 * digested as they are written; from DIGESTER_INLINE on a thread does it, which also asks the
 * kernel to write early, so that the fsync at the end is short.
 */
#define DIGESTER_INLINE (1 << 20)
struct digester {
    int fd;
    struct digest *digest;
    int64_t done;   /* this many bytes are digested */
    int64_t limit;  /* this many may be */
    int64_t synced; /* this many are on disk for sure */
    bool stale;     /* something digested was written over: again from the start, at the end */
    bool stop;      /* the thread shall end */
    bool finish;    /* ... when it has digested up to limit */
    bool threaded;  /* a thread runs */
    bool failed;    /* the part could not be read */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
};

/* Takes a part with length bytes to digest first; key finds the state that an earlier connection
 * left. */
void digester_init(struct digester *digester, int fd, const char *key, int64_t length);
/* length bytes were written at offset, up to which all is there. bytes may be NULL. */
void digester_put(struct digester *digester, int64_t offset, const void *bytes, size_t length);
/* Something before the end of what was handed over changed. */
void digester_spoil(struct digester *digester);
/* The digest of the first length bytes. 0, or -1, logged. */
int digester_end(struct digester *digester, int64_t length, uint8_t *sha256);
/* How much of the part has reached the disk. */
int64_t digester_synced(struct digester *digester);
/* Ends it; with a key its state is kept in memory for whoever resumes. */
void digester_done(struct digester *digester, const char *key);

/* ---- arrival.c ---- */

#define DROP_GAPS_MAX 64

/* Bytes that came ahead of others. */
struct drop_gap {
    int64_t from, until;
};

struct drop_arrival {
    struct drop *drop;
    int64_t id; /* of its row; 0: not recorded yet */
    char key[SECRET_TEXT], path[DROP_PATH_MAX], door[8];
    struct drop_actor actor; /* whose it is */
    int64_t size;            /* -1 not known */
    bool replace, exact, has_match, scattered, announced;
    bool still; /* paused: nobody writes it now */
    uint8_t match[DIGEST_SHA256_SIZE];
    int fd;
    int64_t length;      /* of the part file */
    int64_t solid;       /* all bytes before this one are there */
    int64_t modified_ms; /* -1: of its last byte */
    int64_t checked;     /* the space was looked at when so much was there */
    int64_t started_at, recorded_ms;
    struct drop_gap ahead[DROP_GAPS_MAX]; /* beyond solid, in order, apart */
    size_t ahead_count;
    struct digester digester;
    pthread_mutex_t mutex; /* a connection that takes over against the one that it takes from */
    bool revoked;
    int64_t wrote_ms; /* monotonic */
    struct drop_arrival *next;
};

/* Whether the actor may store anything: DROP_OK, DROP_NOT_ALLOWED, DROP_SIGN_IN. */
enum drop_result drop_may_store(const struct drop *drop, const struct drop_actor *actor);

/* The row of an arrival: what drop_resume needs of it. guest has DIGEST_SHA256_SIZE bytes. */
struct drop_row {
    int64_t id, size, received, synced, started_at;
    char key[SECRET_TEXT], path[DROP_PATH_MAX], door[8];
    struct drop_actor owner;
    bool replaces, exact, scattered, announced, has_sha256;
    uint8_t sha256[DIGEST_SHA256_SIZE];
};
/* One row by its key, or the newest of that owner under a checked path (key NULL). 1, 0, -1. */
int drop_row_get(struct drop *drop, const char *key, const char *path,
                 const struct drop_actor *actor, struct drop_row *row);

/* Writes the arrival's row, or renews it. 0 or -1. */
int drop_arrival_record(struct drop_arrival *arrival);
/* Releases it: registry, lock, descriptor, memory. keep_state: the digest for whoever resumes. */
void drop_arrival_free(struct drop_arrival *arrival, bool keep_state);
/* Ends what another connection could take over: whether this one still had it. */
bool drop_arrival_close(struct drop_arrival *arrival);
/* Its row and its part go. */
void drop_arrival_erase(struct drop_arrival *arrival);
/* Takes the lock of a part: 1 taken, 0 somebody has it, -1 failed. */
int drop_part_lock(int fd);
/* Whether an arrival of this process writes that key now. */
bool drop_part_live(const char *key);

/* ---- publish.c ---- */

/* The SHA-256 of an open file, however long that takes; stop_fd (or -1) readable ends it. 0, or -1:
 * logged, or stopped. */
int drop_digest_fd(int fd, int stop_fd, uint8_t *sha256);

/* What a part becomes: of an arrival, or of a row that a dead process left. */
struct drop_landing {
    int64_t arrival_id;
    const char *path;
    int64_t person_id;
    const void *guest; /* DIGEST_SHA256_SIZE bytes or NULL */
    int64_t size, modified_at;
    const uint8_t *sha256;
};
/* The row of a file that has got its name on disk; the arrival's row goes. It is not synced: the
 * arrival's, which is, brings it back. 0 or -1. */
int drop_landed(struct drop *drop, const struct drop_landing *landing);

/* ---- keeper.c, announce.c, tidy.c ---- */

/* Something was published: the keeper of this process, if it is here, looks soon. */
void drop_keeper_nudge(void);
/* Says what is due; the milliseconds until it is worth asking again (-1: nothing is waiting). */
int drop_announce(struct drop *drop);
/* The part of drop_tidy that a process does at its start for those that the last one left. */
int drop_tidy_parts(struct drop *drop);
/* The least of what nobody is bringing just now gives way to something new: whether one did. */
bool drop_arrivals_thin(struct drop *drop);
/* Expired arrivals and files go. 0 or -1. */
int drop_expire(struct drop *drop);
/* Reads the digest of the next file after id *after that has none, and moves *after on to it. 1
 * there was one, 0 there is none, -1 failed. stop_fd (or -1) readable ends it early. */
int drop_read_missing(struct drop *drop, int stop_fd, int64_t *after);
/* Looks at one path that a hand may have touched; name as it stands on disk. */
void drop_look_again(struct drop *drop, const char *folder, const char *name);

/* Called between two steps of anything that must survive a crash; tests set it. */
extern void (*drop_step)(const char *name);
void drop_steps_to(void (*step)(const char *name));

#endif
