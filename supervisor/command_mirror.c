#include "supervisor/command.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "identity/event.h"
#include "mirror/index.h"
#include "mirror/opam.h"
#include "mirror/renew.h"
#include "supervisor/mirrors.h"
#include "supervisor/show.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REFRESH_WAIT_MS 60000
#define VERIFY_BLOCK    ((size_t)256 * 1024)

/* A word behind `riad mirror`. */
struct act {
    const char *name;
    bool opens;  /* whether it needs the box's state */
    size_t most; /* words behind it */
    int (*run)(struct command_line *line, struct mirrors *mirrors);
};

/* ---- list ---- */

/* Which package an archive of the cache belongs to, by the file that all its names share. */
struct owner {
    ino_t inode;
    const char *package;
};

struct listing {
    struct mirrors *mirrors;
    struct owner *owners;
    size_t owner_count;
    struct show_table table;
    int64_t bytes;
    size_t count;
};

static int by_inode(const void *one, const void *other)
{
    const struct owner *a = one, *b = other;

    return a->inode < b->inode ? -1 : a->inode > b->inode;
}

static void find_owners(struct listing *listing)
{
    size_t count, room = 0;
    struct universe_package *packages = universe_packages(listing->mirrors->universe, &count);
    struct stat info;

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < packages[i].archive_count; k++) {
            if (!cache_stat(listing->mirrors->cache, &packages[i].archives[k].sums[0], &info))
                continue;
            if (listing->owner_count == room) {
                room = room ? 2 * room : 256;
                listing->owners = mem_resize(listing->owners, room, sizeof *listing->owners);
            }
            listing->owners[listing->owner_count++] = (struct owner){
                info.st_ino, mem_printf("%s.%s", packages[i].name, packages[i].version)};
        }
    if (listing->owner_count > 0)
        qsort(listing->owners, listing->owner_count, sizeof *listing->owners, by_inode);
}

static int list_file(void *context, const struct cache_file *file)
{
    struct listing *listing = context;
    const struct owner key = {.inode = file->inode}, *owner = NULL;
    char hex[2 * DIGEST_MAX + 1], bytes[24], used[WHEN_MAX];

    if (listing->owner_count > 0)
        owner = bsearch(&key, listing->owners, listing->owner_count, sizeof key, by_inode);
    checksum_hex(&file->sha256, hex);
    snprintf(bytes, sizeof bytes, "%lld", (long long)file->bytes);
    when_rfc3339(file->used_ms, used);
    show_table_row(&listing->table, SHOW_PLAIN, owner ? owner->package : "-", bytes, used,
                   file->kept ? "kept" : "-", hex);
    listing->bytes += file->bytes;
    listing->count++;
    return 0;
}

