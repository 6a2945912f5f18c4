/*
 * index_source: gzip, tar, and the bounds.
 */
#include "mirror/index_source.h"
#include "base/log.h"
#include "base/mem.h"
#include "mirror/index.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_UNPACKED ((int64_t)1 << 30) /* bytes of the tar; the real one has 52 MB */
#define MAX_BEHIND   ((size_t)4 << 20)  /* bytes behind the last entry: tar fills up its blocks */
#define READ_BLOCK   ((size_t)128 * 1024)

/* The first entry betrays a leading folder, unless a repository begins where the archive does. */
static void see_folder(struct index_source *source, const char *path)
{
    const char *slash;

    while (strncmp(path, "./", 2) == 0)
        path += 2;
    slash = strchr(path, '/');
    if (!slash || strncmp(path, "packages/", 9) == 0) {
        if (!source->folder || strcmp(path, "repo") == 0 || slash) {
            free(source->folder);
            source->folder = mem_dup("");
        }
    } else if (!source->folder) {
        source->folder = mem_dup_bytes(path, (size_t)(slash - path) + 1);
    }
}

/* ---- entries, within the bounds ---- */

static const char *why(struct archive *archive)
{
    const char *text = archive_error_string(archive);

    return text ? text : "it breaks off";
}

/* gzip and tar are read apart, because libarchive stops where tar ends: what gunzip(1) would find
 * missing behind that, opam would. */
static la_ssize_t unpack(struct archive *archive, void *context, const void **bytes)
{
    struct index_source *source = context;
    la_int64_t offset;
    size_t length = 0;
    int found = archive_read_data_block(source->packed, bytes, &length, &offset);

    if (found == ARCHIVE_OK || found == ARCHIVE_WARN) {
        if ((source->unpacked += (int64_t)length) <= MAX_UNPACKED)
            return (la_ssize_t)length;
        archive_set_error(archive, EFBIG, "it unpacks to too many bytes");
        return -1;
    }
    if (found == ARCHIVE_EOF)
        return 0;
    archive_set_error(archive, archive_errno(source->packed), "%s", why(source->packed));
    return -1;
}

static int open_packed(struct index_source *source)
{
    struct archive_entry *entry;

    if (archive_read_support_filter_gzip(source->packed) == ARCHIVE_OK &&
        archive_read_support_format_raw(source->packed) == ARCHIVE_OK &&
        archive_read_open_filename(source->packed, source->path, READ_BLOCK) == ARCHIVE_OK &&
        archive_read_next_header(source->packed, &entry) == ARCHIVE_OK)
        return 0;
    log_warn("%s cannot be read as an index: %s", source->path, why(source->packed));
    return -1;
}

int index_source_open(struct index_source *source, const char *path)
{
    source->path = mem_dup(path);
    source->packed = archive_read_new();
    source->archive = archive_read_new();
    buf_init(&source->file, INDEX_MAX_FILE);
    if (!source->packed || !source->archive || open_packed(source) < 0)
        return -1;
    if (archive_read_support_format_tar(source->archive) == ARCHIVE_OK &&
        archive_read_open(source->archive, source, NULL, unpack, NULL) == ARCHIVE_OK)
        return 0;
    log_warn("%s cannot be read as an index: %s", path, why(source->archive));
    return -1;
}

void index_source_close(struct index_source *source)
{
    if (source->archive)
        archive_read_free(source->archive);
    if (source->packed)
        archive_read_free(source->packed);
    buf_done(&source->file);
    free(source->folder);
    free(source->path);
}

int index_source_refuse(const struct index_source *source, const char *why)
{
    log_warn("%s is refused as an index: %s", source->path, why);
    return -1;
}

/* Whether the packing ends as it should, behind the last entry. 0, or -1 refused. */
static int index_source_end(struct index_source *source)
{
    size_t behind = 0;
    const void *bytes;
    la_ssize_t got;

    while ((got = unpack(source->archive, source, &bytes)) > 0)
        if ((behind += (size_t)got) > MAX_BEHIND)
            return index_source_refuse(source, "something else follows it");
    return got < 0 ? index_source_refuse(source, why(source->archive)) : 0;
}

/* Passes a piece of what nobody wanted of the last entry. 2 passed, 0 no more, -1 refused. */
static int pass(struct index_source *source)
{
    const void *bytes;
    size_t length;
    la_int64_t offset;
    int found;

    if (!source->inside)
        return 0;
    found = archive_read_data_block(source->archive, &bytes, &length, &offset);
    if (found == ARCHIVE_OK || found == ARCHIVE_WARN)
        return 2;
    source->inside = false;
    return found == ARCHIVE_EOF ? 0 : index_source_refuse(source, why(source->archive));
}

int index_source_next(struct index_source *source, struct archive_entry **entry, const char **path)
{
    int found = pass(source);
    const char *name;

    if (found != 0)
        return found;
    found = archive_read_next_header(source->archive, entry);
    if (found == ARCHIVE_EOF)
        return index_source_end(source);
    if (found != ARCHIVE_OK && found != ARCHIVE_WARN)
        return index_source_refuse(source, why(source->archive));
    source->inside = true;
    name = archive_entry_pathname(*entry);
    *path = NULL;
    if (!name || strcmp(name, "./") == 0 || archive_entry_filetype(*entry) == 0)
        return 1;
    see_folder(source, name);
    *path = index_path(name, source->folder);
    return 1;
}

int index_source_read(struct index_source *source, struct archive_entry *entry)
{
    const void *bytes;
    size_t length;
    la_int64_t offset;
    int found;

    buf_clear(&source->file);
    if (archive_entry_size(entry) > (la_int64_t)INDEX_MAX_FILE)
        return 0;
    while ((found = archive_read_data_block(source->archive, &bytes, &length, &offset)) ==
           ARCHIVE_OK) {
        if ((size_t)offset != source->file.len || buf_put(&source->file, bytes, length) < 0)
            return 0;
    }
    source->inside = false;
    return found == ARCHIVE_EOF ? 1 : index_source_refuse(source, why(source->archive));
}

bool index_source_is_regular(struct archive_entry *entry)
{
    return archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry);
}
