/*
 * drop: the shared files.
 *
 * A file lies under its own name in the folder drop/ of the state, and in the index (table `file`)
 * with its owner, size, SHA-256 and times. It comes in by an arrival: bytes and digest into a
 * hidden part file, then fsync, the intent synced into the store, rename without replacing, fsync
 * of the folder, row, event: it appears complete or not at all, and whose it is survives with it.
 * `shelf/` within is the organiser's own: never written from outside.
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

#include <sys/statvfs.h>

struct drop;

/* Opens the drop of config's state folder for this thread; store and config are lent for its life.
 * NULL, logged. */
struct drop *drop_open(const struct config *config, struct store *store);
void drop_close(struct drop *drop);

/* Who acts. */
struct drop_actor {
    int64_t person_id; /* 0 a guest */
    bool host;         /* when they came; what needs one looks again */
    bool has_guest;    /* guest holds the digest of a guest's cookie or Drop-Token */
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
    DROP_CHANGED,      /* 412; another version is there than wish.match names */
    DROP_NOT_ALLOWED,  /* 403: uploads are for nobody, or it is shelf/ */
    DROP_SIGN_IN,      /* 401: uploads are for people, and this is a guest */
    DROP_TOO_LARGE,    /* 413 */
    DROP_NO_SPACE,     /* 507 */
    DROP_WRONG_OFFSET, /* 409 */
    DROP_WRONG_DIGEST, /* 460 in tus, else 400 */
    DROP_IS_FOLDER,    /* 409 */
    DROP_NOT_EMPTY,    /* 409 */
    DROP_BUSY,         /* 423: another connection is writing this arrival */
    DROP_RESULTS,
};
const char *drop_result_text(enum drop_result result);
/* The same of a path: for DROP_BAD_PATH the rule that it breaks. */
const char *drop_refusal_text(enum drop_result result, const char *path);
int drop_result_status(enum drop_result result);

/* One entry of the index, or a folder. */
struct drop_file {
    int64_t id; /* 0: a folder */
    char path[DROP_PATH_MAX];
    bool folder;
    int64_t person_id;          /* 0: nobody's, a guest's */
    char owner[NAME_MAX_BYTES]; /* "" likewise */
    bool yours;                 /* the actor given to drop_look_as owns it */
    bool nameless;              /* somebody's, and whose is not told */
    bool by_hand;               /* put there on the box's disk: nobody's, not even a guest's */
    int64_t size, created_at, modified_at, downloads;
    bool has_sha256; /* not yet for what was just put there by hand */
    uint8_t sha256[DIGEST_SHA256_SIZE];
};

/* Whose it is, in words: a name, "a guest", "the organiser". */
const char *drop_owner_text(const struct drop_file *file);

/* ---- reading ---- */

/* Who goes with the person_id of a file or list: "-" for nobody, for who is no more, and for whom
 * lists do not name. 0 or -1. */
int drop_owner_name(struct drop *drop, int64_t person_id, char name[static NAME_MAX_BYTES]);

/* What is at path ("" is the drop itself). Paths are taken as asked: checked and put into NFC here,
 * as everywhere below. */
enum drop_result drop_look(struct drop *drop, const char *path, struct drop_file *file);
/* The same, and whether it is the actor's own (or the actor is a host). */
enum drop_result drop_look_as(struct drop *drop, const char *path, const struct drop_actor *actor,
                              struct drop_file *file);
/*
 * Opens it to read: a descriptor in *fd, yours to close. What *file says of size, time and digest
 * is true of this very descriptor; what was changed by hand since it was read has no digest.
 */
enum drop_result drop_read(struct drop *drop, const char *path, struct drop_file *file, int *fd);
/* Whether drop_read would open what a list said of it, of that size. Asks the disk, not the store:
 * a drop_each may call it. */
