/*
 * renew: each repository's index is in one of four states: waiting, arriving, being read, being
 * copied.
 */
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "mirror/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP_MS      8     /* of reading, before the flights have their turn */
#define PAUSE_MS     1000  /* after a failure, doubled up to */
#define PAUSE_MAX_MS 60000 /* this */
#define COMPLAIN_MAX 20    /* broken files that are named in the log */

char *renew_url(const char *upstream)
{
    size_t length = strcspn(upstream, "?#");

    if ((length > 7 && strncmp(upstream + length - 7, ".tar.gz", 7) == 0) ||
        (length > 4 && strncmp(upstream + length - 4, ".tgz", 4) == 0))
        return mem_dup(upstream);
    length = strlen(upstream);
    while (length > 0 && upstream[length - 1] == '/')
        length--;
    return mem_printf("%.*s/index.tar.gz", (int)length, upstream);
}

char *repository_path(const struct repository *repository, const char *name)
{
    return mem_printf("%s/%s", repository->folder, name);
}

bool repository_has(const struct repository *repository, const char *name)
{
    char *path = repository_path(repository, name);
    bool there = access(path, R_OK) == 0;

    free(path);
    return there;
}

static void remove_file(const struct repository *repository, const char *name)
{
    char *path = repository_path(repository, name);

    unlink(path);
    free(path);
}

void repository_tell(const struct repository *repository, const char *prefix, const char *text)
{
    char *fact = mem_printf("%s%s", prefix, repository->config->name);

    store_set_fact(repository->all->with.store, fact, text);
    free(fact);
}

/* ---- waiting ---- */

static void wait_for(struct repository *repository, int64_t ms)
{
    repository->step = WAITING;
    repository->due_ms = ms < 0 ? INT64_MAX : when_monotonic_ms() + ms;
}

void repository_rest(struct repository *repository)
{
    int64_t refresh = repository->config->refresh;

    repository->failures = 0;
    free(repository->complaint);
    repository->complaint = NULL;
    wait_for(repository, refresh > 0 ? refresh * 1000 : -1);
}

/* The log has a reason once: a link that is down for a night is no line a minute. */
static void complain(struct repository *repository, const char *why, const char *what_now)
{
    bool known = repository->complaint != NULL && strcmp(repository->complaint, why) == 0;

    (known ? log_debug : log_warn)("the index at %s cannot be had: %s%s", repository->url, why,
                                   what_now);
    free(repository->complaint);
    repository->complaint = mem_dup(why);
}

/* After a failure: soon again while there is no index at all, or refresh at the latest. */
void repository_failed(struct repository *repository, const char *why)
{
    int64_t pause = PAUSE_MS, refresh = repository->config->refresh * 1000;
    bool has = repository_has(repository, "index.tar.gz");

    for (int i = 0; i < repository->failures && pause < PAUSE_MAX_MS; i++)
        pause *= 2;
    repository->failures++;
    if (pause > PAUSE_MAX_MS)
        pause = PAUSE_MAX_MS;
    if (has && refresh > 0 && pause > refresh)
        pause = refresh;
    complain(repository, why, has ? "; the one before serves on" : "");
    if (!has)
        repository_tell(repository, RENEW_FACT, why);
    repository_tell(repository, RENEW_FACT_ASKED, why);
    wait_for(repository, has && refresh == 0 ? -1 : pause);
}

/* What came is whole, and no index: it will hardly be one in a minute, and has cost the link
 * enough. Without any index, asking goes on. */
static void refused(struct repository *repository, const char *why)
{
    repository_failed(repository, why);
    if (repository->config->refresh > 0 && repository_has(repository, "index.tar.gz") &&
        !repository->local)
        wait_for(repository, repository->config->refresh * 1000);
}

/* ---- reading ---- */

struct placed {
    struct catalogue_draft *draft;
    const char *package;
};

static void put_archive(void *context, const struct package_archive *archive)
{
    const struct placed *placed = context;

    catalogue_draft_put(placed->draft, placed->package, archive);
}

