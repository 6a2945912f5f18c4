#include "drop/drop_private.h"

#include "base/when.h"

#define COUNTS_MAX 256  /* files with downloads that have not been written down */
#define WRITE_MS   1000 /* how long a count may wait */

/* A row changed for each download would cost more than a small download itself: they are added up
 * here and written together, once a second or by whoever comes next. */
static struct {
    int64_t id, count;
} counts[COUNTS_MAX];
static size_t used;
static int64_t written_ms;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* With the mutex held. */
static void write_down(struct store *store)
{
    int result = 0;

    written_ms = when_monotonic_ms();
    if (used == 0 || store_begin(store, STORE_SOON))
        return;
    for (size_t i = 0; i < used && result == 0; i++)
        result = store_run(store, "UPDATE file SET downloads = downloads + ? WHERE id = ?", "ii",
                           counts[i].count, counts[i].id);
    if (store_end(store, result) == 0)
        used = 0;
}

/* With the mutex held: whether there was room. */
static bool add(int64_t file_id)
{
    size_t i = 0;

    while (i < used && counts[i].id != file_id)
        i++;
    if (i == COUNTS_MAX)
        return false;
    counts[i].id = file_id;
    counts[i].count = i == used ? 1 : counts[i].count + 1;
    used = i == used ? used + 1 : used;
    return true;
}

static bool is_due(void)
{
    return used == COUNTS_MAX || when_monotonic_ms() - written_ms >= WRITE_MS;
}

void drop_downloaded(struct drop *drop, int64_t file_id)
{
    pthread_mutex_lock(&mutex);
    add(file_id);
    if (is_due())
        write_down(drop->store);
    pthread_mutex_unlock(&mutex);
}

bool drop_downloaded_soon(int64_t file_id)
{
    bool added;

    pthread_mutex_lock(&mutex);
    added = add(file_id);
    pthread_mutex_unlock(&mutex);
    return added;
}

void drop_downloads_settle(struct store *store)
{
    pthread_mutex_lock(&mutex);
    if (used > 0 && is_due())
        write_down(store);
    pthread_mutex_unlock(&mutex);
}

void drop_downloads_write(struct drop *drop)
{
    pthread_mutex_lock(&mutex);
    write_down(drop->store);
    pthread_mutex_unlock(&mutex);
}
