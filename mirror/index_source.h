/*
 * index_source: the entries of a packed index, one after the other, within the bounds. Internal to
 * index.c, which knows what they mean.
 */
#ifndef MIRROR_INDEX_SOURCE_H
#define MIRROR_INDEX_SOURCE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_MAX_FILE ((size_t)8 << 20) /* bytes of one file; patches may be large */

struct archive;
struct archive_entry;

/* What reading and copying share: an open archive, its bounds, its leading folder. */
struct index_source {
    struct archive *packed;  /* through gzip */
    struct archive *archive; /* and tar */
    char *path;
    char *folder;     /* NULL until the first entry has been seen */
    int64_t unpacked; /* bytes of the tar so far: a bomb may hide in names, too */
    bool inside;      /* the last entry has not been read to its end */
    struct buf file;  /* the entry that is being read */
};

/* Opens the index at path. 0, or -1, logged; close it in both cases. */
int index_source_open(struct index_source *source, const char *path);
void index_source_close(struct index_source *source);

/* The next entry; 1, 0 at the end, -1 refused, logged; 2 if there is none yet, because a piece of
 * what was not read of the last one had to be passed: one entry may be as long as all of an index.
 * *path is what index_path makes of its name. */
int index_source_next(struct index_source *source, struct archive_entry **entry, const char **path);

/* The content of a regular entry into source->file. 1; 0 if it is larger than a file may be; -1
 * refused, logged. */
int index_source_read(struct index_source *source, struct archive_entry *entry);

bool index_source_is_regular(struct archive_entry *entry);

/* Says why it is no index. -1. */
int index_source_refuse(const struct index_source *source, const char *why);

#endif
