#include "supervisor/command.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/when.h"
#include "mirror/handler.h"
#include "supervisor/lengths.h"
#include "supervisor/mirrors.h"
#include "supervisor/progress.h"
#include "supervisor/show.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE ((size_t)4 << 20) /* bytes of a file that names packages */
#define LOOK_MS  250

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    interrupted = number;
}

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

/* How many archives are missing, and of how many of those the length is known. */
static size_t count_known(const struct mirrors_archive *archives, size_t count, size_t *missing)
{
    size_t known = 0;

    *missing = 0;
    for (size_t i = 0; i < count; i++) {
        *missing += archives[i].bytes < 0;
        known += archives[i].bytes < 0 && archives[i].length >= 0;
    }
    return known;
}

/* `2 are to be fetched (34 MB)` */
static void print_missing(const struct mirrors_archive *archives, size_t count)
{
    size_t missing, known = count_known(archives, count, &missing);
    int64_t sum = 0;
    char bytes[WHEN_MAX];

    for (size_t i = 0; i < count; i++)
        sum += archives[i].bytes < 0 && archives[i].length >= 0 ? archives[i].length : 0;
    when_size_text(sum, bytes);
    printf("%zu %s to be fetched", missing, missing == 1 ? "is" : "are");
    if (known > 0)
        printf(" (%s", bytes);
    if (known > 0 && known < missing)
        printf(", and %zu of unknown size", missing - known);
    puts(known > 0 ? ")" : "");
}

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
    printf("%zu archive%s: %zu %s here (%s), ", count, count == 1 ? "" : "s", count - missing,
           count - missing == 1 ? "is" : "are", bytes);
    print_missing(archives, count);
}

/* Asks how long what is missing is; ^C ends the asking, and what is known is shown. */
static void learn_lengths(const struct mirrors *mirrors, struct mirrors_archive *archives,
                          size_t count)
{
    const struct sigaction action = {.sa_handler = on_interrupt};
    struct lengths *lengths;
    size_t missing, known = count_known(archives, count, &missing);

    if (known == missing)
        return;
    sigaction(SIGINT, &action, NULL);
    lengths = lengths_ask(mirrors->config, archives, count);
    while (!interrupted && lengths_look(lengths, LOOK_MS)) {
        known = count_known(archives, count, &missing);
        if (show_terminal()) {
            printf("\r\033[Kasking for sizes: %zu of %zu", known, missing);
            fflush(stdout);
        }
    }
    lengths_end(lengths);
    if (show_terminal())
        fputs("\r\033[K", stdout);
    if (known == 0 && !interrupted)
        fputs("riad: no source says how long its archives are: is the link up?\n", stderr);
}

static void print_list(const struct mirrors_archive *archives, size_t count)
{
    struct show_table table;

    show_table_init(&table, 5);
    show_table_row(&table, SHOW_DIM, "PACKAGE", "ARCHIVE", "BYTES", "WHERE", "URL");
    for (size_t i = 0; i < count; i++) {
        const struct mirrors_archive *archive = &archives[i];
        int64_t length = archive->bytes >= 0 ? archive->bytes : archive->length;
        char *name = mem_printf("%s.%s", archive->package->name, archive->package->version);
        char bytes[24] = "unknown";

        if (length >= 0)
            snprintf(bytes, sizeof bytes, "%lld", (long long)length);
        show_table_row(&table, SHOW_PLAIN, name,
                       archive->archive->extra ? archive->archive->extra : "url", bytes,
                       archive->bytes >= 0 ? "here" : "to fetch", archive->archive->url);
        free(name);
    }
    show_table_print(&table, 0);
}

/* Says what would be fetched. */
static int list(const struct mirrors *mirrors, struct mirrors_archive *archives, size_t count)
{
    learn_lengths(mirrors, archives, count);
    print_list(archives, count);
    print_totals(archives, count);
    return EXIT_SUCCESS;
}

/* ---- the command ---- */

static int stop(const struct command_line *line)
{
    struct mirrors mirrors;
    int status = EXIT_FAILURE;
    long long changes;

    if (mirrors_open(&mirrors, line) == 0 &&
        store_run(mirrors.store, "DELETE FROM flight WHERE priority = 2 AND state <> 'landed'",
                  "") == 0) {
        changes = store_changes(mirrors.store);
        printf("%lld archive%s no longer asked for; what has come stays\n", changes,
               changes == 1 ? " is" : "s are");
        status = EXIT_SUCCESS;
    }
    mirrors_close(&mirrors);
    return status;
}

static int fetch(struct mirrors *mirrors, struct mirrors_archive *archives, size_t count)
{
    size_t asked;

    print_totals(archives, count);
    if (mirrors_ask(mirrors, archives, count, &asked) < 0)
        return EXIT_FAILURE;
    if (asked == 0)
        return EXIT_SUCCESS;
    return mirrors_fetcher_runs(mirrors) ? progress_watch(mirrors, archives, count) : EXIT_FAILURE;
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
        lengths_recall(mirrors.config, archives, count);
        status = command_given(line, "dry-run") ? list(&mirrors, archives, count)
                                                : fetch(&mirrors, archives, count);
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
            "be interrupted and asked for again at any time.\n",
    .options = {{.name = "deps", .help = "with everything that the packages may depend on"},
                {.name = "dry-run", .help = "only say what would be fetched, and how long it is"},
                {.name = "stop", .help = "fetch nothing more of what was asked for"}},
    .run = run,
};
