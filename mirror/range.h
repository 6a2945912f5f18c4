/*
 * range: the few headers of an HTTP response that the fetcher reads.
 *
 * Pure. Lines come one at a time as libcurl hands them over, from whatever server: each value is
 * bounded, what cannot be understood reads as not said (RFC 9110).
 */
#ifndef MIRROR_RANGE_H
#define MIRROR_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESPONSE_ETAG_MAX 200
#define RESPONSE_WAIT_MAX 300 /* seconds of a Retry-After that are believed */

struct response {
    int status;
    int64_t content_length;           /* -1 not said */
    int64_t range_from, range_total;  /* of Content-Range; -1 not said */
    int64_t retry_after;              /* seconds, -1 not said */
    bool encoded;                     /* Content-Encoding says that the bytes are not the file's */
    char etag[RESPONSE_ETAG_MAX];     /* with its quotes, "" none */
    char modified[RESPONSE_ETAG_MAX]; /* Last-Modified, "" none */
};

/* A response of which nothing is known yet. */
void response_init(struct response *response);

/* Takes one header line, with or without its line end; a status line begins anew. now_ms is wall
 * time, for a Retry-After that is a date. */
void response_line(struct response *response, const char *line, size_t length, int64_t now_ms);

/* The whole length of the file that a 200 or 206 announces, -1 if it does not. */
int64_t response_whole(const struct response *response);

/* Whether the ETag may stand in If-Range: strong ones only. */
bool response_etag_is_strong(const struct response *response);

#endif
