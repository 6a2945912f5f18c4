/*
 * follow: flights as riad-web sees them, and whoever waits for them. Internal to the handler.
 *
 * What many follow is one struct shared_flight, behind the hub's lock: what the store's row said
 * last, and the part file. A follower (struct mirror_flight) remembers what it promised its client.
 */
#ifndef MIRROR_FOLLOW_H
#define MIRROR_FOLLOW_H

#include "mirror/cache.h"
#include "mirror/handler.h"

#include <pthread.h>

#define SHARED_BEFORE 8

enum shared_state { SHARED_WANTED, SHARED_FLYING, SHARED_LANDED, SHARED_FAILED };

struct shared_flight {
    struct shared_flight *next;
    struct hub *hub;
    pthread_cond_t changed;
    int64_t id;    /* of the row; 0: an index */
    char *name;    /* ALGO:HEX; of an index, its file */
    char *part;    /* path of the part file; of an index, the file itself */
    size_t refs;   /* followers */
    bool unlinked; /* no longer found by its name */
    enum shared_state state;
    int64_t length; /* as the row says, -1 unknown */
    char error[200];
    bool in_memory;            /* fd, or landed_fd, is or was the fetcher's memory */
    int64_t left_ms;           /* when the last follower left, monotonic */
    int fd;                    /* of the part, -1 not open */
    int before[SHARED_BEFORE]; /* what was the part before: somebody may still read from it */
    size_t before_count;
    int landed_fd; /* of the archive in the cache, -1 not open */
    int64_t landed_size;
    int64_t common; /* how many bytes the part and the archive have in common */
};

struct hub {
    pthread_mutex_t lock;
    struct cache *cache;
    struct shared_flight *first;
    int64_t link_down_ms; /* monotonic, since when the link is down; 0 it is up */
    int notify_fd, stop_fd;
    int pass_fd; /* where notes of what lies in memory come from, -1 nowhere; lent */
    pthread_t thread;
    bool running;
};

/* Starts the thread that hears of growing files, and of archives that lie in memory by pass_fd.
 * 0, or -1, logged. */
int hub_open(struct hub *hub, struct cache *cache, const struct config *config, int pass_fd);
void hub_close(struct hub *hub);

/* A new follower of the flight with that name, if one is known that has not ended; else NULL. */
struct mirror_flight *hub_join(struct hub *hub, const char *name);

/* A new follower of the flight in row id. */
struct mirror_flight *hub_follow(struct hub *hub, int64_t id, const char *name);

/* A new follower of an index file that is not there yet. */
struct mirror_flight *hub_follow_index(struct hub *hub, const char *path);

/* Reads the rows of all flights that are followed, and tells the store which ones nobody follows
 * any more. */
void hub_look(struct hub *hub, struct store *store);

/* Takes what the fetcher has said of archives in memory. */
void hub_hear(struct hub *hub);

/* The flight of that name; the hub's lock is held, as for all below. NULL there is none. */
struct shared_flight *hub_find(struct hub *hub, const char *name);
bool shared_has_ended(const struct shared_flight *shared);

/* hub_hear with the lock held. */
void hub_take_notes(struct hub *hub);
/* Whether a flight landed in memory only, and is kept for those who still come. */
bool shared_is_kept(const struct shared_flight *shared);

/* Finds out how far what was shown agrees with what has landed. */
void shared_compare(struct shared_flight *shared);

/* Forgets a flight that nobody follows; the hub's lock is held, or nobody else is there. */
void shared_free(struct shared_flight *shared);

/* How many follow the flight in row id. */
size_t hub_followers(struct hub *hub, int64_t id);

/* `404 A sentence.` into an answer of that status. */
void hub_failure(const char *error, struct mirror_answer *answer);

#endif
