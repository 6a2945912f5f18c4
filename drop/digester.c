#include "drop/drop_private.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK       (256 * 1024)      /* read at a time; the thread is not woken for less */
#define WRITE_EARLY (8 * 1024 * 1024) /* the kernel is asked to begin writing this much */
#define SYNC_EVERY  (64 * 1024 * 1024)
#define KEPT_MAX    64 /* states of parts whose connection is gone */

/* ---- states that wait for whoever resumes: tus clients may send a file in many requests ---- */

static struct kept {
    char key[SECRET_TEXT];
    struct digest *digest;
    int64_t done;
} kept[KEPT_MAX];
static size_t kept_next;
static pthread_mutex_t kept_mutex = PTHREAD_MUTEX_INITIALIZER;

static void keep_state(struct digester *digester, const char *key)
{
    struct kept *place;

    pthread_mutex_lock(&kept_mutex);
    place = &kept[kept_next++ % KEPT_MAX];
    digest_free(place->digest);
    *place = (struct kept){.digest = digester->digest, .done = digester->done};
    memcpy(place->key, key, sizeof place->key);
    pthread_mutex_unlock(&kept_mutex);
    digester->digest = NULL;
}

/* Takes the state of key over, unless it knows more than length bytes. */
static void find_state(struct digester *digester, const char *key, int64_t length)
{
    pthread_mutex_lock(&kept_mutex);
    for (struct kept *at = kept; at < kept + KEPT_MAX; at++) {
        if (!at->digest || strcmp(at->key, key) != 0)
            continue;
        if (at->done <= length && at->done >= digester->done) {
            digest_free(digester->digest);
            digester->digest = at->digest;
            digester->done = at->done;
        } else {
            digest_free(at->digest);
        }
        *at = (struct kept){.digest = NULL};
    }
    pthread_mutex_unlock(&kept_mutex);
}

/* ---- reading behind the writer ---- */

/* Digests from done to limit. 0, or -1, logged. */
static int read_on(struct digester *digester, void *block, int64_t done, int64_t limit)
{
    while (done < limit) {
        size_t wanted = limit - done < BLOCK ? (size_t)(limit - done) : BLOCK;
        ssize_t got = pread(digester->fd, block, wanted, done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            if (got < 0)
                log_errno("cannot read a part back");
            else
                log_error("cannot read a part back: it has become shorter");
            return -1;
        }
        digest_put(digester->digest, block, (size_t)got);
        done += got;
    }
    return 0;
}

/* Writes early what the writer has left behind it; what reached the disk for sure is remembered. */
static void write_early(struct digester *digester, int64_t *asked, int64_t done)
{
    if (done - *asked >= WRITE_EARLY) {
        sync_file_range(digester->fd, *asked, done - *asked, SYNC_FILE_RANGE_WRITE);
        *asked = done;
    }
    if (done - digester_synced(digester) >= SYNC_EVERY && fdatasync(digester->fd) == 0) {
        pthread_mutex_lock(&digester->mutex);
        digester->synced = done;
        pthread_mutex_unlock(&digester->mutex);
    }
}

/* Waits until there is a block to digest, or the end. Whether to go on; from done to *limit. */
static bool wait_for_more(struct digester *digester, int64_t done, int64_t *limit)
{
    bool more;

    pthread_mutex_lock(&digester->mutex);
    digester->done = done;
    while (!digester->stop && !digester->failed && !digester->finish &&
           (digester->stale || digester->limit - done < BLOCK))
        pthread_cond_wait(&digester->wake, &digester->mutex);
    *limit = digester->limit;
    if (*limit > done + WRITE_EARLY)
        *limit = done + WRITE_EARLY;
    more = !digester->stop && !digester->failed && !digester->stale && *limit > done;
    pthread_mutex_unlock(&digester->mutex);
    return more;
}

static void *run(void *context)
{
    struct digester *digester = context;
    int64_t done = digester->done, limit, asked = done;
    void *block = mem_alloc(BLOCK);

    while (wait_for_more(digester, done, &limit)) {
        if (read_on(digester, block, done, limit)) {
            pthread_mutex_lock(&digester->mutex);
            digester->failed = true;
            pthread_mutex_unlock(&digester->mutex);
            break;
        }
        done = limit;
        write_early(digester, &asked, done);
    }
    free(block);
    return NULL;
}

