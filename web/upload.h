/*
 * upload: what all ways of bringing a file have in common.
 */
#ifndef WEB_UPLOAD_H
#define WEB_UPLOAD_H

#include "web/route.h"

enum upload_end {
    UPLOAD_WHOLE,   /* the body is complete */
    UPLOAD_BROKEN,  /* the client went away, lied or was too slow */
    UPLOAD_REFUSED, /* the drop did not take it: *result says why */
};

typedef void upload_bytes(void *context, const void *bytes, size_t length);

/* Goes on with an arrival, by its key or (key NULL) by path as the visitor's own. While an earlier
 * connection still has it, waits a moment for that to end: clients come back at once. */
enum drop_result upload_resume(struct call *call, const char *key, const char *path,
                               struct drop_arrival **arrival);

/* upload_refuse, with something said around its sentence. */
void upload_refuse_between(struct call *call, enum drop_result result, const char *path,
                           const char *before, const char *after);
/* 413 for what is longer than its client announced. */
void upload_refuse_longer(struct call *call);

/* Reads the body into arrival; also (unless NULL) sees each piece. */
enum upload_end upload_body(struct call *call, struct drop_arrival *arrival,
                            enum drop_result *result, upload_bytes *also, void *context);

/* Pauses or abandons the arrival, whichever helps, and answers. */
void upload_give_up(struct call *call, struct drop_arrival *arrival, enum upload_end end,
                    enum drop_result result, const char *path);

/* Gives a guest their secret, as a cookie and as a Drop-Token, in the 100 and in the answer. */
void upload_token(struct call *call);

/* Answers that file is stored: its address and its SHA-256, a line each, or as JSON. */
void upload_stored(struct call *call, int status, const struct drop_file *file);
/* Appends those two lines. */
void upload_put_told(struct call *call, struct buf *out, const struct drop_file *file);

#endif
