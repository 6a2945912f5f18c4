/*
 * source: where an archive may be had, and which of those places to try next.
 *
 * Pure. Sources stand in the order in which they are preferred. The first whose time has come is
 * tried; a failure sends it away for a while, or for good. So a source that delivers bytes is
 * resumed at once, one that fails gives way to the next, and one that answers "later" is asked
 * again then. One that sent wrong bytes comes behind all others; then one whose host is known not
 * to be reachable or that is slow; then, where an archive is to be gone on with, one that cannot
 * begin in the middle.
 */
#ifndef MIRROR_SOURCE_H
#define MIRROR_SOURCE_H

#include "config/config.h"
#include "mirror/checksum.h"
#include "mirror/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCES_MAX 64

struct source {
    char *url;
    int tries;             /* failures since it last brought something new */
    int wrong;             /* how often its bytes were not the archive */
    int64_t not_before_ms; /* monotonic */
    int crumbs;            /* requests that brought next to nothing */
    bool slow;             /* others first */
    bool gone;             /* never again in this flight */
    bool temporary;        /* it went for a reason that may pass */
    bool unanswered;       /* the last attempt brought not even a head; the caller says */
    bool hurried;          /* it was asked sooner than its pause, and brought nothing since */
    bool no_range;         /* it cannot begin in the middle */
    bool avoid;            /* its host cannot be reached, as others found; the caller says */
    char etag[RESPONSE_ETAG_MAX]; /* strong, of what it delivered; "" none */
};

struct sources {
    struct source list[SOURCES_MAX];
    size_t count;
};

/* Appends a URL (copied) that is not there yet; beyond SOURCES_MAX it is left out. */
void sources_put(struct sources *sources, const char *url);
/* Appends the caches of all repositories, each with the digest that opam asks for: the first that
 * is listed. */
void sources_put_caches(struct sources *sources, const struct config *config,
                        const struct checksum *sum);
void sources_done(struct sources *sources);

/* The next to try at now_ms, where resume tells whether something is here already; NULL: none now.
 * *wake_ms is then when one will be, -1 never: all are gone. */
struct source *sources_next(struct sources *sources, bool resume, int64_t now_ms, int64_t *wake_ms);

/* Whether another one than this could go on in the middle at now_ms. */
bool sources_can_resume(const struct sources *sources, const struct source *other, int64_t now_ms);

/* What came of an attempt. */
enum source_outcome {
    SOURCE_LACKS,       /* it has no such archive, or refuses it: 404, 403, a bad certificate */
    SOURCE_WRONG,       /* its bytes are not the archive; a second time: for good */
    SOURCE_BUSY,        /* 429, 5xx; with a Retry-After that is honoured */
    SOURCE_BROKE,       /* cut, reset, stalled */
    SOURCE_SLOW,        /* it brings next to nothing, and others may be better */
    SOURCE_FROM_START,  /* it begins anew where others can go on */
    SOURCE_UNREACHABLE, /* no connection, while others can be reached */
    SOURCE_LINK,        /* no connection, and the link may be down: counts for nothing */
};

/* Notes it. progress: it brought bytes that were not here. retry_after_ms: -1 not said. retries:
 * how many failures in a row are forgiven. */
void source_note(struct source *source, enum source_outcome outcome, bool progress,
                 int64_t retry_after_ms, int retries, int64_t now_ms);

/* Its host answers again: ends the pause of one whose last attempt nobody answered, once until it
 * brings something. Whether it did. */
bool source_hurry(struct source *source, int64_t now_ms);

/* When all are gone: whether trying again later may help. */
bool sources_may_return(const struct sources *sources);

#endif
