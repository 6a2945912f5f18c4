/*
 * renew: the indexes of the repositories, from upstream to what riad serves.
 *
 * One repository is [mirror] or a [mirror NAME]. Its index is asked for every `refresh` while the
 * link is up, conditionally; with refresh = 0 only when somebody asks (riad mirror refresh), or
 * when there is none yet. What comes is read in steps (mirror/index.h) beside the flights; only
 * when it is whole, its catalogue and `repo` file are put in place and then it itself, by rename.
 * The one before serves until then, and for ever while there is no other.
 *
 * In the folder of a repository: index.tar.gz, repo, catalogue, and `validators`: the address, ETag
 * and Last-Modified of what upstream sent. The catalogue is made again from the index if it is
 * missing.
 */
#ifndef MIRROR_RENEW_H
#define MIRROR_RENEW_H

#include "mirror/flights.h"

/* Facts, followed by the repository's name: what the index holds, or why there is none; and what
 * came of asking upstream, with the time of that. */
#define RENEW_FACT       "mirror.index."
#define RENEW_FACT_ASKED "mirror.asked."

struct renew;

/* flights outlives it. */
struct renew *renew_new(const struct flights_with *with, struct flights *flights);
void renew_free(struct renew *renew);

/* Asks upstream now. */
void renew_ask(struct renew *renew);

/* Goes on with whatever is due, for a few milliseconds. */
void renew_run(struct renew *renew);

/* Milliseconds until renew_run has something to do; -1 not before something happens. */
int renew_timeout(const struct renew *renew);

/* The address of a repository's index: upstream itself if that names a tar.gz, else its
 * index.tar.gz. Yours to free. */
char *renew_url(const char *upstream);

#endif
