#include "chat/worker.h"
#include "base/doorbell.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "identity/event.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SAY_AT_ONCE   64  /* messages a transaction */
#define SYNC_AFTER_MS 400 /* what was said is synced within a second */
#define HERE_EVERY_MS 200 /* who is here is read at most this often */
#define LOOK_EVERY_MS (60 * 1000)
#define AT_ONCE       (16 * 1024) /* bytes said that are handed over; JSON makes six of some */

struct worker {
    struct store *store;
    pthread_t thread;
    int wake_fd, answer_fd;
    pthread_mutex_t lock; /* guards the rest of this group */
    struct job *queue, **queue_end;
    struct job *done, **done_end;
    struct news *news, **news_end;
    bool stop;
    /* The thread's own. */
    int64_t seen_event, newest; /* newest: the newest message handed over */
    int64_t dirty_since, here_at;
    bool here_dirty;
    struct news *found, **found_end;
};

/* ---- news, on the thread ---- */

static struct news *news_new(struct worker *worker, enum news_kind kind, size_t more)
{
    struct news *news = mem_alloc(sizeof(*news) + more);

    news->kind = kind;
    *worker->found_end = news;
    worker->found_end = &news->next;
    return news;
}

static void bring_message(void *context, const struct message *message)
{
    struct worker *worker = context;
    size_t length = strlen(message->text);
    bool fresh = message->id > worker->newest;
    struct news *news = news_new(worker, fresh ? NEWS_MESSAGE : NEWS_REMOVED, length + 1);
    char *text = (char *)(news + 1);

    memcpy(text, message->text, length + 1);
    news->message = *message;
    news->message.text = text;
    if (fresh)
        worker->newest = message->id;
    /* What other services say is synced here, too: one who does it for all. */
    if (worker->dirty_since == 0)
        worker->dirty_since = when_monotonic_ms();
}

static int by_name(const void *one, const void *other)
{
    const struct here *a = one, *b = other;

    return strcmp(a->name, b->name);
}

struct here_list {
    struct here *items;
    size_t count, room;
};

static void add_here(void *context, const struct presence *presence)
{
    struct here_list *list = context;
    struct here *last = list->count > 0 ? &list->items[list->count - 1] : NULL;
    struct here *item;

    /* Who only carries files does not read: neither told of, nor asked to. */
    if (presence->person_id == 0 || strcmp(presence->door, "sftp") == 0)
        return;
    if (last != NULL && last->person_id == presence->person_id) {
        last->away = last->away && presence->away[0] != '\0';
        return;
    }
    if (list->count == list->room) {
        list->room = 2 * list->room + 8;
        list->items = mem_resize(list->items, list->room, sizeof(*list->items));
    }
    assert(list->items != NULL);
    item = &list->items[list->count++];
    *item = (struct here){.person_id = presence->person_id,
                          .role = presence->role,
                          .away = presence->away[0] != '\0'};
    memcpy(item->name, presence->name, sizeof(item->name));
}

static void bring_here(struct worker *worker)
{
    struct here_list list = {0};
    struct news *news;

    worker->here_dirty = false;
    worker->here_at = when_monotonic_ms();
    if (presence_list(worker->store, add_here, &list) != 0) {
        free(list.items);
        return;
    }
    if (list.count > 0)
        qsort(list.items, list.count, sizeof(*list.items), by_name);
    news = news_new(worker, NEWS_HERE, 0);
    news->here = list.items;
    news->here_count = list.count;
}

struct report_wanted {
    struct worker *worker;
    int64_t id;
};

static void bring_report(void *context, const struct report *report)
{
    struct report_wanted *wanted = context;
    size_t length = strlen(report->text);
    struct news *news;
    char *text;

    if (report->id != wanted->id)
        return;
    news = news_new(wanted->worker, NEWS_REPORT, length + 1);
    text = (char *)(news + 1);
    memcpy(text, report->text, length + 1);
    news->message.text = text;
    memcpy(news->message.name, report->by, sizeof(news->message.name));
    memcpy(news->message.to, report->about, sizeof(news->message.to));
}

static const struct {
    const char *kind;
    enum news_kind news;
} plain_news[] = {
    {EVENT_KICK,    NEWS_KICK   },
    {EVENT_BAN,     NEWS_BANS   },
    {EVENT_REVOKED, NEWS_REVOKED},
    {EVENT_REPORT,  NEWS_REPORT },
};

