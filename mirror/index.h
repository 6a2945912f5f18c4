/*
 * index: reading an opam repository's index.tar.gz, and making one that riad may serve.
 *
 * index.c and index_source.c alone include libarchive. An index comes from strangers: it is bounded
 * in everything (bytes unpacked, entries, the length of a path, the size of a file), links, devices
 * and paths that would leave the folder are left out, and only gzip and tar are understood. A
 * forge's tar.gz of a repository, with one leading folder, reads as if that folder were not there.
 *
 * Reading goes in steps, so that the fetcher's loop goes on meanwhile.
 */
#ifndef MIRROR_INDEX_H
#define MIRROR_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_MAX_PACKED ((int64_t)256 << 20) /* bytes of a packed index */

struct index;

enum index_kind {
    INDEX_OPAM, /* packages/.../NAME.VERSION/opam */
    INDEX_URL,  /* the file `url` beside an opam file of the old format */
};

/* Called for each such file; package is its folder's name, `lwt.5.6.1`. bytes are lent. */
typedef void index_handler(void *context, enum index_kind kind, const char *package,
                           const char *bytes, size_t length);

/* Begins to read the index at path. NULL, logged. */
struct index *index_open(const char *path, index_handler *handler, void *context);

/* Reads on for about budget_ms (0: to the end). 1 there is more, 0 the end, -1 it is no index or
 * breaks a bound, logged at warn. */
int index_step(struct index *index, int budget_ms);

/* After the end: whether what was read may be served as it is; its `repo` file names
 * `archive-mirrors: "cache"`, and nothing had to be left out or renamed. */
bool index_is_clean(const struct index *index);

/* After the end: the text of the `repo` file to serve, riad's archive-mirrors included. Lent. */
const char *index_repo(const struct index *index);

/* How many files of packages were read. */
size_t index_packages(const struct index *index);

void index_close(struct index *index);

/* Writes what riad serves: the entries of the index at from, without what does not belong there,
 * under their proper names, with the text repo as its `repo` file, into a new file at to. In
 * steps, too. */
struct index_copy;
struct index_copy *index_copy_open(const char *from, const char *to, const char *repo);
/* 1 there is more, 0 the file is complete and synced, -1 failed, logged. */
int index_copy_step(struct index_copy *copy, int budget_ms);
void index_copy_close(struct index_copy *copy);

/* The text of a `repo` file with `archive-mirrors: "cache"` instead of what it said; one that is no
 * opam file is replaced. Yours to free. *changed tells whether it had to be altered. */
char *index_repo_text(const char *text, size_t length, bool *changed);

/* The path of an entry as riad serves it (`packages/...`, `repo`), within path; NULL if it is to be
 * left out: unsafe, too long, or not of a repository. folder is the leading folder to take off
 * ("" none, with its slash otherwise). */
const char *index_path(const char *path, const char *folder);

#endif