static void on_file(void *context, enum index_kind kind, const char *package, const char *bytes,
                    size_t length)
{
    struct repository *repository = context;
    struct placed placed = {repository->draft, package};

    if (opam_parse(&repository->parsed, bytes, length) < 0) {
        if (repository->broken++ < COMPLAIN_MAX)
            log_warn("%s: the opam file of %s is left out, line %d: %s", repository->url, package,
                     repository->parsed.error_line, repository->parsed.error);
        return;
    }
    if (kind == INDEX_URL)
        package_url_file(&repository->parsed, put_archive, &placed);
    else
        package_archives(&repository->parsed, put_archive, &placed);
}

static void stop_reading(struct repository *repository)
{
    index_close(repository->index);
    index_copy_close(repository->copy);
    catalogue_draft_free(repository->draft);
    opam_done(&repository->parsed);
    repository->index = NULL;
    repository->copy = NULL;
    repository->draft = NULL;
}

void repository_read(struct repository *repository, bool local)
{
    char *path = repository_path(repository, local ? "index.tar.gz" : "arriving");

    repository->local = local;
    repository->broken = 0;
    repository->draft = catalogue_draft_new();
    repository->index = index_open(path, on_file, repository);
    repository->step = READING;
    if (!repository->index) {
        stop_reading(repository);
        refused(repository, "it is no tar.gz");
    }
    free(path);
}

/* ---- putting in place ---- */

static int rename_in(const struct repository *repository, const char *from, const char *to)
{
    char *old = repository_path(repository, from), *new = repository_path(repository, to);
    int result = rename(old, new);

    if (result < 0)
        log_errno("%s cannot be put in place", new);
    free(old);
    free(new);
    return result;
}

static int put_file(const struct repository *repository, const char *name, const char *text)
{
    char *path = repository_path(repository, name);
    int result = fs_replace_file(path, text, strlen(text), 0640);

    free(path);
    return result;
}

static int put_validators(const struct repository *repository)
{
    char *text = mem_printf("%s\n%s\n%s\n", repository->url, repository->response.etag,
                            repository->response.modified);
    int result = put_file(repository, "validators", text);

    free(text);
    return result;
}

/* Catalogue and repo file first: they know more than the old index, which does no harm. */
static int put_in_place(struct repository *repository, const char *from)
{
    char *catalogue = repository_path(repository, "catalogue");
    int result = catalogue_draft_write(repository->draft, catalogue);

    free(catalogue);
    if (result < 0 || put_file(repository, "repo", index_repo(repository->index)) < 0)
        return -1;
    if (repository->local)
        return 0;
    if (rename_in(repository, from, "index.tar.gz") < 0 || put_validators(repository) < 0)
        return -1;
    return fs_sync_folder(repository->folder);
}

/* A new index may know sources for what nobody had. */
static void forget_failures(struct repository *repository)
{
    store_run(repository->all->with.store, "DELETE FROM flight WHERE state = 'failed'", "");
}

static void finish(struct repository *repository, const char *from)
{
    size_t packages, archives, digests;
    char text[120];

    if (put_in_place(repository, from) < 0) {
        stop_reading(repository);
        repository_failed(repository, "the box cannot store it");
        return;
    }
    catalogue_draft_count(repository->draft, &archives, &digests);
    packages = index_packages(repository->index);
    snprintf(text, sizeof text, "%zu package%s, %zu archive%s", packages, packages == 1 ? "" : "s",
             archives, archives == 1 ? "" : "s");
    log_info("the index of %s is here: %s under %zu digests%s", repository->url, text, digests,
             repository->broken ? ", some packages left out" : "");
    repository_tell(repository, RENEW_FACT, text);
    if (!repository->local)
        repository_tell(repository, RENEW_FACT_ASKED, "renewed");
    catalogues_look(repository->all->with.catalogues);
    forget_failures(repository);
    stop_reading(repository);
    remove_file(repository, "arriving");
    remove_file(repository, "copy");
    if (repository->local)
        wait_for(repository, repository->config->refresh > 0 ? 0 : -1);
    else
        repository_rest(repository);
}

