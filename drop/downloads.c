#include "drop/drop_private.h"

#include "base/when.h"

#define COUNTS_MAX 64   /* files with downloads that have not been written down */
#define WRITE_MS   1000 /* how long a count may wait */

/* A row changed for each download would cost more than a small download itself: they are added up
 * here and written together, by whoever comes next. */
static struct {
    int64_t id, count;
} counts[COUNTS_MAX];
static size_t used;
static int64_t written_ms;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* With the mutex held. */
static void write_down(struct drop *drop)
{
    int result = 0;

    written_ms = when_monotonic_ms();
    if (used == 0 || store_begin(drop->store, STORE_SOON))
        return;
    for (size_t i = 0; i < used && result == 0; i++)
        result = store_run(drop->store, "UPDATE file SET downloads = downloads + ? WHERE id = ?",
                           "ii", counts[i].count, counts[i].id);
    if (store_end(drop->store, result) == 0)
        used = 0;
}

void drop_downloaded(struct drop *drop, int64_t file_id)
{
    size_t i = 0;

    pthread_mutex_lock(&mutex);
    while (i < used && counts[i].id != file_id)
        i++;
    if (i < COUNTS_MAX) {
        counts[i].id = file_id;
        counts[i].count = i == used ? 1 : counts[i].count + 1;
        used = i == used ? used + 1 : used;
    }
    if (used == COUNTS_MAX || when_monotonic_ms() - written_ms >= WRITE_MS)
        write_down(drop);
    pthread_mutex_unlock(&mutex);
}

void drop_downloads_write(struct drop *drop)
{
    pthread_mutex_lock(&mutex);
    write_down(drop);
    pthread_mutex_unlock(&mutex);
}
