/*
 * worker: the thread that speaks to the store, so that the loop never waits for a disk.
 *
 * The loop puts jobs into a queue; the thread runs them in order, what is said many at a time in
 * one transaction, and hands them back through an eventfd: worker_take then calls each job's done
 * on the loop. After every turn, and whenever the doorbell rang, the thread reads the events of the
 * store and brings what they mean as news: messages (whoever wrote them: this process or another,
 * each exactly once and in the order of ids), people who changed, who is here, kicks, bans, revoked
 * credentials. So what is shown is always what is stored.
 *
 * The order is the truth: a job's done is called between the news before and after it, so what a
 * job read up to message job->newest is followed, without a gap, by the news after that. What is
 * said is done after the news of its turn: whoever is told that their words were kept has them on
 * the screen already.
 *
 * The thread also syncs what was committed with STORE_SOON within a second, and trims the events
 * and what is older than `keep`.
 */
#ifndef CHAT_WORKER_H
#define CHAT_WORKER_H

#include "config/config.h"
#include "identity/conversation.h"
#include "identity/presence.h"
#include "identity/store.h"

#include <stdatomic.h>

struct worker;

struct job {
    struct job *next;
    /* On the worker's thread; NULL for what is said. */
    void (*run)(struct job *job, struct store *store);
    /* On the loop; releases the job. */
    void (*done)(struct job *job);
    int64_t newest;         /* for run: all messages up to this id were brought before */
    bool sync;              /* set by run: what it wrote is to be on the disk before it is done */
    struct message_new say; /* for run == NULL; its text belongs to the job's maker until done */
    int64_t id;             /* what was said got this id; 0: it failed */
};

enum news_kind {
    NEWS_MESSAGE, /* message: said just now */
    NEWS_REMOVED, /* message: its words were taken back */
    NEWS_PERSON,  /* person: renamed, another role, muted; id 0: forgotten, subject says who */
    NEWS_HERE,    /* here: who is here now */
    NEWS_KICK,    /* subject: a person's id */
    NEWS_BANS,    /* some ban was made or lifted: ask */
    NEWS_REVOKED, /* subject: a credential's id */
    NEWS_REPORT,  /* message: its text, by name about to */
    NEWS_ANEW,    /* some events were missed: look at everybody anew */
    NEWS_DONE,    /* not handed over: job->done is called */
};

struct here {
    int64_t person_id;
    char name[NAME_MAX_BYTES];
    enum person_role role;
    bool away;
};

struct news {
    struct news *next;
    enum news_kind kind;
    int64_t subject;
    struct message message; /* its text lies behind the struct */
    struct person person;
    struct here *here; /* by name, each person once */
    size_t here_count;
    struct job *job;
};

typedef void news_handler(void *context, const struct news *news);

struct worker_start {
    const char *path; /* of the store */
    const int *bells;
    size_t bell_count;
};

/* Opens the store and starts the thread. NULL, logged. */
struct worker *worker_start(const struct worker_start *start);

/* Puts a job at the end of the queue, which takes it. */
void worker_put(struct worker *worker, struct job *job);

/* The doorbell rang: read the events. */
void worker_look(struct worker *worker);

/* Readable when worker_take has something to do. */
int worker_fd(const struct worker *worker);

/* On the loop: hands over news and finished jobs; of what was said no more than the queues of those
 * who read take well, and worker_fd is readable again for the rest. */
void worker_take(struct worker *worker, news_handler *handler, void *context);

/* Runs what is queued, syncs, ends the thread, calls what is done, and releases everything. */
void worker_stop(struct worker *worker, news_handler *handler, void *context);

#endif