/* What was read may be served as it is, or must be written anew. */
static void end_reading(struct repository *repository)
{
    char *from, *to;

    if (index_is_clean(repository->index) || repository->local) {
        finish(repository, "arriving");
        return;
    }
    from = repository_path(repository, "arriving");
    to = repository_path(repository, "copy");
    repository->copy = index_copy_open(from, to, index_repo(repository->index));
    repository->step = COPYING;
    if (!repository->copy) {
        stop_reading(repository);
        repository_failed(repository, "the box cannot store it");
    }
    free(from);
    free(to);
}

static void read_on(struct repository *repository)
{
    int more = repository->step == READING ? index_step(repository->index, STEP_MS)
                                           : index_copy_step(repository->copy, STEP_MS);

    if (more > 0)
        return;
    if (more < 0) {
        stop_reading(repository);
        remove_file(repository, "copy");
        remove_file(repository, "catalogue.new");
        refused(repository, "it is not a repository's index");
    } else if (repository->step == READING) {
        end_reading(repository);
    } else {
        finish(repository, "copy");
    }
}

/* ---- all of them ---- */

static void repository_init(struct renew *renew, const struct config_mirror *config)
{
    struct repository *repository = &renew->list[renew->count++];
    char *path;

    repository->all = renew;
    repository->config = config;
    repository->fd = -1;
    path = cache_index_path(renew->with.cache, config->name, "x");
    *strrchr(path, '/') = '\0';
    repository->folder = path;
    repository->url = renew_url(config->upstream.count ? config->upstream.item[0] : "");
    if (repository_has(repository, "index.tar.gz") &&
        catalogues_size(renew->with.catalogues, renew->count - 1) < 0)
        repository_read(repository, true);
    else
        wait_for(repository,
                 repository_has(repository, "index.tar.gz") && config->refresh == 0 ? -1 : 0);
}

struct renew *renew_new(const struct flights_with *with, struct flights *flights)
{
    struct renew *renew = mem_alloc(sizeof *renew);

    renew->with = *with;
    renew->flights = flights;
    for (size_t i = 0; i < with->config->mirror_count; i++)
        repository_init(renew, &with->config->mirror[i]);
    return renew;
}

void renew_free(struct renew *renew)
{
    if (!renew)
        return;
    for (size_t i = 0; i < renew->count; i++) {
        fetch_stop(renew->list[i].transfer);
        stop_reading(&renew->list[i]);
        fs_close(renew->list[i].fd);
        free(renew->list[i].folder);
        free(renew->list[i].url);
        free(renew->list[i].complaint);
    }
    free(renew);
}

void renew_ask(struct renew *renew)
{
    for (size_t i = 0; i < renew->count; i++)
        if (renew->list[i].step == WAITING)
            renew->list[i].due_ms = 0;
}

void renew_run(struct renew *renew)
{
    int64_t now = when_monotonic_ms();

    for (size_t i = 0; i < renew->count; i++) {
        struct repository *repository = &renew->list[i];

        if (repository->step == READING || repository->step == COPYING)
            read_on(repository);
        else if (repository->step == WAITING && repository->due_ms <= now)
            repository_ask(repository);
    }
}

int renew_timeout(const struct renew *renew)
{
    int64_t now = when_monotonic_ms(), least = INT64_MAX;

    for (size_t i = 0; i < renew->count; i++) {
        const struct repository *repository = &renew->list[i];

        if (repository->step == READING || repository->step == COPYING)
            return 0;
        if (repository->step == WAITING && repository->due_ms < least)
            least = repository->due_ms;
    }
    if (least == INT64_MAX)
        return -1;
    return least <= now ? 0 : least - now > 60000 ? 60000 : (int)(least - now);
}
