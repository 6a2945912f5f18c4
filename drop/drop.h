/*
 * drop: the shared files.
 *
 * A file lies under its own name in the folder drop/ of the state, and in the index (table `file`)
 * with its owner, size, SHA-256 and times. It comes in by an arrival: bytes and digest into a
 * hidden part file, then fsync, rename without replacing, fsync of the folder, row, event: it
 * appears complete or not at all. `shelf/` within is the organiser's own: never written from
 * outside.
 *
 * SSH and HTTP use the same calls. A `struct drop` belongs to one thread (it holds that thread's
 * store); the folder is opened once, and no path leaves it (openat2(2), RESOLVE_BENEATH). Paths
 * are checked by drop/path.h before anything else.
 */
#ifndef DROP_DROP_H
#define DROP_DROP_H

#include "config/config.h"
#include "drop/path.h"
#include "identity/digest.h"
#include "identity/person.h"
#include "identity/store.h"

#include <sys/types.h>

struct drop;

/* Opens the drop of config's state folder for this thread; store and config are lent for its life.
 * NULL, logged. */
struct drop *drop_open(const struct config *config, struct store *store);
void drop_close(struct drop *drop);

/* Whoever runs it (riad-web) calls this at its start: part files without a row and rows without a
 * part go, expired arrivals and files go, and the index follows what was done by hand on disk. 0 or
 * -1. */
int drop_tidy(struct drop *drop);

/* Who acts. */
struct drop_actor {
    int64_t person_id; /* 0 a guest */
    bool host;
    bool has_guest; /* guest holds the digest of a guest's cookie or Drop-Token */
    uint8_t guest[DIGEST_SHA256_SIZE];
};

/* What came of it. drop_result_text is a plain sentence, drop_result_status an HTTP status. */
enum drop_result {
    DROP_FAILED = -1, /* logged; 500 */
    DROP_OK,
    DROP_NOT_FOUND,    /* 404 */
    DROP_BAD_PATH,     /* 400; drop_path_rule says why */
    DROP_NOT_YOURS,    /* 403; something is there that belongs to somebody else */
    DROP_TAKEN,        /* 409 */
    DROP_NOT_ALLOWED,  /* 403, or 401 for a guest: uploads are for people, or for nobody, or it is
                          shelf/ */
    DROP_TOO_LARGE,    /* 413 */
    DROP_NO_SPACE,     /* 507 */
    DROP_WRONG_OFFSET, /* 409 */
    DROP_WRONG_DIGEST, /* 460 in tus, else 400 */
    DROP_IS_FOLDER,    /* 409 */
    DROP_NOT_EMPTY,    /* 409 */
    DROP_BUSY,         /* 423: another connection is writing this arrival */
};
const char *drop_result_text(enum drop_result result);
int drop_result_status(enum drop_result result);

/* One entry of the index, or a folder. */
struct drop_file {
    int64_t id; /* 0: a folder */
    char path[DROP_PATH_MAX];
    bool folder;
    int64_t person_id;          /* 0: nobody's, a guest's */
    char owner[NAME_MAX_BYTES]; /* "" likewise */
    int64_t size, created_at, modified_at, downloads;
    bool has_sha256;
    uint8_t sha256[DIGEST_SHA256_SIZE];
};

/* ---- reading ---- */

/* What is at path ("" is the drop itself). */
enum drop_result drop_look(struct drop *drop, const char *path, struct drop_file *file);
/* Opens it to read: a descriptor in *fd, yours to close. */
enum drop_result drop_read(struct drop *drop, const char *path, struct drop_file *file, int *fd);
/* Counts a download. */
void drop_downloaded(struct drop *drop, int64_t file_id);

typedef void drop_each(void *context, const struct drop_file *file);
struct drop_query {
    const char *folder;        /* its direct entries, folders first; NULL: files at any depth */
    const char *words;         /* part of the path, any case; NULL: all */
    int64_t person_id;         /* 0: anybody's */
    int64_t from_ms, until_ms; /* created; 0: open */
    const char *after;         /* continue behind this path; NULL: from the start */
    int64_t limit;             /* 0: all */
    bool newest;               /* newest first rather than by name; only with folder NULL */
};
int drop_list(struct drop *drop, const struct drop_query *query, drop_each *each, void *context);
/* Files and their bytes. 0 or -1. */
int drop_totals(struct drop *drop, int64_t *files, int64_t *bytes);
/* What may still be uploaded, beyond the reserve. */
int64_t drop_space(struct drop *drop);

