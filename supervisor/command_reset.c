#include "supervisor/command.h"

#include "base/fs.h"
#include "base/log.h"
#include "identity/reset.h"
#include "supervisor/tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

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
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int arriving = folder < 0 ? -1 : tree_folder(folder, ".arriving", false), result = 0;
    if (arriving >= 0)
        result = tree_empty(arriving, NULL);
    if (folder >= 0 && result == 0)
        result = tree_empty(folder, (const char *const[]){SHELF, ".arriving", NULL});
    fs_close(arriving);
    fs_close(folder);
    free(path);
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
    if (empty_drop(&line->config) || reset_all(store))
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
            "On a running box everybody is signed out within a second.\n",
    .options = {{.name = "yes", .help = "do not ask"}},
    .run = run,
};
