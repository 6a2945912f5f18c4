#include "supervisor/progress.h"

#include "base/mem.h"
#include "base/when.h"
#include "supervisor/lengths.h"
#include "supervisor/show.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS     250
#define PIPE_MS     10000 /* between two lines of progress to a pipe */
#define LENGTHS_MS  2000  /* who is done sooner needs no sizes */
#define SPEED_MS    10000 /* the speed is that of the last one or two of these */
#define BAR_COLUMNS 28

/* How far one archive is. */
struct one {
    int64_t received;
    bool wanted; /* it was not here when it began */
    bool left;   /* and has neither come nor failed */
};

struct progress {
    struct mirrors *mirrors;
    struct mirrors_archive *archives, **named;
    struct one *ones; /* in the order of archives */
    size_t count, total, left;
    int64_t bytes, all_bytes; /* that have come; and of all, as far as that can be told */
    bool guessed;
    struct lengths *lengths;
    bool asked; /* for lengths */
    int64_t began_ms, told_ms;
    int64_t mark_ms[2], mark_bytes[2]; /* the last moments that speed is counted from */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    interrupted = number;
}

/* ---- looking ---- */

/* What the rows say. 0 or -1. */
static int read_rows(struct progress *progress)
{
    struct rows rows;
    int found;

    rows_open(&rows, progress->mirrors->store,
              "SELECT name, state IN ('wanted', 'flying'), received, ifnull(length, -1) "
              "FROM flight WHERE keep = 1",
              "");
    while ((found = rows_next(&rows)) == 1) {
        struct mirrors_archive *archive =
            mirrors_named(progress->named, progress->count, rows_text(&rows, 0));
        struct one *one = archive ? &progress->ones[archive - progress->archives] : NULL;

        if (!one || !one->wanted)
            continue;
        one->left = rows_int(&rows, 1) != 0;
        one->received = rows_int(&rows, 2);
        if (rows_int(&rows, 3) >= 0)
            archive->length = rows_int(&rows, 3);
    }
    rows_close(&rows);
    return found;
}

static void add_up(struct progress *progress)
{
    int64_t known_bytes = 0;
    size_t known = 0, unknown = 0;

    progress->left = 0;
    progress->bytes = 0;
    for (size_t i = 0; i < progress->count; i++) {
        const struct one *one = &progress->ones[i];
        int64_t length = progress->archives[i].length;

        if (!one->wanted)
            continue;
        progress->bytes += one->received;
        progress->left += one->left;
        if (!one->left || length >= 0) {
            known_bytes += one->left ? length : one->received;
            known++;
        } else {
            unknown++;
        }
    }
    progress->guessed = unknown > 0;
    progress->all_bytes = known_bytes;
    if (unknown > 0 && known > 0)
        progress->all_bytes += known_bytes / (int64_t)known * (int64_t)unknown;
    if (progress->all_bytes < progress->bytes)
        progress->all_bytes = progress->bytes;
}

static int look(struct progress *progress)
{
    int64_t now = when_monotonic_ms();

    /* A row that is no more was withdrawn, or ended an hour ago: it is not waited for. */
    for (size_t i = 0; i < progress->count; i++)
        progress->ones[i].left = false;
    if (read_rows(progress) < 0)
        return -1;
    add_up(progress);
    if (now - progress->mark_ms[1] >= SPEED_MS) {
        progress->mark_ms[0] = progress->mark_ms[1];
        progress->mark_bytes[0] = progress->mark_bytes[1];
        progress->mark_ms[1] = now;
        progress->mark_bytes[1] = progress->bytes;
    }
    return 0;
}

/* ---- showing ---- */

/* Bytes a second over the last seconds. */
static int64_t speed_of(const struct progress *progress)
{
    int64_t past = when_monotonic_ms() - progress->mark_ms[0];
    int64_t bytes = progress->bytes - progress->mark_bytes[0];

    return past > 0 && bytes > 0 ? bytes * 1000 / past : 0;
}