static int run_list(struct command_line *line, struct mirrors *mirrors)
{
    struct listing listing = {.mirrors = mirrors};
    char bytes[WHEN_MAX];
    int result;

    (void)line;
    if (mirrors_has_index(mirrors)) {
        if (mirrors_read(mirrors) < 0)
            return EXIT_FAILURE;
        find_owners(&listing);
    }
    show_table_init(&listing.table, 5);
    show_table_row(&listing.table, SHOW_DIM, "PACKAGE", "BYTES", "USED", "KEPT", "SHA-256");
    result = cache_walk(mirrors->cache, list_file, &listing);
    show_table_print(&listing.table, 0);
    if (show_terminal()) {
        when_size_text(listing.bytes, bytes);
        printf("%zu archive%s, %s\n", listing.count, listing.count == 1 ? "" : "s", bytes);
    }
    for (size_t i = 0; i < listing.owner_count; i++)
        free((char *)(uintptr_t)listing.owners[i].package);
    free(listing.owners);
    return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- catalog ---- */

static void print_archive(void *context, const struct package_archive *archive)
{
    const char *package = context;
    char sum[CHECKSUM_TEXT];

    if (archive->sum_count == 0)
        return;
    show_text(package);
    printf("\t%s", archive->extra ? "extra-source:" : "url");
    show_text(archive->extra ? archive->extra : "");
    printf("\t%s\t", archive->url);
    for (size_t i = 0; i < archive->sum_count; i++) {
        checksum_text(&archive->sums[i], sum);
        printf("%s%s", i ? " " : "", sum);
    }
    putchar('\t');
    for (size_t i = 0; i < archive->mirror_count; i++)
        printf("%s%s", i ? " " : "", archive->mirrors[i]);
    putchar('\n');
}

static void print_file(void *context, enum index_kind kind, const char *package, const char *bytes,
                       size_t length)
{
    struct opam_file *file = context;

    if (opam_parse(file, bytes, length) < 0)
        log_warn("the opam file of %s is left out, line %d: %s", package, file->error_line,
                 file->error);
    else if (kind == INDEX_URL)
        package_url_file(file, print_archive, (void *)(uintptr_t)package);
    else
        package_archives(file, print_archive, (void *)(uintptr_t)package);
}

static int print_index(const char *path)
{
    struct opam_file file = {0};
    struct index *index = index_open(path, print_file, &file);
    int result = index ? index_step(index, 0) : -1;

    index_close(index);
    opam_done(&file);
    return result;
}

/* Of a file that is named, without the box's state; else of all repositories. */
static int run_catalog(struct command_line *line, struct mirrors *mirrors)
{
    int result = 0;

    if (line->count > 1)
        return print_index(line->words[1]) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    if (mirrors_open(mirrors, line) < 0)
        return EXIT_FAILURE;
    for (size_t i = 0; i < line->config.mirror_count && result == 0; i++) {
        char *path = cache_index_path(mirrors->cache, line->config.mirror[i].name, "index.tar.gz");

        if (i == 0 || access(path, R_OK) == 0)
            result = print_index(path);
        free(path);
    }
    return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- verify ---- */

struct verification {
    struct mirrors *mirrors;
    uint8_t *block;
    size_t right, wrong;
};

/* All three digests of an archive, in one reading. 0 or -1. */
static int digests_of(struct verification *verification, const struct checksum *sha256,
                      struct checksum sums[DIGEST_KINDS])
{
    int fd = cache_get(verification->mirrors->cache, sha256, NULL);
    struct digest *digests[DIGEST_KINDS];
    ssize_t got = -1;

    for (int kind = 0; kind < DIGEST_KINDS; kind++)
        digests[kind] = digest_new((enum digest_kind)kind);
    while (fd >= 0 && (got = read(fd, verification->block, VERIFY_BLOCK)) > 0)
        for (int kind = 0; kind < DIGEST_KINDS; kind++)
            digest_put(digests[kind], verification->block, (size_t)got);
    for (int kind = 0; kind < DIGEST_KINDS; kind++) {
        sums[kind] = (struct checksum){.kind = (enum digest_kind)kind};
        digest_end(digests[kind], sums[kind].bytes);
        digest_free(digests[kind]);
    }
    fs_close(fd);
    return got < 0 ? -1 : 0;
}

/* Whether the archive is found under each of its names. */
static bool has_all_names(const struct cache *cache, const struct checksum sums[DIGEST_KINDS],
                          ino_t inode)
{
    struct stat info;

    for (int kind = 0; kind < DIGEST_KINDS; kind++)
        if (!cache_stat(cache, &sums[kind], &info) || info.st_ino != inode)
            return false;
    return true;
}

static int verify_file(void *context, const struct cache_file *file)
{
    struct verification *verification = context;
    struct checksum sums[DIGEST_KINDS];
    char name[CHECKSUM_TEXT];

    checksum_path(&file->sha256, name);
    if (digests_of(verification, &file->sha256, sums) == 0 &&
        checksum_equal(&sums[DIGEST_SHA256], &file->sha256) &&
        has_all_names(verification->mirrors->cache, sums, file->inode)) {
        verification->right++;
        return 0;
    }
    verification->wrong++;
    printf("%s was damaged and is removed; it will be fetched again when somebody asks for it\n",
           name);
    return cache_remove(verification->mirrors->cache, &file->sha256);
}

static int run_verify(struct command_line *line, struct mirrors *mirrors)
{
    struct verification verification = {.mirrors = mirrors, .block = mem_alloc(VERIFY_BLOCK)};
    int result = cache_walk(mirrors->cache, verify_file, &verification);

    (void)line;
    free(verification.block);
    printf("%zu archive%s should be, %zu %s not\n", verification.right,
           verification.right == 1 ? " is as it" : "s are as they", verification.wrong,
           verification.wrong == 1 ? "was" : "were");
    return result < 0 || verification.wrong > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- evict and pin ---- */

/* Chooses every version of a name that has none, else that one. */
static int choose_all(struct mirrors *mirrors, const char *word)
{
    size_t count;
    struct universe_package *versions = universe_versions(mirrors->universe, word, &count);

    for (size_t i = 0; i < count; i++)
        versions[i].chosen = true;
    return versions ? 0 : universe_choose(mirrors->universe, word, false);
}

static int choose_words(struct command_line *line, struct mirrors *mirrors)
{
    if (mirrors_read(mirrors) < 0)
        return EXIT_FAILURE;
    for (size_t i = 1; i < line->count; i++)
        if (choose_all(mirrors, line->words[i]) < 0) {
            fprintf(stderr, "riad: no index has a package `%s`\n", line->words[i]);
            return EXIT_FAILURE;
        }
    return EXIT_SUCCESS;
}

static int run_evict(struct command_line *line, struct mirrors *mirrors)
{
    struct mirrors_archive *archives;
    size_t count, gone = 0;
    struct checksum sha256;
    int status;

    if (line->count < 2)
        return command_usage(line, "evict needs the packages whose archives are to leave");
    if ((status = choose_words(line, mirrors)) != EXIT_SUCCESS)
        return status;
    archives = mirrors_chosen(mirrors, &count);
    for (size_t i = 0; i < count && status == EXIT_SUCCESS; i++) {
        if (archives[i].bytes < 0)
            continue;
        if (mirrors_sha256(mirrors, archives[i].archive, &sha256) < 0 ||
            cache_remove(mirrors->cache, &sha256) < 0)
            status = EXIT_FAILURE;
        gone++;
    }
    printf("%zu archive%s left the cache\n", gone, gone == 1 ? "" : "s");
    free(archives);
    return status;
}

static int run_pin(struct command_line *line, struct mirrors *mirrors)
{
    struct mirrors_archive *archives;
    size_t count, asked;
    int status;

    if (line->count < 2)
        return command_usage(line, "pin needs the packages whose archives are to stay");
    if ((status = choose_words(line, mirrors)) != EXIT_SUCCESS)
        return status;
    archives = mirrors_chosen(mirrors, &count);
    if (mirrors_ask(mirrors, archives, count, &asked) < 0)
        status = EXIT_FAILURE;
    else
        printf("%zu archive%s in the cache, %zu still to be fetched\n", count,
               count == 1 ? " stays" : "s stay", asked);
    if (status == EXIT_SUCCESS && asked > 0)
        mirrors_fetcher_runs(mirrors);
    free(archives);
    return status;
}

/* ---- refresh ---- */

/* What the fetcher said last about repository i, and when. Yours to free. */
static char *said(struct mirrors *mirrors, const char *prefix, size_t i, int64_t *at)
{
    char *fact = mem_printf("%s%s", prefix, mirrors->config->mirror[i].name);
    char *text = store_fact(mirrors->store, fact, at);

    free(fact);
    return text;
}

/* Waits until the fetcher has asked upstream after `since`, and says what came of it. Whether the
 * index is now the newest. */
static bool wait_for_index(struct mirrors *mirrors, size_t i, int64_t since)
{
    const char *name = mirrors->config->mirror[i].name;
    int64_t end = when_monotonic_ms() + REFRESH_WAIT_MS, at = 0;
    char *asked = NULL, *holds;
    bool good;

    while (when_monotonic_ms() < end) {
        asked = said(mirrors, RENEW_FACT_ASKED, i, &at);
        if (asked && at >= since)
            break;
        free(asked);
        asked = NULL;
        usleep(50000);
    }
    holds = said(mirrors, RENEW_FACT, i, &at);
    printf("[mirror%s%s] %s; %s\n", *name ? " " : "", name,
           asked ? asked : "upstream has not answered yet", holds ? holds : "no index yet");
    good = asked && (strcmp(asked, "renewed") == 0 || strcmp(asked, "unchanged") == 0);
    free(asked);
    free(holds);
    return good;
}

static int run_refresh(struct command_line *line, struct mirrors *mirrors)
{
    int64_t since = when_wall_ms();
    int status = EXIT_SUCCESS, result;

    (void)line;
    if (store_begin(mirrors->store, STORE_SYNCED) < 0)
        return EXIT_FAILURE;
    result = event_append(mirrors->store, EVENT_REFRESH, 0);
    if (store_end(mirrors->store, result) < 0)
        return EXIT_FAILURE;
    if (!mirrors_fetcher_runs(mirrors))
        return EXIT_FAILURE;
    for (size_t i = 0; i < mirrors->config->mirror_count; i++)
        if (!wait_for_index(mirrors, i, since))
            status = EXIT_FAILURE;
    return status;
}

/* ---- the command ---- */

static const struct act acts[] = {
    {"list",    true,  0,        run_list   },
    {"catalog", false, 1,        run_catalog},
    {"verify",  true,  0,        run_verify },
    {"evict",   true,  SIZE_MAX, run_evict  },
    {"pin",     true,  SIZE_MAX, run_pin    },
    {"refresh", true,  0,        run_refresh},
};

static int run(struct command_line *line)
{
    const char *word = line->count > 0 ? line->words[0] : "list";
    struct mirrors mirrors = {0};
    int status = EXIT_FAILURE;

    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        if (strcmp(acts[i].name, word) != 0)
            continue;
        if (line->count > 0 && line->count - 1 > acts[i].most)
            return command_usage(line, "`%s` is a word too many behind `%s`",
                                 line->words[1 + acts[i].most], word);
        if (!acts[i].opens || mirrors_open(&mirrors, line) == 0)
            status = acts[i].run(line, &mirrors);
        mirrors_close(&mirrors);
        return status;
    }
    return command_usage(line,
                         "`%s` is not something to do with the mirror: list, catalog, verify, "
                         "evict, pin and refresh are",
                         word);
}

const struct command command_mirror = {
    .name = "mirror",
    .words = "[list|catalog|verify|evict|pin|refresh] [PACKAGE[.VERSION]|INDEX.tar.gz]...",
    .summary = "look after the cache of archives",
    .help =
        "list shows the archives that are here: package, bytes, when last used, whether it is\n"
        "kept when others leave, SHA-256. catalog prints what the index, or a named index.tar.gz,\n"
        "says about archives, a line each: PACKAGE.VERSION, url or extra-source:NAME, URL,\n"
        "digests, mirrors, with tabs between. verify reads every archive and removes what is\n"
        "damaged. evict removes the archives of packages, pin keeps them longest and fetches\n"
        "what is missing; a name without a version means all versions. refresh renews the\n"
        "indexes now.\n",
    .run = run,
};
