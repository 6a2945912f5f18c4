/*
 * index: through libarchive once, or a second time where something has to be put right.
 */
#include "mirror/index.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "mirror/index_source.h"
#include "mirror/opam.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_OPAM                                                                                   \
    ((size_t)1 << 20) /* bytes of a file that is parsed; the largest real one has 24 kB */
#define MAX_PATH 480

struct index {
    struct index_source source;
    index_handler *handler;
    void *context;
    char *repo;
    size_t packages;
    bool clean;
};

struct index_copy {
    struct index_source source;
    struct archive *out;
    char *to, *repo;
};

/* ---- paths ---- */

static bool is_safe(const char *path)
{
    const char *part = path;

    if (strlen(path) > MAX_PATH || *path == '/')
        return false;
    for (const char *p = path;; p++) {
        if (*p && ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '\\'))
            return false;
        if (*p && *p != '/')
            continue;
        if (p == part && (*p || part == path))
            return false;
        if ((p - part == 1 && part[0] == '.') || (p - part == 2 && strncmp(part, "..", 2) == 0))
            return false;
        if (!*p)
            return true;
        part = p + 1;
    }
}

const char *index_path(const char *path, const char *folder)
{
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    if (strncmp(path, folder, strlen(folder)) != 0)
        return NULL;
    path += strlen(folder);
    if (!is_safe(path))
        return NULL;
    if (strcmp(path, "repo") == 0 || strncmp(path, "packages/", 9) == 0)
        return path;
    return NULL;
}

/* ---- the repo file ---- */

static bool names_cache(const struct opam_item *field)
{
    const struct opam_item *item = field ? field->first : NULL;

    if (item && item->kind == OPAM_LIST && !item->next)
        item = item->first;
    return item && item->kind == OPAM_STRING && !item->next && strcmp(item->text, "cache") == 0;
}

char *index_repo_text(const char *text, size_t length, bool *changed)
{
    static const char line[] = "archive-mirrors: \"cache\"\n";
    struct opam_file file = {0};
    struct buf out;
    size_t at = 0;
    char *result;

    buf_init(&out, INDEX_MAX_FILE);
    *changed = true;
    if (opam_parse(&file, text, length) < 0) {
        buf_printf(&out, "opam-version: \"2.0\"\n%s", line);
    } else if (names_cache(opam_field(file.first, "archive-mirrors"))) {
        *changed = false;
        buf_put(&out, text, length);
    } else {
        for (const struct opam_item *item = file.first; item; item = item->next) {
            if (strcmp(item->text, "archive-mirrors") != 0)
                continue;
            buf_put(&out, text + at, item->from - at);
            at = item->to;
            at += at < length && text[at] == '\n';
        }
        buf_put(&out, text + at, length - at);
        if (out.len > 0 && out.data[out.len - 1] != '\n')
            buf_putc(&out, '\n');
        buf_puts(&out, line);
    }
    opam_done(&file);
    result = buf_take(&out);
    buf_done(&out);
    return result;
}

/* ---- reading ---- */

struct index *index_open(const char *path, index_handler *handler, void *context)
{
    struct index *index = mem_alloc(sizeof *index);

    index->handler = handler;
    index->context = context;
    index->clean = true;
    if (index_source_open(&index->source, path) == 0)
        return index;
    index_close(index);
    return NULL;
}

void index_close(struct index *index)
{
    if (!index)
        return;
    index_source_close(&index->source);
    free(index->repo);
    free(index);
}

bool index_is_clean(const struct index *index)
{
    return index->clean;
}

const char *index_repo(const struct index *index)
{
    return index->repo;
}

size_t index_packages(const struct index *index)
{
    return index->packages;
}

/* The folder's name of packages/[NAME/]NAME.VERSION/FILE, and whether FILE is one that counts. */
static bool package_file(const char *path, enum index_kind *kind, char package[MAX_PATH + 1])
{
    const char *file = strrchr(path, '/'), *begin;
    size_t length;

    if (!file || (strcmp(file, "/opam") != 0 && strcmp(file, "/url") != 0))
        return false;
    *kind = strcmp(file, "/url") == 0 ? INDEX_URL : INDEX_OPAM;
    for (begin = file; begin > path && begin[-1] != '/';)
        begin--;
    length = (size_t)(file - begin);
    memcpy(package, begin, length);
    package[length] = '\0';
    return strchr(package, '.') != NULL;
}

static void take_repo(struct index *index)
{
    const struct buf *file = &index->source.file;
    bool changed;

    free(index->repo);
    index->repo = index_repo_text(buf_text(file), file->len, &changed);
    if (changed)
        index->clean = false;
}

/* One entry that is a file of the repository. 0 or -1. */
static int index_file(struct index *index, struct archive_entry *entry, const char *path)
{
    char package[MAX_PATH + 1];
    enum index_kind kind = INDEX_OPAM;
    bool is_repo = strcmp(path, "repo") == 0;
    int found;

    if (!is_repo && !package_file(path, &kind, package)) {
        if (archive_entry_size(entry) > (la_int64_t)INDEX_MAX_FILE)
            index->clean = false;
        return 0;
    }
    if ((found = index_source_read(&index->source, entry)) < 0)
        return -1;
    if (found == 0 || index->source.file.len > MAX_OPAM) {
        log_warn("%s: %s is too large and left out", index->source.path, path);
        index->clean = false;
    } else if (is_repo) {
        take_repo(index);
    } else {
        index->packages += kind == INDEX_OPAM;
        index->handler(index->context, kind, package, buf_text(&index->source.file),
                       index->source.file.len);
    }
    return 0;
}