/* ---- arrivals ---- */

struct drop_arrival;

struct drop_wish {
    const char *path; /* as asked; checked and put into NFC here */
    struct drop_actor actor;
    const char *door; /* "put", "form", "tus", "sftp", "ssh" */
    int64_t size;     /* -1 not known */
    bool replace; /* the actor's own file of that name is replaced; else a free name is chosen */
    bool exact;   /* with another's file there: DROP_TAKEN rather than a free name */
};

/* Begins: refuses now what cannot be. *arrival is yours until drop_publish, drop_abandon or
 * drop_pause. */
enum drop_result drop_begin(struct drop *drop, const struct drop_wish *wish,
                            struct drop_arrival **arrival);
/* Goes on with one that was paused, by its key; only its owner may. One writer at a time:
 * DROP_BUSY. */
enum drop_result drop_resume(struct drop *drop, const char *key, const struct drop_actor *actor,
                             struct drop_arrival **arrival);
/* The arrival of that owner under that path, to go on with (`curl -C`, reput). */
enum drop_result drop_resume_path(struct drop *drop, const char *path,
                                  const struct drop_actor *actor, struct drop_arrival **arrival);

const char *drop_arrival_key(const struct drop_arrival *arrival);
const char *drop_arrival_path(const struct drop_arrival *arrival);
int64_t drop_arrival_offset(const struct drop_arrival *arrival);
int64_t drop_arrival_size(const struct drop_arrival *arrival); /* -1 not known */
enum drop_result drop_arrival_set_size(struct drop_arrival *arrival, int64_t size);

/* Appends bytes. DROP_TOO_LARGE beyond size or max_file; DROP_NO_SPACE keeps what was written. */
enum drop_result drop_write(struct drop_arrival *arrival, const void *bytes, size_t length);
/* Writes anywhere (SFTP clients may): the digest is then computed at the end. */
enum drop_result drop_write_at(struct drop_arrival *arrival, int64_t offset, const void *bytes,
                               size_t length);

/*
 * Publishes: durable and visible when it returns. *file says under which path. Same bytes under the
 * same name are the same file (*same); with other bytes there, and neither replace nor exact, a
 * free name `NAME (2).EXT`. Announced in the chat by one line (files that one actor publishes
 * within seconds: one line). Releases the arrival whatever comes of it.
 */
enum drop_result drop_publish(struct drop_arrival *arrival, struct drop_file *file, bool *same);
/* The connection is gone: keep the part for a day. Releases the arrival. */
void drop_pause(struct drop_arrival *arrival);
/* Throws the part away. Releases the arrival. */
void drop_abandon(struct drop_arrival *arrival);

/* One that is on its way, for lists and for followers. */
struct drop_coming {
    int64_t id;
    char key[SECRET_TEXT];
    char path[DROP_PATH_MAX];
    char owner[NAME_MAX_BYTES];
    int64_t person_id, size, received, started_at, touched_at, expires_at;
    bool active; /* bytes came within the last seconds */
};
typedef void drop_coming_each(void *context, const struct drop_coming *coming);
int drop_coming_list(struct drop *drop, drop_coming_each *each, void *context);
enum drop_result drop_coming_by_key(struct drop *drop, const char *key, struct drop_coming *coming);
/* Opens the part of whatever is arriving under path, to be followed to its end: *fd is yours. What
 * has been received is the length of the part file; its end shows as the arrival's row being gone
 * (drop_coming_by_key). */
enum drop_result drop_follow(struct drop *drop, const char *path, struct drop_coming *coming,
                             int *fd);

/* ---- keeping house ---- */

enum drop_result drop_remove(struct drop *drop, const char *path, const struct drop_actor *actor);
enum drop_result drop_rename(struct drop *drop, const char *from, const char *to,
                             const struct drop_actor *actor, bool replace);
enum drop_result drop_make_folder(struct drop *drop, const char *path,
                                  const struct drop_actor *actor);
enum drop_result drop_remove_folder(struct drop *drop, const char *path,
                                    const struct drop_actor *actor);
enum drop_result drop_set_modified(struct drop *drop, const char *path, int64_t modified_ms,
                                   const struct drop_actor *actor);
/* What a guest dropped becomes a person's (they signed in). 0 or -1. */
int drop_adopt(struct drop *drop, const uint8_t *guest, int64_t person_id);

#endif
