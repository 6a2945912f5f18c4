/*
 * head: which request heads are taken at all. Pure.
 *
 * civetweb parses a head leniently; what two servers could read differently (RFC 9112, 11.2) is
 * refused here before anything else looks at it.
 */
#ifndef WEB_HEAD_H
#define WEB_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct head_line {
    const char *name, *value;
};

/* The value of the first line of that name (any case); NULL if there is none. */
const char *head_find(const struct head_line *lines, size_t count, const char *name);

/* HEAD_UNSURE: only if nothing was received behind its end. What is there looks like a folded line
 * of the head, or is left of another one in the same memory. */
enum head_framing { HEAD_FRAMED, HEAD_UNSURE, HEAD_NOT_FRAMED };

/*
 * Whether the lines stand in the head as RFC 9112, 5 has them: no blank before a line or before its
 * colon, and nothing behind the last line. civetweb parses a head in place, with NULs for what
 * parts it; it skips such blanks, and at a folded line it stops, as if there were no more lines.
 * version is the request line's, behind which the first line stands. *end is behind the head's last
 * byte, if it is framed; or two bytes too far where lines end with LF alone and a body begins with
 * CR and NUL, since such a head looks as one with CR LF does.
 */
enum head_framing head_framing(const char *version, const struct head_line *lines, size_t count,
                               const char **end);

struct head {
    int64_t length; /* of the body; -1 chunked; 0 none */
    bool expects;
    bool keep; /* the client wants to keep the connection */
};

/*
 * 0: the head is well formed and *head filled in; else the status to refuse it with and a sentence
 * in *why. Refused are: Content-Length beside Transfer-Encoding, either of them twice, a length
 * that is not digits alone, any transfer coding but chunked, two Hosts or none (HTTP/1.1), two
 * Origins, two Ranges, an expectation other than 100-continue, names that are no tokens.
 */
int head_check(const struct head_line *lines, size_t count, bool http_10, struct head *head,
               const char **why);

/* The value of a cookie in the line Cookie (RFC 6265, 5.4; the first of that name) into out, with a
 * NUL; false if there is none, or it does not fit. */
bool head_cookie(const char *line, const char *name, char *out, size_t size);

/* The secret of the line Authorization, `Bearer SECRET`, or of one that holds the secret alone, if
 * it has exactly size - 1 characters. */
bool head_bearer(const char *line, char *secret, size_t size);

/* Whether the line Origin is the very page that the Host names: the port counts, too. */
bool head_same_origin(const char *origin, const char *host);

/* Whether a list (`a, b;q=1`) has that word, any case. */
bool head_list_has(const char *list, const char *word);

#endif