static void hear(void *context, const char *kind, int64_t subject)
{
    struct worker *worker = context;

    if (strcmp(kind, EVENT_MESSAGE) == 0) {
        conversation_get(worker->store, subject, bring_message, worker);
    } else if (strcmp(kind, EVENT_PRESENCE) == 0) {
        worker->here_dirty = true;
    } else if (strcmp(kind, EVENT_REPORT) == 0) {
        struct report_wanted wanted = {worker, subject};

        report_list(worker->store, subject - 1, bring_report, &wanted);
    } else if (strcmp(kind, EVENT_PERSON) == 0) {
        struct news *news = news_new(worker, NEWS_PERSON, 0);

        worker->here_dirty = true;
        news->subject = subject;
        person_by_id(worker->store, subject, &news->person);
    } else {
        for (size_t i = 0; i < sizeof(plain_news) / sizeof(plain_news[0]); i++)
            if (strcmp(kind, plain_news[i].kind) == 0)
                news_new(worker, plain_news[i].news, 0)->subject = subject;
    }
}

/* Events were trimmed before they were read: whatever was said since is found by its id. */
static void look_anew(struct worker *worker)
{
    struct rows rows;
    int64_t *ids = NULL;
    size_t count = 0;

    rows_open(&rows, worker->store, "SELECT id FROM message WHERE id > ? ORDER BY id", "i",
              worker->newest);
    while (rows_next(&rows) == 1) {
        if ((count & (count - 1)) == 0)
            ids = mem_resize(ids, count == 0 ? 1 : 2 * count, sizeof(*ids));
        ids[count++] = rows_int(&rows, 0);
    }
    rows_close(&rows);
    for (size_t i = 0; i < count; i++)
        conversation_get(worker->store, ids[i], bring_message, worker);
    free(ids);
    news_new(worker, NEWS_ANEW, 0);
    worker->here_dirty = true;
}

static void read_events(struct worker *worker)
{
    if (event_read(worker->store, &worker->seen_event, hear, worker) == 0)
        look_anew(worker);
}

/* ---- jobs, on the thread ---- */

/* Says a run of what was said; if one spoils the rest, each by itself. */
static void say_all(struct worker *worker, struct job **jobs, size_t count)
{
    struct message_new said[SAY_AT_ONCE] = {{0}};
    int64_t ids[SAY_AT_ONCE] = {0};

    for (size_t i = 0; i < count; i++)
        said[i] = jobs[i]->say;
    if (conversation_say(worker->store, said, count, ids) == 0) {
        for (size_t i = 0; i < count; i++)
            jobs[i]->id = ids[i];
    } else if (count > 1) {
        for (size_t i = 0; i < count; i++)
            say_all(worker, jobs + i, 1);
        return;
    }
    if (worker->dirty_since == 0)
        worker->dirty_since = when_monotonic_ms();
}

static void sync_store(struct worker *worker)
{
    store_sync(worker->store);
    worker->dirty_since = 0;
}

/* Runs all jobs; those that said something are returned, to be done after the news. */
static struct job *run_jobs(struct worker *worker, struct job *job)
{
    struct job *said = NULL, **said_end = &said;
    bool sync = false;

    while (job != NULL) {
        struct job *batch[SAY_AT_ONCE];
        size_t count = 0;

        if (job->run != NULL) {
            struct job *next = job->next;

            job->newest = worker->newest;
            job->run(job, worker->store);
            sync |= job->sync;
            news_new(worker, NEWS_DONE, 0)->job = job;
            if (worker->dirty_since == 0)
                worker->dirty_since = when_monotonic_ms();
            job = next;
            continue;
        }
        *said_end = job;
        for (; job != NULL && job->run == NULL && count < SAY_AT_ONCE; job = job->next)
            batch[count++] = job;
        said_end = &batch[count - 1]->next;
        *said_end = NULL;
        say_all(worker, batch, count);
    }
    if (sync)
        sync_store(worker);
    return said;
}

static void keep_house(struct worker *worker)
{
    int64_t now = when_monotonic_ms();

    if (worker->dirty_since != 0 && now - worker->dirty_since >= SYNC_AFTER_MS)
        sync_store(worker);
    if (worker->here_dirty && now - worker->here_at >= HERE_EVERY_MS)
        bring_here(worker);
}

static int wait_ms(const struct worker *worker)
{
    int64_t now = when_monotonic_ms();
    int64_t until = now + LOOK_EVERY_MS;

    if (worker->dirty_since != 0 && worker->dirty_since + SYNC_AFTER_MS < until)
        until = worker->dirty_since + SYNC_AFTER_MS;
    if (worker->here_dirty && worker->here_at + HERE_EVERY_MS < until)
        until = worker->here_at + HERE_EVERY_MS;
    return until <= now ? 0 : (int)(until - now);
}

