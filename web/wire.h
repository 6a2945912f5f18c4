/*
 * wire: the connection beneath a request. Of http.c, asked.c, body.c, wire.c and reply.c only.
 *
 * civetweb owns the socket and tells nobody its descriptor. It is found as the one socket of this
 * process with the client's address and port as its peer: only the thread that serves it closes it,
 * so the number stays right for as long as the handler runs. If two sockets fit (a client may use
 * one port towards two of the box's addresses), none is taken, and bytes go through civetweb.
 *
 * With the descriptor, bodies are read as they come, files leave by sendfile(2), and the watch
 * (wire_watch, once a second) can cut who trickles: civetweb's own time-outs begin anew at each
 * byte.
 */
#ifndef WEB_WIRE_H
#define WEB_WIRE_H

#include "web/head.h"
#include "web/http.h"

#include <pthread.h>

struct mg_connection;

/* What outlives a request: a connection. Made at its first request, freed at its end. */
struct wire_peer {
    int fd;            /* -1: not to be had */
    uint64_t consumed; /* bytes of requests that were read to their end */
    bool kept;         /* has had a request already */
    bool exact;        /* consumed is right: no chunked body among them */
    bool doubtful;     /* or too large, by two bytes for some of them: see head_doubtful */
};

/* What the watch knows of a thread. */
struct wire_slot {
    pthread_mutex_t lock;
    int fd;                    /* that it waits on; -1 none */
    bool sending;              /* else receiving */
    int64_t since_ms;          /* when this window began, less what was not waited in it */
    int64_t stopped_ms;        /* since when nothing is waited for: the clock stands; 0 it runs */
    uint64_t bytes;            /* that had passed then */
    bool held;                 /* has one of the places of http_hold */
    char address[48];          /* of whoever has it */
    struct http_sender sender; /* whose body it is, see http_sends */
    int sender_fd;             /* -1: nobody is sending */
};

enum wire_state { WIRE_ASKED, WIRE_BODY, WIRE_STREAM, WIRE_DONE };

struct wire {
    struct mg_connection *connection;
    struct wire_slot *slot;
    struct http *http;
    struct head_line lines[HTTP_HEADERS_MAX + 1];
    size_t line_count;
    struct head head;
    bool http_10;
    int fd_bound; /* no descriptor of this process is as high */
    int fd;       /* WIRE_UNKNOWN not looked for yet, -1 not to be had */

    /* the body */
    int64_t taken;         /* bytes read of it */
    int64_t buffered;      /* of it in civetweb's hands at the start; WIRE_UNKNOWN not asked yet */
    int64_t buffered_most; /* more than buffered where that cannot be known */
    size_t head_size;
    bool head_doubtful; /* what seems to be its end may be a body's begin, behind LF alone */
    bool continued;     /* 100 was sent, or a final answer was */
    bool complete;      /* read to its end */
    bool broken;

    /* the answer; of reply.c */
    enum wire_state state;
    int status;
    int64_t promised; /* bytes of body still to be sent; -1 a stream */
    bool close;       /* the connection ends afterwards */
    bool cut;
    struct buf out;             /* the head that is being built */
    struct buf cookies;         /* lines that outlast reply_begin */
    struct buf early;           /* lines for the 100 */
    struct buf extra;           /* lines for the next answer */
    bool cached;                /* Cache-Control was added */
    size_t lines_at, lines_end; /* in out: behind Date, before Connection */
};
#define WIRE_UNKNOWN (-2)

/* http_request names it http_wire, so that nobody else looks inside. */
struct http_wire {
    struct wire wire;
};

/* The descriptor, looked for at the first call; -1 if it is not to be had. */
int wire_fd(struct wire *wire);

/* Whether civetweb, which does not tell, has certainly read nothing behind this head; false if that
 * cannot be known, as behind a chunked body, or behind a head whose end was not certain. */
bool wire_ends_here(struct wire *wire);
/* Whether wire_read would have something, as http_wait. */
bool wire_wait(struct wire *wire, int timeout_ms);
/* Bytes of the body, as http_read. */
int64_t wire_read(struct wire *wire, void *bytes, size_t size);
/* All bytes; more: others follow at once. 0 or -1. */
int wire_send(struct wire *wire, const void *bytes, size_t length, bool more);
/* Head and body in one packet. */
int wire_send_both(struct wire *wire, const void *head, size_t head_length, const void *body,
                   size_t length);
int wire_send_file(struct wire *wire, int fd, int64_t offset, int64_t length);

/* After the handler: reads what is left of a short body, or lets the client see the answer before
 * the connection closes. */
void wire_settle(struct wire *wire);
/* A client that is still sending would lose our answer to a reset: says that we have ended, and
 * throws away what comes for a moment. */
void wire_linger(struct wire *wire);
void wire_cut(struct wire *wire);

/* Cuts a slot's connection if it trickles. now_ms is monotonic. */
void wire_watch(struct wire_slot *slot, int64_t now_ms);

#endif
