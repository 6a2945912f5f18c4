/*
 * fetch: transfers across the link, through libcurl.
 *
 * fetch.c alone includes libcurl. It knows URLs and bytes, nothing of archives: what is fetched, in
 * which order and what a failure means is for its callers (mirror/flight.h, mirror/renew.h). One
 * thread; connections to a host are kept open and used again; redirects are followed; certificates
 * are verified against the system's authorities, or those in the file that SSL_CERT_FILE names; a
 * proxy is taken from the environment; the rate of all transfers together is bounded.
 */
#ifndef MIRROR_FETCH_H
#define MIRROR_FETCH_H

#include "mirror/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A body that brings less than FETCH_STALL_MIN bytes in FETCH_STALL_MS has died, the rest of its
 * head counted in; the first line of the response may take FETCH_FIRST_MS, redirects and all:
 * forges pack while one waits. */
#define FETCH_STALL_MS  5000
#define FETCH_STALL_MIN 512
#define FETCH_FIRST_MS  30000
/* So long an answer may take before the silence says anything about the link. */
#define FETCH_PACKING_MS 9000

struct fetch;
struct transfer;

/* NULL, logged, if libcurl cannot start. */
struct fetch *fetch_new(void);
void fetch_free(struct fetch *fetch);

/* The file of authorities that SSL_CERT_FILE names; NULL: the system's hold. */
const char *fetch_authorities(void);

/* Bytes a second for all transfers, 0 no limit. */
void fetch_set_rate(struct fetch *fetch, int64_t bytes);

/* How a transfer ended. */
enum fetch_end {
    FETCH_COMPLETE,    /* the response ended as it should; see its status */
    FETCH_CUT,         /* it broke off, or was reset */
    FETCH_STALLED,     /* nothing came for too long */
    FETCH_UNREACHABLE, /* no address, no connection: it may be the link */
    FETCH_REFUSED,     /* a certificate, a protocol, a loop of redirects: trying again is no use */
    FETCH_STOPPED,     /* one of the caller's functions said so */
};

/* Whom a transfer calls; none of these may start or end a transfer but the last. */
struct fetch_calls {
    /* A final response of status 200 or 206 begins. 0 go on, -1 stop. */
    int (*head)(void *context, const struct response *response);
    /* Bytes of its body. 0 go on, -1 stop. */
    int (*data)(void *context, const void *bytes, size_t length);
    /* The end, once, whatever happened: the transfer is gone afterwards. why is a few words. */
    void (*end)(void *context, enum fetch_end end, const struct response *response,
                const char *why);
};

/* What is asked for. */
enum fetch_kind {
    FETCH_GET,
    FETCH_HEAD,       /* the head alone */
    FETCH_FIRST_BYTE, /* the head and one byte: for sources that answer no HEAD */
};

struct fetch_request {
    const char *url;
    enum fetch_kind kind;
    int64_t offset;              /* > 0: the rest from here on (Range) */
    const char *if_range;        /* with offset: a strong ETag, or NULL */
    const char *etag, *modified; /* make it conditional; NULL or "" not */
    bool background;             /* waits for the others where the rate is bounded */
    bool unchecked;              /* no digest will tell: from https never lead to http */
};

/* Begins a transfer. NULL: the URL is no good; end is not called then. */
struct transfer *fetch_start(struct fetch *fetch, const struct fetch_request *request,
                             const struct fetch_calls *calls, void *context);

/* Gives a transfer up; end is not called. */
void fetch_stop(struct transfer *transfer);

/* Waits at most timeout_ms for transfers or for fd to be readable, and lets everything happen. */
void fetch_wait(struct fetch *fetch, int fd, int timeout_ms);

/* For how many ms nothing came from any host although transfers run; from FETCH_PACKING_MS on, if
 * one has a connection and waits for its answer. 0 while nothing is asked for. */
int64_t fetch_silent_ms(const struct fetch *fetch);

/* Bytes of bodies received since the start, by all transfers. */
int64_t fetch_bytes(const struct fetch *fetch);

#endif