static void start(struct digester *digester)
{
    int error = pthread_create(&digester->thread, NULL, run, digester);

    digester->threaded = error == 0;
    if (error)
        log_warn("cannot start a thread for a digest (%s): it is read at the end", strerror(error));
}

/* Ends the thread: at once, or when it has come to the limit. */
static void join(struct digester *digester, bool finish)
{
    if (!digester->threaded)
        return;
    pthread_mutex_lock(&digester->mutex);
    digester->finish = finish;
    digester->stop = !finish;
    pthread_cond_signal(&digester->wake);
    pthread_mutex_unlock(&digester->mutex);
    pthread_join(digester->thread, NULL);
    digester->threaded = digester->finish = digester->stop = false;
}

/* ---- what arrivals call ---- */

void digester_init(struct digester *digester, int fd, const char *key, int64_t length)
{
    *digester = (struct digester){.fd = fd, .digest = digest_new(DIGEST_SHA256), .limit = length};
    pthread_mutex_init(&digester->mutex, NULL);
    pthread_cond_init(&digester->wake, NULL);
    if (length > 0)
        find_state(digester, key, length);
    if (length - digester->done > DIGESTER_INLINE)
        start(digester);
}

void digester_put(struct digester *digester, int64_t offset, const void *bytes, size_t length)
{
    int64_t end = offset + (int64_t)length;

    pthread_mutex_lock(&digester->mutex);
    if (!digester->threaded && !digester->stale && bytes && digester->done == offset &&
        end <= DIGESTER_INLINE) {
        digest_put(digester->digest, bytes, length);
        digester->done = end;
    }
    if (end > digester->limit)
        digester->limit = end;
    if (digester->threaded && digester->limit - digester->done >= BLOCK)
        pthread_cond_signal(&digester->wake);
    pthread_mutex_unlock(&digester->mutex);
    if (!digester->threaded && !digester->stale && digester->limit > DIGESTER_INLINE)
        start(digester);
}

void digester_spoil(struct digester *digester)
{
    join(digester, false);
    digester->stale = digester->done > 0 || digester->stale;
}

int digester_end(struct digester *digester, int64_t length, uint8_t *sha256)
{
    void *block = NULL;
    int result = 0;

    pthread_mutex_lock(&digester->mutex);
    digester->limit = length;
    pthread_mutex_unlock(&digester->mutex);
    join(digester, true);
    if (digester->stale || digester->failed || digester->done > length) {
        digest_free(digester->digest);
        digester->digest = digest_new(DIGEST_SHA256);
        digester->done = 0;
        digester->stale = digester->failed = false;
    }
    if (digester->done < length) {
        block = mem_alloc(BLOCK);
        result = read_on(digester, block, digester->done, length);
        free(block);
    }
    if (result == 0)
        digest_end(digester->digest, sha256);
    digester->stale = true;
    return result;
}

int64_t digester_synced(struct digester *digester)
{
    int64_t synced;

    pthread_mutex_lock(&digester->mutex);
    synced = digester->synced;
    pthread_mutex_unlock(&digester->mutex);
    return synced;
}

void digester_done(struct digester *digester, const char *key)
{
    join(digester, false);
    if (key && !digester->stale && !digester->failed && digester->done > 0)
        keep_state(digester, key);
    digest_free(digester->digest);
    digester->digest = NULL;
    pthread_mutex_destroy(&digester->mutex);
    pthread_cond_destroy(&digester->wake);
}

int drop_digest_fd(int fd, int stop_fd, uint8_t *sha256)
{
    struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
    struct digest *digest = digest_new(DIGEST_SHA256);
    void *block = mem_alloc(BLOCK);
    ssize_t got;
    off_t at = 0;

    while ((got = pread(fd, block, BLOCK, at)) > 0) {
        digest_put(digest, block, (size_t)got);
        at += got;
        if (stop_fd >= 0 && poll(&stop, 1, 0) > 0)
            break;
    }
    if (got < 0)
        log_errno("cannot read a file for its digest");
    if (got == 0)
        digest_end(digest, sha256);
    digest_free(digest);
    free(block);
    return got == 0 ? 0 : -1;
}