bool drop_is_readable(const struct drop *drop, const struct drop_file *file);
/* Counts a download. */
void drop_downloaded(struct drop *drop, int64_t file_id);
/* The same without the store, for whoever calls drop_downloads_settle every now and then. false:
 * too many wait already, it was not counted. */
bool drop_downloaded_soon(int64_t file_id);
/* Writes down what was counted by this process, if anything has waited for a second. */
void drop_downloads_settle(struct store *store);

typedef void drop_each(void *context, const struct drop_file *file);
struct drop_query {
    const char *folder;        /* its direct entries, folders first; NULL: files at any depth */
    const char *words;         /* each in the path, any case; NULL: all. With folder NULL */
    int64_t person_id;         /* 0: anybody's */
    int64_t from_ms, until_ms; /* created; 0: open */
    const char *after;         /* continue behind this path; NULL: from the start */
    int64_t limit;             /* 0: all */
    bool newest;               /* newest first rather than by name */
    bool off_shelf;            /* without shelf/, which may hold whole repositories */
};
/* Whether lists from now on tell whose a file is (they do at first). Strangers are not told while
 * newcomers are not let in: owner is "" and person_id 0 then. */
void drop_name_owners(struct drop *drop, bool yes);
/* each must not use the drop's store. 0 or -1. */
int drop_list(struct drop *drop, const struct drop_query *query, drop_each *each, void *context);
/* Files and their bytes. 0 or -1. */
int drop_totals(struct drop *drop, int64_t *files, int64_t *bytes);
/* What may still be uploaded, beyond the reserve and what was promised to others; promises take
 * half of it at most, so that nobody is kept out by words alone. -1 failed. */
int64_t drop_space(struct drop *drop);
/* The file system, with f_bavail and f_bfree less the reserve, for statvfs@openssh.com. 0 or -1. */
int drop_statvfs(struct drop *drop, struct statvfs *out);

/* ---- arrivals ---- */

struct drop_arrival;

/*
 * What the actor asks for. With a file there already:
 *
 *     replace  exact    own file            somebody else's
 *     yes      yes      replaced            DROP_TAKEN           PUT /files/PATH, SFTP
 *     no       no       a free name         a free name          PUT /NAME, forms, tus
 *     no       yes      DROP_TAKEN          DROP_TAKEN           If-None-Match: *
 *     yes      no       replaced            a free name
 *
 * With the same bytes it is the same file, in each of these rows: where the size cannot be that
 * of the file there, DROP_TAKEN comes at once, else from drop_publish.
 */
struct drop_wish {
    const char *path; /* as asked */
    struct drop_actor actor;
    const char *door; /* "put", "form", "tus", "sftp", "ssh" */
    int64_t size;     /* -1 not known */
    bool replace, exact;
    bool copy;            /* starts with the bytes of the own file there: SFTP without TRUNC */
    const uint8_t *match; /* replaces only the version with this SHA-256, else DROP_CHANGED; NULL */
};

/* Begins: refuses now what cannot be. *arrival is yours until drop_publish, drop_abandon or
 * drop_pause. The drop must outlive it. */
enum drop_result drop_begin(struct drop *drop, const struct drop_wish *wish,
                            struct drop_arrival **arrival);
/*
 * Goes on with one that was paused, by its key. The key is told to nobody but the uploader: with
 * actor NULL it is permission enough (tus), else the actor must own it. One writer at a time:
 * DROP_BUSY, but a connection of this process that has brought nothing for a second is taken over:
 * whatever it calls next answers DROP_BUSY.
 */
enum drop_result drop_resume(struct drop *drop, const char *key, const struct drop_actor *actor,
                             struct drop_arrival **arrival);
/* The newest arrival of that owner under that path, to go on with (`curl -C`, reput). */
enum drop_result drop_resume_path(struct drop *drop, const char *path,
                                  const struct drop_actor *actor, struct drop_arrival **arrival);
/* Whoever comes back at once finds the connection that died still writing, as far as this end
 * knows. Between tries after DROP_BUSY: sleeps a moment, adds it to *waited_ms (0 at first); false,
 * at once, when that is long enough. */
