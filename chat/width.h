/*
 * width: how many columns of a terminal a text takes.
 *
 * What a person sees as one character (a grapheme cluster of UAX #29: a letter with its accents, an
 * emoji with its joiners, a flag) is moved over, deleted and measured as one. Its width is that of
 * its widest part, by the tables of utf8proc, which agree with what xterm, tmux and VTE do: emoji
 * and East Asian wide characters take two columns, combining marks none. U+FE0F after a narrow
 * symbol makes it wide.
 *
 * Pure. Only width.c includes utf8proc in this room.
 */
#ifndef CHAT_WIDTH_H
#define CHAT_WIDTH_H

#include <stddef.h>

/* The bytes of the first cluster of length bytes (length > 0), at least 1, and its columns (0, 1 or
 * 2) in *columns. A control character has no width. */
size_t width_cluster(const char *bytes, size_t length, int *columns);

/* Where the cluster before the byte at begins; at > 0 stands between two clusters. */
size_t width_before(const char *bytes, size_t at);

/* The columns of length bytes. */
size_t width_text(const char *bytes, size_t length);

/* How many bytes of the text fit into columns, whole clusters only. */
size_t width_fit(const char *bytes, size_t length, size_t columns);

#endif