/* Hands over what this turn brought. */
static void answer(struct worker *worker, struct job *jobs)
{
    bool any = jobs != NULL || worker->found != NULL;

    pthread_mutex_lock(&worker->lock);
    if (worker->found != NULL) {
        *worker->news_end = worker->found;
        worker->news_end = worker->found_end;
    }
    *worker->done_end = jobs;
    while (*worker->done_end != NULL)
        worker->done_end = &(*worker->done_end)->next;
    pthread_mutex_unlock(&worker->lock);
    worker->found = NULL;
    worker->found_end = &worker->found;
    if (any)
        doorbell_ring(worker->answer_fd);
}

static void *live(void *context)
{
    struct worker *worker = context;
    bool stop = false;

    while (!stop) {
        struct pollfd wake = {.fd = worker->wake_fd, .events = POLLIN};
        struct job *jobs;

        poll(&wake, 1, wait_ms(worker));
        doorbell_heard(worker->wake_fd);
        pthread_mutex_lock(&worker->lock);
        jobs = worker->queue;
        worker->queue = NULL;
        worker->queue_end = &worker->queue;
        stop = worker->stop;
        pthread_mutex_unlock(&worker->lock);
        jobs = run_jobs(worker, jobs);
        read_events(worker);
        keep_house(worker);
        answer(worker, jobs);
    }
    store_sync(worker->store);
    return NULL;
}

/* ---- on the loop ---- */

static struct worker *worker_new(void)
{
    struct worker *worker = mem_alloc(sizeof(*worker));

    worker->queue_end = &worker->queue;
    worker->done_end = &worker->done;
    worker->news_end = &worker->news;
    worker->found_end = &worker->found;
    worker->wake_fd = doorbell_open();
    worker->answer_fd = doorbell_open();
    pthread_mutex_init(&worker->lock, NULL);
    return worker;
}

static void worker_free(struct worker *worker)
{
    pthread_mutex_destroy(&worker->lock);
    fs_close(worker->wake_fd);
    fs_close(worker->answer_fd);
    store_close(worker->store);
    free(worker);
}

struct worker *worker_start(const struct worker_start *start)
{
    struct worker *worker = worker_new();
    int error;

    worker->store = store_open(start->path);
    if (worker->store == NULL)
        goto out;
    store_bells(worker->store, start->bells, start->bell_count);
    worker->seen_event = event_last(worker->store);
    worker->newest = conversation_newest(worker->store);
    if (worker->seen_event < 0 || worker->newest < 0)
        goto out;
    presence_clear(worker->store, "ssh");
    presence_clear(worker->store, "sftp");
    worker->here_dirty = true;
    error = pthread_create(&worker->thread, NULL, live, worker);
    if (error == 0)
        return worker;
    log_error("cannot start the chat's store thread: %s", strerror(error));
out:
    worker_free(worker);
    return NULL;
}

void worker_put(struct worker *worker, struct job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&worker->lock);
    *worker->queue_end = job;
    worker->queue_end = &job->next;
    pthread_mutex_unlock(&worker->lock);
    doorbell_ring(worker->wake_fd);
}

void worker_look(struct worker *worker)
{
    doorbell_ring(worker->wake_fd);
}

int worker_fd(const struct worker *worker)
{
    return worker->answer_fd;
}

/* How many bytes of it people will have to read, about. */
static size_t weight(const struct news *news)
{
    return news->message.text == NULL ? 0 : strlen(news->message.text);
}

void worker_take(struct worker *worker, news_handler *handler, void *context)
{
    struct news *news, **end = &news;
    struct job *jobs = NULL;

    doorbell_heard(worker->answer_fd);
    pthread_mutex_lock(&worker->lock);
    news = worker->news;
    for (size_t taken = 0; *end != NULL && taken < AT_ONCE; end = &(*end)->next)
        taken += weight(*end);
    worker->news = *end;
    *end = NULL;
    if (worker->news == NULL) {
        worker->news_end = &worker->news;
        jobs = worker->done;
        worker->done = NULL;
        worker->done_end = &worker->done;
    } else {
        doorbell_ring(worker->answer_fd);
    }
    pthread_mutex_unlock(&worker->lock);
    while (news != NULL) {
        struct news *next = news->next;

        if (news->kind == NEWS_DONE)
            news->job->done(news->job);
        else
            handler(context, news);
        free(news->here);
        free(news);
        news = next;
    }
    while (jobs != NULL) {
        struct job *next = jobs->next;

        jobs->done(jobs);
        jobs = next;
    }
}

void worker_stop(struct worker *worker, news_handler *handler, void *context)
{
    pthread_mutex_lock(&worker->lock);
    worker->stop = true;
    pthread_mutex_unlock(&worker->lock);
    doorbell_ring(worker->wake_fd);
    pthread_join(worker->thread, NULL);
    do
        worker_take(worker, handler, context);
    while (worker->news != NULL || worker->done != NULL);
    worker_free(worker);
}