static int index_entry(struct index *index, struct archive_entry *entry, const char *path)
{
    if (!path)
        index->clean = false;
    if (archive_entry_filetype(entry) == AE_IFDIR)
        return 0;
    if (!path || !index_source_is_regular(entry)) {
        index->clean = false;
        return 0;
    }
    return index_file(index, entry, path);
}

/* After the last entry: what an index must have. */
static int index_end(struct index *index)
{
    bool changed;

    if (index->packages == 0)
        return index_source_refuse(&index->source, "it holds no package");
    if (!index->repo) {
        index->repo = index_repo_text("opam-version: \"2.0\"\n", 20, &changed);
        index->clean = false;
    }
    if (index->source.folder && *index->source.folder)
        index->clean = false;
    return 0;
}

int index_step(struct index *index, int budget_ms)
{
    int64_t end = when_monotonic_ms() + budget_ms;
    struct archive_entry *entry;
    const char *path;
    int found;

    for (size_t count = 1;; count++) {
        if ((found = index_source_next(&index->source, &entry, &path)) < 0)
            return -1;
        if (found == 0)
            return index_end(index);
        if (found == 1 && index_entry(index, entry, path) < 0)
            return -1;
        if (budget_ms > 0 && count % 16 == 0 && when_monotonic_ms() >= end)
            return 1;
    }
}

/* ---- copying ---- */

static int copy_failed(const struct index_copy *copy)
{
    log_error("%s cannot be written: %s", copy->to,
              copy->out ? archive_error_string(copy->out) : "no memory");
    return -1;
}

static int copy_put(struct index_copy *copy, const char *path, mode_t type, const void *bytes,
                    size_t length)
{
    struct archive_entry *entry = archive_entry_new();
    int result = -1, head;

    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, type == AE_IFDIR ? 0755 : 0644);
    archive_entry_set_size(entry, (la_int64_t)length);
    head = archive_write_header(copy->out, entry);
    if (head == ARCHIVE_FAILED) {
        log_warn("%s is left out of %s: %s", path, copy->to, archive_error_string(copy->out));
        result = 0;
    } else if ((head == ARCHIVE_OK || head == ARCHIVE_WARN) &&
               (length == 0 || archive_write_data(copy->out, bytes, length) == (la_ssize_t)length))
        result = 0;
    archive_entry_free(entry);
    return result < 0 ? copy_failed(copy) : 0;
}

struct index_copy *index_copy_open(const char *from, const char *to, const char *repo)
{
    struct index_copy *copy = mem_alloc(sizeof *copy);

    copy->to = mem_dup(to);
    copy->repo = mem_dup(repo);
    if (index_source_open(&copy->source, from) < 0)
        goto out;
    copy->out = archive_write_new();
    if (!copy->out || archive_write_add_filter_gzip(copy->out) != ARCHIVE_OK ||
        archive_write_set_format_pax_restricted(copy->out) != ARCHIVE_OK ||
        archive_write_set_filter_option(copy->out, "gzip", "compression-level", "4") !=
            ARCHIVE_OK ||
        archive_write_open_filename(copy->out, to) != ARCHIVE_OK) {
        copy_failed(copy);
        goto out;
    }
    if (copy_put(copy, "repo", AE_IFREG, repo, strlen(repo)) == 0)
        return copy;
out:
    index_copy_close(copy);
    return NULL;
}

static int copy_entry(struct index_copy *copy, struct archive_entry *entry, const char *path)
{
    int found;

    if (path && strcmp(path, "repo") != 0 && archive_entry_filetype(entry) == AE_IFDIR)
        return copy_put(copy, path, AE_IFDIR, NULL, 0);
    if (!path || strcmp(path, "repo") == 0 || !index_source_is_regular(entry))
        return 0;
    if ((found = index_source_read(&copy->source, entry)) <= 0)
        return found;
    return copy_put(copy, path, AE_IFREG, copy->source.file.data, copy->source.file.len);
}

static int copy_end(struct index_copy *copy)
{
    int fd, result;

    if (archive_write_close(copy->out) != ARCHIVE_OK)
        return copy_failed(copy);
    fd = open(copy->to, O_RDONLY | O_CLOEXEC);
    result = fd < 0 || fsync(fd) < 0 ? -1 : 0;
    if (result < 0)
        log_errno("%s cannot be synced", copy->to);
    fs_close(fd);
    return result;
}

int index_copy_step(struct index_copy *copy, int budget_ms)
{
    int64_t end = when_monotonic_ms() + budget_ms;
    struct archive_entry *entry;
    const char *path;
    int found;

    for (size_t count = 1;; count++) {
        if ((found = index_source_next(&copy->source, &entry, &path)) < 0)
            return -1;
        if (found == 0)
            return copy_end(copy);
        if (found == 1 && copy_entry(copy, entry, path) < 0)
            return -1;
        if (budget_ms > 0 && count % 16 == 0 && when_monotonic_ms() >= end)
            return 1;
    }
}

void index_copy_close(struct index_copy *copy)
{
    if (!copy)
        return;
    if (copy->out)
        archive_write_free(copy->out);
    index_source_close(&copy->source);
    free(copy->to);
    free(copy->repo);
    free(copy);
}
