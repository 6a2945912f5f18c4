/*
 * package: what an opam file says about its archives and what it depends on.
 *
 * Pure, above mirror/opam.h. An archive is what `url { }` and each `extra-source "NAME" { }` name:
 * the address in `src` (or, in old files, `archive` or `http`), its checksums, its mirrors. What
 * comes from git, hg, darcs, ssh, rsync or a folder is no archive: opam does not ask a cache for
 * it.
 */
#ifndef MIRROR_PACKAGE_H
#define MIRROR_PACKAGE_H

#include "mirror/checksum.h"
#include "mirror/opam.h"

#include <stdbool.h>

#define PACKAGE_MAX_CHECKSUMS 8
#define PACKAGE_MAX_MIRRORS   16

struct package_archive {
    const char *extra; /* NULL: of `url`; else the name of the extra source */
    const char *url;
    struct checksum sums[PACKAGE_MAX_CHECKSUMS]; /* as listed, those that riad knows */
    size_t sum_count;
    const char *mirrors[PACKAGE_MAX_MIRRORS];
    size_t mirror_count;
};

typedef void package_archive_handler(void *context, const struct package_archive *archive);

/* Calls handler for each archive of a parsed opam file, in order. What is handed over lives as long
 * as the tree. */
void package_archives(const struct opam_file *file, package_archive_handler *handler,
                      void *context);

/* The same for a file named `url` beside an old opam file: its fields are those of the section. */
void package_url_file(const struct opam_file *file, package_archive_handler *handler,
                      void *context);

/* Whether a URL is fetched over HTTP or FTP as one file. */
bool package_url_is_archive(const char *url);

/* Compares versions as opam (and Debian) orders them: `1.0~rc1` < `1.0` < `1.0.1` < `1.10`. */
int package_version_compare(const char *one, const char *other);

#endif
