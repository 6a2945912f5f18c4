/*
 * multipart: multipart/form-data as it comes (RFC 7578, RFC 2046), in constant memory. Pure.
 *
 * The parser is fed pieces of any size and calls back for the parts that are files. Parts without a
 * file name, and those with an empty one (a form's untouched field), are skipped. What is not well
 * formed ends the parse. Names are handed over as they were meant: quoted pairs and browsers'
 * %22 %0D %0A undone, and of a Windows path the last name; `filename*` (UTF-8) wins. They are not
 * checked otherwise: that is drop/path.h's.
 */
#ifndef WEB_MULTIPART_H
#define WEB_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#define MULTIPART_NAME_MAX     1024 /* bytes of a file name, with its NUL */
#define MULTIPART_BOUNDARY_MAX 200
#define MULTIPART_HEAD_MAX     8192 /* bytes of one part's head */
#define MULTIPART_PARTS_MAX    10000

/* Each returns 0 to go on, -1 to stop the parse. */
struct multipart_calls {
    int (*begin)(void *context, const char *name);
    int (*bytes)(void *context, const void *bytes, size_t length);
    int (*end)(void *context);
};

struct multipart;

/* The boundary of a Content-Type header into out (MULTIPART_BOUNDARY_MAX). 0, or -1 if it is not
 * multipart/form-data with a boundary that may be one. */
int multipart_boundary(const char *content_type, char *out);

/* calls and context are lent. */
struct multipart *multipart_new(const char *boundary, const struct multipart_calls *calls,
                                void *context);
void multipart_free(struct multipart *multipart);

/* 0; -1 not well formed, or a callback stopped it: then feed no more. */
int multipart_feed(struct multipart *multipart, const void *bytes, size_t length);

/* Whether the last boundary was seen: then all parts were whole. */
bool multipart_complete(const struct multipart *multipart);

/* Pure: the file name in a part's head into out; 1, 0 there is none, -1 it is too long. */
int multipart_file_name(const char *head, char *out, size_t size);

#endif
