/*
 * html: the one writer of text into pages.
 *
 * Everything that a person, a file or a header brought stands in a page only through these. What
 * they write is safe between tags and within a quoted attribute; nothing of the kind is ever put
 * within a script, a style or a comment. Pure.
 */
#ifndef WEB_HTML_H
#define WEB_HTML_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/* Appends text with & < > " ' as character references. 0 or -1 as buf_put. */
int html_text(struct buf *out, const char *text);
/* The same of length bytes. */
int html_bytes(struct buf *out, const void *bytes, size_t length);

/*
 * Appends what somebody said: escaped, with http and https addresses as links that tell the other
 * side nothing (rel) and open apart, and, when lines is set, with line ends kept. Only whole words
 * that start with http:// or https:// become links; a closing bracket, quote or full stop at their
 * end stays outside.
 */
int html_words(struct buf *out, const char *text);

/* Appends `<time datetime=RFC3339>CLOCK</time>`, with the day before the clock unless it is that of
 * now_ms; times go through base/when.h. */
int html_time(struct buf *out, int64_t wall_ms, int64_t now_ms);

#endif
