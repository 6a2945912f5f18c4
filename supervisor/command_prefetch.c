#include "supervisor/command.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/when.h"
#include "mirror/handler.h"
#include "supervisor/mirrors.h"
#include "supervisor/show.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE    ((size_t)4 << 20) /* bytes of a file that names packages */
#define LOOK_MS     250
#define PIPE_MS     10000 /* between two lines of progress to a pipe */
#define BAR_COLUMNS 28

/* ---- what is meant ---- */

static bool is_file(const char *word)
{
    struct stat info;

    return stat(word, &info) == 0 && S_ISREG(info.st_mode);
}

/* Whether everything it names exists; complains if not. */
static bool choose_file(struct mirrors *mirrors, const char *path, bool deps)
{
    char wrong[100] = "";
    struct buf text;
    bool good = false;

    buf_init(&text, MAX_FILE);
    if (fs_read_file(path, &text) < 0)
        fprintf(stderr, "riad: %s cannot be read\n", path);
    else if (universe_choose_file(mirrors->universe, buf_text(&text), text.len, deps, wrong,
                                  sizeof wrong) < 0)
        fprintf(stderr, "riad: %s names `%s`, which no index has\n", path, wrong);
    else
        good = true;
    buf_done(&text);
    return good;
}

static bool choose(struct mirrors *mirrors, const struct command_line *line)
{
    bool deps = command_given(line, "deps");

    for (size_t i = 0; i < line->count; i++) {
        const char *word = line->words[i];

        if (universe_choose(mirrors->universe, word, deps) == 0)
            continue;
        if (!is_file(word)) {
            fprintf(stderr, "riad: no index has a package `%s`, and there is no such file\n", word);
            return false;
        }
        if (!choose_file(mirrors, word, deps))
            return false;
    }
    return true;
}

/* ---- before it begins ---- */

static void print_totals(const struct mirrors_archive *archives, size_t count)
{
    int64_t here = 0;
    size_t missing = 0;
    char bytes[WHEN_MAX];

    for (size_t i = 0; i < count; i++) {
        missing += archives[i].bytes < 0;
        here += archives[i].bytes > 0 ? archives[i].bytes : 0;
    }
    when_size_text(here, bytes);
    printf("%zu archives: %zu are here (%s), %zu are to be fetched\n", count, count - missing,
           bytes, missing);
}

static void print_list(const struct mirrors_archive *archives, size_t count)
{
    struct show_table table;

    show_table_init(&table, 4);
    show_table_row(&table, SHOW_DIM, "PACKAGE", "ARCHIVE", "BYTES", "URL");
    for (size_t i = 0; i < count; i++) {
        const struct universe_package *package = archives[i].package;
        char *name = mem_printf("%s.%s", package->name, package->version);
        char bytes[24] = "not here";

        if (archives[i].bytes >= 0)
            snprintf(bytes, sizeof bytes, "%lld", (long long)archives[i].bytes);
        show_table_row(&table, SHOW_PLAIN, name,
                       archives[i].archive->extra ? archives[i].archive->extra : "url", bytes,
                       archives[i].archive->url);
        free(name);
    }
    show_table_print(&table, 0);
}

/* ---- progress ---- */

struct progress {
    struct mirrors *mirrors;
    const struct mirrors_archive *archives;
    size_t count, total, left; /* total: those that were to be fetched */
    int64_t first_bytes, bytes, speed;
    int64_t began_ms, told_ms;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    interrupted = number;
}

static int look(struct progress *progress)
{
    struct store *store = progress->mirrors->store;
    int64_t left = 0, speed = 0;

    if (store_int(store, &left,
                  "SELECT count(*) FROM flight WHERE keep = 1 AND state IN ('wanted', 'flying')",
                  "") < 0)
        return -1;
    store_int(store, &speed, "SELECT sum(speed) FROM flight WHERE state = 'flying'", "");
    progress->left = (size_t)left < progress->total ? (size_t)left : progress->total;
    progress->speed = speed;
    progress->bytes = store_counter(store, MIRROR_COUNT_LINK) - progress->first_bytes;
    return 0;
}

