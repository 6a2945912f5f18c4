/*
 * universe: packages sorted by name and version, and a worklist over their formulas.
 */
#include "mirror/universe.h"
#include "base/log.h"
#include "base/mem.h"
#include "mirror/formula.h"
#include "mirror/index.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct universe {
    struct universe_package *packages;
    size_t count, room;
    struct opam_file parsed;
    struct universe_package **work; /* chosen, their formulas not yet followed */
    size_t work_count, work_room;
};

struct universe *universe_new(void)
{
    return mem_alloc(sizeof(struct universe));
}

static void package_done(struct universe_package *package)
{
    for (size_t i = 0; i < package->archive_count; i++) {
        free(package->archives[i].extra);
        free(package->archives[i].url);
        free(package->archives[i].sums);
    }
    free(package->archives);
    free(package->name);
    free(package->version);
    free(package->depends);
}

void universe_free(struct universe *universe)
{
    if (!universe)
        return;
    for (size_t i = 0; i < universe->count; i++)
        package_done(&universe->packages[i]);
    opam_done(&universe->parsed);
    free(universe->packages);
    free(universe->work);
    free(universe);
}

/* ---- reading ---- */

static void put_archive(void *context, const struct package_archive *archive)
{
    struct universe_package *package = context;
    struct universe_archive *place;

    if (archive->sum_count == 0)
        return;
    package->archives =
        mem_resize(package->archives, package->archive_count + 1, sizeof *package->archives);
    place = &package->archives[package->archive_count++];
    *place = (struct universe_archive){.extra = mem_dup(archive->extra),
                                       .url = mem_dup(archive->url),
                                       .sum_count = archive->sum_count};
    place->sums = mem_array(archive->sum_count, sizeof *place->sums);
    memcpy(place->sums, archive->sums, archive->sum_count * sizeof *place->sums);
}

static bool has_flag(const struct opam_item *fields, const char *flag)
{
    const struct opam_item *field = opam_field(fields, "flags");
    const struct opam_item *item = field ? field->first : NULL;

    if (item && item->kind == OPAM_LIST)
        item = item->first;
    for (; item; item = item->next)
        if (strcmp(item->text, flag) == 0)
            return true;
    return false;
}

static struct universe_package *add(struct universe *universe, const char *folder)
{
    const char *dot = strchr(folder, '.');
    struct universe_package *package;

    if (universe->count == universe->room) {
        universe->room = universe->room ? universe->room * 2 : 1024;
        universe->packages =
            mem_resize(universe->packages, universe->room, sizeof *universe->packages);
    }
    assert(universe->packages);
    package = &universe->packages[universe->count++];
    *package = (struct universe_package){.name = mem_dup_bytes(folder, (size_t)(dot - folder)),
                                         .version = mem_dup(dot + 1)};
    return package;
}

/* The file `url` of the old format belongs to the opam file beside it, which came just before or
 * comes next. */
static struct universe_package *package_of(struct universe *universe, const char *folder)
{
    struct universe_package *last =
        universe->count ? &universe->packages[universe->count - 1] : NULL;
    size_t length = last ? strlen(last->name) : 0;

    if (last && strncmp(folder, last->name, length) == 0 && folder[length] == '.' &&
        strcmp(folder + length + 1, last->version) == 0)
        return last;
    return add(universe, folder);
}

static void on_file(void *context, enum index_kind kind, const char *folder, const char *bytes,
                    size_t length)
{
    struct universe *universe = context;
    struct universe_package *package;
    const struct opam_item *depends;

    if (opam_parse(&universe->parsed, bytes, length) < 0)
        return;
    package = package_of(universe, folder);
    if (kind == INDEX_URL) {
        package_url_file(&universe->parsed, put_archive, package);
        return;
    }
    depends = opam_field(universe->parsed.first, "depends");
    free(package->depends);
    package->depends =
        depends ? mem_dup_bytes(bytes + depends->from, depends->to - depends->from) : mem_dup("");
    package->avoid = has_flag(universe->parsed.first, "avoid-version") ||
                     has_flag(universe->parsed.first, "deprecated");
    package_archives(&universe->parsed, put_archive, package);
}

static int by_name_and_version(const void *one, const void *other)
{
    const struct universe_package *a = one, *b = other;
    int order = strcmp(a->name, b->name);

    return order ? order : package_version_compare(b->version, a->version);
}

/* Sorts, and drops the second of two that are the same. */
static void settle(struct universe *universe)
{
    size_t kept = 0;

    qsort(universe->packages, universe->count, sizeof *universe->packages, by_name_and_version);
    for (size_t i = 0; i < universe->count; i++) {
        struct universe_package *package = &universe->packages[i];

        if (kept > 0 && by_name_and_version(&universe->packages[kept - 1], package) == 0 &&
            strcmp(universe->packages[kept - 1].version, package->version) == 0)
            package_done(package);
        else
            universe->packages[kept++] = *package;
    }
    universe->count = kept;
}

int universe_read(struct universe *universe, const char *path)
{
    struct index *index = index_open(path, on_file, universe);
    int result = index ? index_step(index, 0) : -1;

    index_close(index);
    settle(universe);
    return result;
}

struct universe_package *universe_packages(struct universe *universe, size_t *count)
{
    *count = universe->count;
    return universe->packages;
}

