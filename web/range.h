/*
 * range: parts of a file, and whether a request's conditions hold (RFC 9110, 13 and 14). Pure.
 */
#ifndef WEB_RANGE_H
#define WEB_RANGE_H

#include <stdbool.h>
#include <stdint.h>

enum range { RANGE_WHOLE, RANGE_PART, RANGE_OUTSIDE };

/*
 * What a Range header (NULL: none) asks of a file of size bytes. RANGE_PART fills in the first and
 * last byte. Several ranges, other units and what is not well formed ask for the whole; a range
 * that begins behind the end, or a suffix of 0, is RANGE_OUTSIDE (416).
 */
enum range range_parse(const char *header, int64_t size, int64_t *first, int64_t *last);

/* `bytes N-M/SIZE` of a PUT; SIZE may be `*` (-1). 0, or -1 if it is not that. */
int range_content(const char *header, int64_t *first, int64_t *last, int64_t *size);

/* What a request says about the file that it means. NULL: not said. */
struct range_conditions {
    const char *if_match, *if_none_match, *if_modified_since, *if_unmodified_since, *if_range;
};

/* What there is. */
struct range_file {
    bool exists;
    const char *etag; /* with its quotes; NULL none */
    int64_t modified_ms;
};

/* 0 go on, 304 or 412. read: GET or HEAD. */
int range_check(const struct range_conditions *conditions, const struct range_file *file,
                bool read);

/* Whether If-Range lets a Range apply. */
bool range_still(const struct range_conditions *conditions, const struct range_file *file);

/* Whether a list of entity tags (`"a", W/"b"`, `*`) has that one. weak: W/ does not matter. */
bool range_etag_listed(const char *list, const char *etag, bool weak);

#endif
