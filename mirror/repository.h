/*
 * repository: one repository's index on its way, from asking to serving. Internal to renew.c, which
 * leads it and reads what came, and arrive.c, which brings it across the link.
 */
#ifndef MIRROR_REPOSITORY_H
#define MIRROR_REPOSITORY_H

#include "mirror/index.h"
#include "mirror/opam.h"
#include "mirror/renew.h"

enum step { WAITING, ARRIVING, READING, COPYING };

struct repository {
    struct renew *all;
    const struct config_mirror *config;
    char *folder, *url;
    enum step step;
    int64_t due_ms; /* WAITING: when to ask; INT64_MAX only when asked */
    int failures;
    char *complaint; /* why it failed the last time, as the log has it; NULL: it did not */
    bool local;      /* what is read is the index that is served already */
    struct transfer *transfer;
    int fd; /* of the file `arriving` */
    int64_t received, length;
    struct response response; /* of what arrives */
    struct index *index;
    struct index_copy *copy;
    struct catalogue_draft *draft;
    struct opam_file parsed;
    int broken; /* opam files that could not be read */
};

struct renew {
    struct flights_with with;
    struct flights *flights;
    struct repository list[CONFIG_MAX_MIRRORS];
    size_t count;
};

/* A file in its folder; yours to free. Whether it is there. */
char *repository_path(const struct repository *repository, const char *name);
bool repository_has(const struct repository *repository, const char *name);

/* Writes the fact prefix + its name. */
void repository_tell(const struct repository *repository, const char *prefix, const char *text);

/* Asks upstream now, conditionally if there is an index, or for the rest of what broke off. One of
 * the following three is called when it has answered. */
void repository_ask(struct repository *repository);

/* Nothing to do until the next refresh. */
void repository_rest(struct repository *repository);

/* Asking has failed, or what came is no index: soon again while there is none at all, or refresh at
 * the latest. why is a few words, for the log and the status. */
void repository_failed(struct repository *repository, const char *why);

/* Begins to read what came, or (local) the index that is served already. */
void repository_read(struct repository *repository, bool local);

#endif
