#include "supervisor/command.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "identity/reset.h"
#include "supervisor/carry.h"
#include "supervisor/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SHELF "shelf" /* what the organisers put out themselves stays */

static bool agrees(const struct command_line *line, const struct reset_counts *counts)
{
    char question[512];
    snprintf(question, sizeof question,
             "This forgets %lld people, %lld messages, %lld files and %lld leases of %s, for ever.",
             (long long)counts->people, (long long)counts->messages, (long long)counts->files,
             (long long)counts->leases, line->config.box.title);
    return command_agrees(question);
}

/* Files first: one without a row would be taken for a gift of the organisers, a row without a file
 * is tidied away. */
static int empty_drop(const struct config *config)
{
    char *path = config_path(config, "drop");
    int folder, arriving = -1, result = tree_open(path, &folder) < 0 ? -1 : 0;
    if (folder >= 0)
        arriving = tree_folder(folder, ".arriving", false);
    if (arriving >= 0)
        result = tree_empty(arriving, NULL);
    if (folder >= 0 && result == 0)
        result = tree_empty(folder, (const char *const[]){SHELF, ".arriving", NULL});
    fs_close(arriving);
    fs_close(folder);
    free(path);
    return result;
}

/* What lies beside the store: damaged ones that were set aside, new ones that were begun, what a
 * killed backup has left. */
static int empty_store(const struct config *config, int store)
{
    static const char *const patterns[] = {"damaged-*", "anew*", "saved"};
    glob_t found = {0};
    int result = tree_remove(store, CARRY_WORK);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char *base = config_path(config, "store/riad.db"),
             *pattern = mem_printf("%s.%s", base, patterns[i]);
        glob(pattern, GLOB_NOSORT | (i > 0 ? GLOB_APPEND : 0), NULL, &found);
        free(pattern);
        free(base);
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        if (unlink(found.gl_pathv[i]) && errno != ENOENT) {
            log_errno("cannot remove %s", found.gl_pathv[i]);
            result = -1;
        }
    }
    globfree(&found);
    return result;
}

/* 0, or -1, told. */
static int forget(const struct config *config, struct store *store)
{
    int turn, result = carry_turn(config, &turn);
    if (result == 0)
        log_error(CARRY_BUSY);
    if (result == 1 && empty_drop(config) == 0 && reset_all(store) == 0)
        result = empty_store(config, turn);
    else
        result = -1;
    fs_close(turn);
    return result;
}

static int run(struct command_line *line)
{
    struct reset_counts counts;
    int status = EXIT_FAILURE;
    struct store *store = command_open_store(&line->config);
    if (!store || reset_count(store, &counts))
        goto out;
    if (!command_given(line, "yes") && !agrees(line, &counts)) {
        fputs("riad: nothing was forgotten (--yes goes on without asking)\n", stderr);
        goto out;
    }
    if (forget(&line->config, store))
        goto out;
    printf("forgotten: %lld people, %lld messages, %lld files, %lld leases; configuration, host "
           "key and mirror are kept\n",
           (long long)counts.people, (long long)counts.messages, (long long)counts.files,
           (long long)counts.leases);
    status = EXIT_SUCCESS;
out:
    store_close(store);
    return status;
}

const struct command command_reset = {
    .name = "reset",
    .summary = "after an event: forget people, words, files and leases",
    .help = "The configuration, the SSH host key, the mirror and the files in shelf/ are kept.\n"
            "Stores that were damaged and set aside are removed, too.\n"
            "On a running box everybody is signed out within a second.\n",
    .options = {{.name = "yes", .help = "do not ask"}},
    .run = run,
};