bool drop_busy_wait(int *waited_ms);

const char *drop_arrival_key(const struct drop_arrival *arrival);
const char *drop_arrival_path(const struct drop_arrival *arrival);
/* How much is there without a gap: where to go on; and the length of what is there, with gaps. */
int64_t drop_arrival_offset(const struct drop_arrival *arrival);
int64_t drop_arrival_length(const struct drop_arrival *arrival);
int64_t drop_arrival_size(const struct drop_arrival *arrival); /* -1 not known */
int drop_arrival_fd(const struct drop_arrival *arrival); /* to read back from; the arrival's */
enum drop_result drop_arrival_set_size(struct drop_arrival *arrival, int64_t size);
/* The published file gets this time rather than that of its last byte; an own file that has the
 * same bytes already gets it, too. */
void drop_arrival_set_modified(struct drop_arrival *arrival, int64_t modified_ms);
int64_t drop_arrival_modified(const struct drop_arrival *arrival);

/* Lets others see it although little has come so far: for one whose uploader has sent nothing more
 * for DROP_SHOWN_AFTER_MS. Costs nothing once it is shown. */
#define DROP_SHOWN_AFTER_MS 300
void drop_arrival_show(struct drop_arrival *arrival);

/* It will be published under another path, which is checked as by drop_begin: clients rename what
 * they have not closed yet. */
enum drop_result drop_arrival_rename(struct drop_arrival *arrival, const char *to);

/* Appends bytes. DROP_TOO_LARGE beyond size or max_file; DROP_NO_SPACE keeps what was written. */
enum drop_result drop_write(struct drop_arrival *arrival, const void *bytes, size_t length);
/* Writes anywhere (SFTP clients may). DROP_NO_SPACE also where all up to its end could not be. */
enum drop_result drop_write_at(struct drop_arrival *arrival, int64_t offset, const void *bytes,
                               size_t length);
/* Cuts or extends the part: a chunk whose checksum was wrong (tus), SFTP's setstat. DROP_NO_SPACE
 * as above. */
enum drop_result drop_truncate(struct drop_arrival *arrival, int64_t length);
/* Makes what came so far durable (fsync@openssh.com). */
enum drop_result drop_sync(struct drop_arrival *arrival);

/*
 * Publishes: durable and visible when it returns. *file says under which path. Same bytes under the
 * same name are the same file (*same); with other bytes there, and neither replace nor exact, a
 * free name `NAME (2).EXT`; *replaced (may be NULL) says that an own file was. Announced in the
 * chat by one line (files that one actor publishes within seconds: one line). Releases the arrival
 * whatever comes of it; after DROP_NO_SPACE, or DROP_WRONG_OFFSET (not all is here yet), its part
 * is kept as by drop_pause, after everything else it is gone.
 */
enum drop_result drop_publish(struct drop_arrival *arrival, struct drop_file *file, bool *same,
                              bool *replaced);
/* The connection is gone: keep the part for a day. Releases the arrival. */
void drop_pause(struct drop_arrival *arrival);
/* Throws the part away. Releases the arrival. */
void drop_abandon(struct drop_arrival *arrival);

/* One that is on its way, for lists and for followers. */
struct drop_coming {
    int64_t id;
    char key[SECRET_TEXT]; /* "" unless it is yours, or was asked for by the key */
    char path[DROP_PATH_MAX];
    char owner[NAME_MAX_BYTES];
    char door[8];
    int64_t person_id, size, received, started_at, touched_at, expires_at;
    bool yours;    /* the given actor may go on with it */
    bool in_order; /* received is a number that grows; else only its end means something */
    bool active;   /* bytes came within the last seconds */
};
typedef void drop_coming_each(void *context, const struct drop_coming *coming);
/* Those that are on their way and known to others: what takes no longer than a blink is not. actor
 * may be NULL. most: so many that were written to last, since thousands may have been begun; 0 all.
 * 0 or -1. */