/* `12/345 archives, 67 MB of about 340 MB, 1.2 MB/s, 4 min left` */
static void describe(const struct progress *progress, char *out, size_t size)
{
    char bytes[WHEN_MAX], all[WHEN_MAX], speed[WHEN_MAX], left[WHEN_MAX] = "";
    int64_t rate = speed_of(progress);

    when_size_text(progress->bytes, bytes);
    when_size_text(progress->all_bytes, all);
    when_size_text(rate, speed);
    if (rate > 0 && progress->left > 0 && progress->all_bytes > progress->bytes)
        when_duration_text((progress->all_bytes - progress->bytes) / rate + 1, left);
    snprintf(out, size, "%zu/%zu archives, %s%s%s%s, %s/s%s%s%s", progress->total - progress->left,
             progress->total, bytes, progress->all_bytes > 0 ? " of " : "",
             progress->guessed && progress->all_bytes > 0 ? "about " : "",
             progress->all_bytes > 0 ? all : "", speed, *left ? ", " : "", left,
             *left ? " left" : "");
}

static void show(struct progress *progress, bool last)
{
    int64_t now = when_monotonic_ms();
    int full = progress->all_bytes > 0
                   ? (int)(BAR_COLUMNS * (double)progress->bytes / (double)progress->all_bytes)
                   : 0;
    char text[240];

    describe(progress, text, sizeof text);
    if (last && progress->left == 0)
        full = BAR_COLUMNS;
    if (show_terminal()) {
        printf("\r\033[K[%.*s%*s] %s%s", full, "############################", BAR_COLUMNS - full,
               "", text, last ? "\n" : "");
        fflush(stdout);
    } else if (last || now - progress->told_ms >= PIPE_MS) {
        progress->told_ms = now;
        puts(text);
        fflush(stdout);
    }
}

/* Which archives did not come, and why. How many. */
static size_t print_failures(struct progress *progress)
{
    size_t failed = 0;

    for (size_t i = 0; i < progress->count; i++) {
        const struct mirrors_archive *archive = &progress->archives[i];
        char *error = NULL;

        if (archive->bytes < 0 &&
            store_text(progress->mirrors->store, &error,
                       "SELECT error FROM flight WHERE name = ? AND state = 'failed'", "s",
                       archive->name) == 1) {
            fprintf(stderr, "riad: %s.%s: %s\n", archive->package->name, archive->package->version,
                    strlen(error) > 4 ? error + 4 : error);
            failed++;
        }
        free(error);
    }
    return failed;
}

/* ---- watching ---- */

static void begin(struct progress *progress, struct mirrors *mirrors,
                  struct mirrors_archive *archives, size_t count)
{
    const struct sigaction action = {.sa_handler = on_interrupt};

    progress->mirrors = mirrors;
    progress->archives = archives;
    progress->named = mirrors_by_name(archives, count);
    progress->ones = mem_array(count, sizeof *progress->ones);
    progress->count = count;
    progress->began_ms = progress->mark_ms[0] = progress->mark_ms[1] = when_monotonic_ms();
    for (size_t i = 0; i < count; i++) {
        progress->ones[i].wanted = archives[i].bytes < 0;
        progress->total += progress->ones[i].wanted;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* Waits a moment; meanwhile lengths may come. */
static void pause_a_moment(struct progress *progress)
{
    if (!progress->asked && progress->guessed &&
        when_monotonic_ms() - progress->began_ms >= LENGTHS_MS) {
        progress->asked = true;
        progress->lengths =
            lengths_ask(progress->mirrors->config, progress->archives, progress->count);
    }
    if (progress->lengths && !lengths_look(progress->lengths, LOOK_MS)) {
        lengths_end(progress->lengths);
        progress->lengths = NULL;
    } else if (!progress->lengths) {
        usleep(LOOK_MS * 1000);
    }
}

static int watch(struct progress *progress)
{
    for (;;) {
        if (look(progress) < 0)
            return EXIT_FAILURE;
        show(progress, progress->left == 0);
        if (progress->left == 0)
            return print_failures(progress) ? EXIT_FAILURE : EXIT_SUCCESS;
        if (interrupted)
            break;
        pause_a_moment(progress);
    }
    puts("\nThe box goes on fetching. The same command shows how far it is; --stop ends it.");
    return EXIT_FAILURE;
}

int progress_watch(struct mirrors *mirrors, struct mirrors_archive *archives, size_t count)
{
    struct progress progress = {0};
    int status;

    begin(&progress, mirrors, archives, count);
    /* What came in earlier runs is no speed of this one. */
    if (look(&progress) == 0)
        progress.mark_bytes[0] = progress.mark_bytes[1] = progress.bytes;
    status = watch(&progress);
    lengths_end(progress.lengths);
    free(progress.ones);
    free(progress.named);
    return status;
}
