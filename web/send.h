/*
 * send: an open file as an answer, whole or in part: conditions, ranges, validators (RFC 9110).
 * The drop's files and the mirror's archives leave through here.
 */
#ifndef WEB_SEND_H
#define WEB_SEND_H

#include "web/reply.h"

struct send_file {
    int fd; /* lent */
    int64_t size, modified_ms;
    const char *etag; /* without quotes; "" none: then no ranges are served either */
    const char *type;
    /* Adds the caller's own header lines to an answer that was begun; NULL none. */
    void (*head)(void *context, struct http_request *request);
    void *context;
};

/* Answers GET or HEAD of that file. The number of bytes of body that were sent, -1 if the client
 * went away. */
int64_t send_whole_or_part(struct http_request *request, const struct send_file *file);

#endif
