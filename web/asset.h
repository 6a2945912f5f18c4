/*
 * asset: what the pages are made of: templates, style, script, pictures, embedded in the program.
 *
 * The sources in web/page/ are written for readers. asset_open squeezes them once: indentation,
 * blank lines, and comments that stand on lines of their own go. Style and script are addressed by
 * their content, /page/NAME-HASH.EXT, and may be kept for ever; a page always names the right ones.
 */
#ifndef WEB_ASSET_H
#define WEB_ASSET_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Squeezes all and computes their addresses; call once before any thread. */
void asset_open(void);
void asset_close(void);

/* The address of one that is served, as "style.css": "/page/style-0123456789.css". Asserts that
 * there is one. */
const char *asset_address(const char *name);

/* A template by name, as "home.html". Asserts that there is one. */
const char *asset_template(const char *name);

struct asset_found {
    const char *type; /* Content-Type */
    const void *bytes;
    size_t length;
    const void *packed; /* the same, packed by gzip (with its comments, which cost little) */
    size_t packed_length;
    bool current; /* the hash in the address is the present one: may be kept for ever */
};

/* What is served at path, behind "/page/". An address of an earlier version finds the present one,
 * not current. 1, 0. */
int asset_find(const char *path, struct asset_found *found);

/* The squeezing, for tests: appends length bytes of a source. 0 or -1 as buf_put. */
int asset_squeeze(struct buf *out, const char *bytes, size_t length);

#endif