int drop_coming_list(struct drop *drop, const struct drop_actor *actor, int64_t most,
                     drop_coming_each *each, void *context);
/* By its key, as for drop_resume. */
enum drop_result drop_coming_by_key(struct drop *drop, const char *key,
                                    const struct drop_actor *actor, struct drop_coming *coming);
/* The newest of that owner under that path: `Upload-Offset` of HEAD, reput. */
enum drop_result drop_coming_by_path(struct drop *drop, const char *path,
                                     const struct drop_actor *actor, struct drop_coming *coming);
/* Ends one that nobody writes (tus termination); DROP_BUSY while somebody does. */
enum drop_result drop_coming_remove(struct drop *drop, const char *key,
                                    const struct drop_actor *actor);

/* Opens the part of whatever is arriving under path, to be followed to its end: *fd is yours.
 * DROP_NOT_FOUND also for what stands still or comes out of order. */
enum drop_result drop_follow(struct drop *drop, const char *path, struct drop_coming *coming,
                             int *fd);
/* Whether this process has just begun to take in something under path that is too young to be in
 * lists: within a blink it can be followed, or is there. */
bool drop_is_young(const char *path);
enum drop_growth {
    DROP_MORE,   /* *available bytes may be sent from fd, more than offset */
    DROP_ENDED,  /* published; *available is all of it, and all of it was sent */
    DROP_LOST,   /* it will not come: cut the connection */
    DROP_WAITED, /* nothing new within timeout_ms */
};
enum drop_growth drop_follow_wait(struct drop *drop, const struct drop_coming *coming, int fd,
                                  int64_t offset, int timeout_ms, int64_t *available);

/* ---- keeping house ---- */

/* A file, or an arrival that its owner cancels by path. */
enum drop_result drop_remove(struct drop *drop, const char *path, const struct drop_actor *actor);
/* A file or folder (a folder: when all files in it are the actor's), or a part that its owner has
 * not gone on with. replace: over an own file. */
enum drop_result drop_rename(struct drop *drop, const char *from, const char *to,
                             const struct drop_actor *actor, bool replace);
/* DROP_TAKEN if a folder or file is there. Folders above must be there. Folders that an upload made
 * on the way go with their last file; those made here stay until they are removed. */
enum drop_result drop_make_folder(struct drop *drop, const char *path,
                                  const struct drop_actor *actor);
/* Anybody may remove an empty folder that is not somebody else's. */
enum drop_result drop_remove_folder(struct drop *drop, const char *path,
                                    const struct drop_actor *actor);
enum drop_result drop_set_modified(struct drop *drop, const char *path, int64_t modified_ms,
                                   const struct drop_actor *actor);
/* What a guest dropped becomes a person's (they signed in). 0 or -1. */
int drop_adopt(struct drop *drop, const uint8_t *guest, int64_t person_id);

/*
 * Puts the drop in order once: part files without a row and rows without a part go, what was about
 * to be published when a process died is published, expired arrivals and files go, and the index
 * follows what was done by hand on disk. 0 or -1.
 */
int drop_tidy(struct drop *drop);

/*
 * The drop's own thread, started by riad-web and riad-chat alike (after sandbox_files): whichever
 * process holds the lock keeps the house, the other waits for its turn. It tidies at its start and
 * then every few minutes, watches what is done by hand (inotify), reads digests that are missing,
 * and announces in the lobby what has arrived. Whoever keeps the house forgets by age, too
 * (identity/reset.h): drop_keeper_forget_after takes up a new [box] keep. bells are the doorbells
 * to ring.
 */
struct drop_keeper;
struct drop_keeper *drop_keeper_start(const struct config *config, const int *bells, size_t count);
void drop_keeper_forget_after(struct drop_keeper *keeper, int64_t keep_s);
void drop_keeper_stop(struct drop_keeper *keeper);

#endif
