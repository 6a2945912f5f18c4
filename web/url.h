/*
 * url: percent-encoding (RFC 3986), paths and queries. Pure.
 */
#ifndef WEB_URL_H
#define WEB_URL_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decodes length bytes once into out (size bytes, with a NUL). plus makes `+` a blank, as forms do.
 * The number of bytes, or -1: `%` without two digits, a NUL, bytes that are not UTF-8, or it does
 * not fit.
 */
int url_decode(const char *text, size_t length, bool plus, char *out, size_t size);

/* The path of a request target: decoded, doubled slashes folded, control characters refused. "/"
 * first. 0 or -1. */
int url_path(const char *target, char *out, size_t size);

/* Appends text with everything encoded but A-Z a-z 0-9 - . _ ~ and, if slashes, `/`. */
void url_encode(struct buf *out, const char *text, bool slashes);

/* The value of name in `a=b&c=d` (a query or a form), decoded. 1, 0 not there, -1 wrong or too
 * long. A name without `=` has the value "". */
int url_value(const char *pairs, const char *name, char *out, size_t size);

#endif