struct universe_package *universe_versions(struct universe *universe, const char *name,
                                           size_t *count)
{
    size_t low = 0, high = universe->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(universe->packages[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (high = low; high < universe->count && strcmp(universe->packages[high].name, name) == 0;)
        high++;
    *count = high - low;
    return high > low ? &universe->packages[low] : NULL;
}

/* ---- choosing ---- */

static void choose(struct universe *universe, struct universe_package *package)
{
    if (package->chosen)
        return;
    package->chosen = true;
    if (universe->work_count == universe->work_room) {
        universe->work_room = universe->work_room ? universe->work_room * 2 : 256;
        universe->work = mem_resize(universe->work, universe->work_room, sizeof *universe->work);
    }
    universe->work[universe->work_count++] = package;
}

/* Of the versions that options allow, the newest most; those to avoid only when nothing else is
 * left. */
static void choose_newest(struct universe *universe, const char *name,
                          const struct opam_item *options, const char *own, size_t most)
{
    size_t count, taken = 0;
    struct universe_package *versions = universe_versions(universe, name, &count);

    for (int avoid = 0; avoid <= 1 && taken == 0; avoid++)
        for (size_t i = 0; i < count && taken < most; i++) {
            if (versions[i].avoid != avoid || !formula_allows(options, versions[i].version, own))
                continue;
            choose(universe, &versions[i]);
            taken++;
        }
}

struct dependency {
    struct universe *universe;
    const struct universe_package *of;
};

static void on_dependency(void *context, const char *name, const struct opam_item *options)
{
    const struct dependency *dependency = context;
    bool is_compiler = strcmp(name, "ocaml") == 0;

    choose_newest(dependency->universe, name, options,
                  dependency->of ? dependency->of->version : "",
                  is_compiler ? UNIVERSE_COMPILERS : UNIVERSE_NEWEST);
}

/* Follows the formulas of all that is chosen. */
static void follow(struct universe *universe)
{
    while (universe->work_count > 0) {
        const struct universe_package *package = universe->work[--universe->work_count];
        struct dependency dependency = {universe, package};
        const struct opam_item *field;

        if (!package->depends ||
            opam_parse(&universe->parsed, package->depends, strlen(package->depends)) < 0)
            continue;
        if ((field = opam_field(universe->parsed.first, "depends")))
            formula_walk(field->first, on_dependency, &dependency);
    }
}

static void settle_choice(struct universe *universe, bool deps)
{
    if (deps)
        follow(universe);
    universe->work_count = 0;
}

/* `NAME=VERSION`, or `NAME.VERSION`: package names have no dot. */
static int choose_version(struct universe *universe, const char *word, size_t length)
{
    char *name = mem_dup_bytes(word, length);
    const char *version = word + length + 1;
    size_t count;
    struct universe_package *versions = universe_versions(universe, name, &count);
    int result = -1;

    for (size_t i = 0; i < count && result < 0; i++)
        if (strcmp(versions[i].version, version) == 0) {
            choose(universe, &versions[i]);
            result = 0;
        }
    free(name);
    return result;
}

static int choose_word(struct universe *universe, const char *word)
{
    size_t length = strcspn(word, ".="), count;

    if (word[length])
        return choose_version(universe, word, length);
    if (!universe_versions(universe, word, &count))
        return -1;
    choose_newest(universe, word, NULL, "", 1);
    return 0;
}

int universe_choose(struct universe *universe, const char *word, bool deps)
{
    int result = choose_word(universe, word);

    settle_choice(universe, deps);
    return result;
}

/* ---- files ---- */

/* What a switch export lists: "name.version" each. Those that the index lacks (pinned ones) are
 * left out. */
static void choose_exported(struct universe *universe, const struct opam_item *items)
{
    static const char *const fields[] = {"compiler", "roots", "installed"};

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const struct opam_item *field = opam_field(items, fields[i]);
        const struct opam_item *item = field ? field->first : NULL;

        if (item && item->kind == OPAM_LIST)
            item = item->first;
        for (; item; item = item->next)
            if (item->kind == OPAM_STRING)
                choose_word(universe, item->text);
    }
}

static int choose_words(struct universe *universe, char *text, char *wrong, size_t size)
{
    char *line_state, *word_state;
    int result = 0;

    for (char *line = strtok_r(text, "\n", &line_state); line && result == 0;
         line = strtok_r(NULL, "\n", &line_state)) {
        line[strcspn(line, "#")] = '\0';
        for (char *word = strtok_r(line, " \t\r,", &word_state); word && result == 0;
             word = strtok_r(NULL, " \t\r,", &word_state)) {
            result = choose_word(universe, word);
            if (result < 0)
                snprintf(wrong, size, "%s", word);
        }
    }
    return result;
}

int universe_choose_file(struct universe *universe, const char *text, size_t length, bool deps,
                         char *wrong, size_t size)
{
    struct dependency dependency = {universe, NULL};
    const struct opam_item *field;
    struct opam_file file = {0};
    int result = 0;
    char *copy;

    if (opam_parse(&file, text, length) == 0 && opam_field(file.first, "installed")) {
        choose_exported(universe, file.first);
    } else if (file.first && (field = opam_field(file.first, "depends"))) {
        formula_walk(field->first, on_dependency, &dependency);
    } else {
        copy = mem_dup_bytes(text, length);
        result = choose_words(universe, copy, wrong, size);
        free(copy);
    }
    opam_done(&file);
    settle_choice(universe, deps);
    return result;
}
