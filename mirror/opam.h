/*
 * opam: the grammar of opam files, as a tree.
 *
 * Pure: bytes in, a tree out, no file and no log. It reads what opam itself reads
 * (opam-file-format), its words by mirror/opam_lexer.h. It does not know which fields mean what:
 * mirror/package.h does.
 *
 * A value is a flat run of items, since an opam value is little more than that: `"foo" {>= "1"}` is
 * a string followed by options. What has brackets has children.
 *
 *     depends: ["ocaml" {>= "4.08"} ("lwt" | "async")]
 *
 *     FIELD depends -> LIST -> STRING ocaml, OPTION -> [OP >=, STRING 4.08], GROUP -> [...]
 *
 * Nesting, and with it the stack, is bounded by OPAM_MAX_DEPTH; memory by the length of the input.
 */
#ifndef MIRROR_OPAM_H
#define MIRROR_OPAM_H

#include "base/arena.h"

#include <stddef.h>

#define OPAM_MAX_DEPTH 100

enum opam_kind {
    OPAM_STRING,  /* text: decoded, followed by a NUL; it may hold NULs itself */
    OPAM_WORD,    /* text: an identifier, an integer, true or false */
    OPAM_OP,      /* text: = != < <= > >= ~ & | ! ? += =+ =+= := =: */
    OPAM_LIST,    /* children: [ ... ] */
    OPAM_GROUP,   /* children: ( ... ) */
    OPAM_OPTION,  /* children: { ... }, belongs to the item before it */
    OPAM_FIELD,   /* text: its name; children: the value */
    OPAM_SECTION, /* text: its kind; name: in `extra-source "name" {`, or NULL; children: fields */
};

struct opam_item {
    enum opam_kind kind;
    const char *text;
    size_t length; /* of text */
    const char *name;
    size_t from, to; /* OPAM_FIELD: where it stands in the input, `to` being behind its end */
    struct opam_item *first, *next;
};

/* A file's tree and the memory behind it, which is used again by the next opam_parse. */
struct opam_file {
    struct opam_item *first; /* fields and sections in order */
    int error_line;          /* after a failure: where, and why */
    const char *error;
    struct arena memory;
};

/* A zeroed struct opam_file is ready. Forgets the tree before, parses length bytes. 0; -1 when they
 * are no opam file: error and error_line say why, the tree is empty. */
int opam_parse(struct opam_file *file, const char *bytes, size_t length);

/* Releases the memory; the struct is as zeroed. */
void opam_done(struct opam_file *file);

/* The last field of that name among items, as opam takes it; NULL if there is none. */
const struct opam_item *opam_field(const struct opam_item *items, const char *name);

/* The only string that is a field's value, e.g. of `src: "..."`; NULL if it is something else. */
const char *opam_field_string(const struct opam_item *items, const char *name);

#endif