/* `12/345 archives, 67 MB, 1.2 MB/s, 5 min left`: time by the archives that have come so far. */
static void describe(const struct progress *progress, char *out, size_t size)
{
    char bytes[WHEN_MAX], speed[WHEN_MAX], left[WHEN_MAX] = "";
    size_t done = progress->total - progress->left;
    int64_t past = (when_monotonic_ms() - progress->began_ms) / 1000;

    when_size_text(progress->bytes, bytes);
    when_size_text(progress->speed, speed);
    if (done > 0 && progress->left > 0)
        when_duration_text(past * (int64_t)progress->left / (int64_t)done + 1, left);
    snprintf(out, size, "%zu/%zu archives, %s, %s/s%s%s%s", done, progress->total, bytes, speed,
             *left ? ", " : "", left, *left ? " left" : "");
}

static void show(struct progress *progress, bool last)
{
    size_t full = progress->total
                      ? BAR_COLUMNS * (progress->total - progress->left) / progress->total
                      : BAR_COLUMNS;
    int64_t now = when_monotonic_ms();
    char text[160];

    describe(progress, text, sizeof text);
    if (show_terminal()) {
        printf("\r\033[K[%.*s%*s] %s%s", (int)full, "############################",
               (int)(BAR_COLUMNS - full), "", text, last ? "\n" : "");
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

/* Watches until all have come, or somebody interrupts. */
static int watch(struct progress *progress)
{
    const struct sigaction action = {.sa_handler = on_interrupt};
    size_t failed;

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    do {
        if (look(progress) < 0)
            return EXIT_FAILURE;
        show(progress, progress->left == 0);
        if (progress->left > 0)
            usleep(LOOK_MS * 1000);
    } while (progress->left > 0 && !interrupted);
    if (interrupted) {
        puts("\nThe box goes on fetching. The same command shows how far it is; --stop ends it.");
        return EXIT_FAILURE;
    }
    failed = print_failures(progress);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- the command ---- */

static int stop(const struct command_line *line)
{
    struct mirrors mirrors;
    int status = EXIT_FAILURE;

    if (mirrors_open(&mirrors, line) == 0 &&
        store_run(mirrors.store, "DELETE FROM flight WHERE priority = 2 AND state <> 'landed'",
                  "") == 0) {
        printf("%lld archives are no longer asked for; what has come of them stays\n",
               (long long)store_changes(mirrors.store));
        status = EXIT_SUCCESS;
    }
    mirrors_close(&mirrors);
    return status;
}

static int fetch(struct mirrors *mirrors, const struct mirrors_archive *archives, size_t count)
{
    struct progress progress = {.mirrors = mirrors,
                                .archives = archives,
                                .count = count,
                                .first_bytes = store_counter(mirrors->store, MIRROR_COUNT_LINK),
                                .began_ms = when_monotonic_ms()};

    if (mirrors_ask(mirrors, archives, count, &progress.total) < 0)
        return EXIT_FAILURE;
    if (progress.total == 0)
        return EXIT_SUCCESS;
    return mirrors_fetcher_runs(mirrors) ? watch(&progress) : EXIT_FAILURE;
}

static int run(struct command_line *line)
{
    struct mirrors_archive *archives = NULL;
    struct mirrors mirrors = {0};
    int status = EXIT_FAILURE;
    size_t count;

    if (command_given(line, "stop"))
        return stop(line);
    if (line->count == 0)
        return command_usage(line, "prefetch needs the names of packages, or a file with them");
    if (mirrors_open(&mirrors, line) == 0 && mirrors_read(&mirrors) == 0 &&
        choose(&mirrors, line)) {
        archives = mirrors_chosen(&mirrors, &count);
        if (command_given(line, "dry-run"))
            print_list(archives, count);
        print_totals(archives, count);
        status = command_given(line, "dry-run") ? EXIT_SUCCESS : fetch(&mirrors, archives, count);
    }
    free(archives);
    mirrors_close(&mirrors);
    return status;
}

const struct command command_prefetch = {
    .name = "prefetch",
    .words = "PACKAGE[.VERSION]...|FILE",
    .summary = "fill the mirror while the link is good",
    .help = "A name alone means its newest version. FILE is what `opam switch export` writes, an\n"
            "opam file, or a list of names. With --deps all that these may depend on comes, too:\n"
            "rather too much than too little. What is fetched here leaves the cache last. It may\n"
            "be interrupted and asked for again at any time.",
    .options = {{.name = "deps", .help = "with everything that the packages may depend on"},
                {.name = "dry-run", .help = "only say what would be fetched"},
                {.name = "stop", .help = "fetch nothing more of what was asked for"}},
    .run = run,
};
