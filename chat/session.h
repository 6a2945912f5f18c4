/*
 * session: one SSH connection, from accept to the last byte.
 *
 * libssh speaks through callbacks, and the rule is that a callback only notes down: writing or
 * releasing anything within one would re-enter libssh. Whatever was noted is carried out by
 * session_pump, at the top level of the loop. Output goes out only there, in pieces, never more
 * than the client's window takes and only while nothing is pending; while something is, the session
 * waits for the connection to take it and reads nothing (libraries: a peer that asks and never
 * reads would grow the queue without bound).
 *
 *     key exchange -> who are you (login.h) -> channels: shell, command or sftp -> client.h
 *                  -> exit status, EOF, close -> the client hangs up, or opens another channel
 *
 * A connection carries several channels (ssh's ControlMaster, paramiko's exec_command again and
 * again); each is one client of the chat. A file transfer has a thread of its own
 * (session_carrier.h); while its channel is the only one, the whole session leaves the loop with it
 * and is `away`: then nothing here touches the session or its list of channels, and callbacks of
 * libssh run on that thread. A second channel brings it back.
 */
#ifndef CHAT_SESSION_H
#define CHAT_SESSION_H

#include "chat/client.h"
#include "chat/login.h"

#include <libssh/callbacks.h>
#include <libssh/server.h>

struct server;
struct carrier;
struct carrier_news;

#define SESSION_FOREIGN 4  /* foreign keys of one connection that are remembered */
#define SESSION_LANES   10 /* of one connection at once */

struct lane {
    struct lane *next;
    struct session *session;
    ssh_channel ssh;
    struct ssh_channel_callbacks_struct callbacks;
    int64_t born; /* monotonic */
    /* noted by callbacks */
    bool wants_terminal, wants_shell, wants_sftp, resized;
    char term[32];
    int columns, rows;
    char *wants_command;
    bool held;      /* bytes for which there was no room lie in the stock, or perhaps with libssh */
    uint8_t *stock; /* taken from libssh, not yet the client's; NULL none */
    size_t stocked, used;
    bool stocking; /* it is being filled: what comes meanwhile stays with libssh */
    bool ended;    /* the client's end of input has come */
    bool closed;   /* the client has closed it */
    bool spoilt;   /* it ignored its window, or the connection broke */
    struct client *client;
    struct carrier *carrier;
    uint32_t pipe_events; /* what is waited for at the carrier's pipe */
    bool pipe_ended;      /* the carrier was told that nothing more comes */
    bool carried;         /* its transfer is over */
    bool closing;         /* exit status is sent */
    int64_t closed_at;
};

struct session {
    struct session *next, **link;
    struct session *dirty_next; /* in the server's list of those to be pumped */
    bool dirty;
    struct server *server;
    ssh_session ssh;
    ssh_event event;
    struct lane *lanes;
    unsigned lane_count;
    struct lane *away;   /* the one with which the session has left the loop */
    bool crowded;        /* another channel was opened while it was away */
    int fd;              /* as registered; libssh closes it */
    bool waits_to_write; /* registered for EPOLLOUT only */
    int64_t born;        /* monotonic; without a channel: since when */
    char address[64], local[64];
    struct ssh_server_callbacks_struct server_callbacks;
    /* signing in */
    char user[64];
    bool greeted, hopeless, explained, code_key, asked_code;
    unsigned failures;
    struct ssh_counter_struct counter; /* of packets and bytes */
    bool signing_in;                   /* what comes is a request for that */
    uint8_t key[DIGEST_SHA256_SIZE];
    char label[128];
    uint8_t coded[DIGEST_SHA256_SIZE]; /* the key that a code was asked for */
    char coded_label[128];
    uint8_t foreign[SESSION_FOREIGN][DIGEST_SHA256_SIZE];
    unsigned foreign_count;
    bool authenticated, refuse_address;
    /* signed in */
    struct client_facts facts;
    struct client *first; /* made at once, so that the name is claimed; the first channel's */
    uint64_t heard;       /* counter.in_packets at heard_at (monotonic) */
    int64_t heard_at;
    int64_t answer_by; /* monotonic: it was asked whether it is still there; 0: it was not */
    bool asked;        /* ever: libssh keeps that answer */
    bool dead;         /* to be reaped */
};

/* Takes an accepted connection; begins the key exchange. NULL: it could not. fd is taken. */
struct session *session_new(struct server *server, int fd, const char *address, const char *local);

/* The descriptor, or a carrier's pipe, is ready. */
void session_ready(struct session *session);

/* Carries out what was noted, sends what can be sent. */
void session_pump(struct session *session);

/* Whether a pump could do something for it. */
bool session_waits(const struct session *session);

/* Limits on time; once a second. */
void session_tick(struct session *session, int64_t now);

/*
 * Asks a connection from which nothing has come whether it is still there; what does not answer in
 * time is ended. session_tick asks whoever is silent; session_ask_others those of one who has just
 * signed in again, so that the connection that a closed lid has left behind is replaced.
 */
void session_ask(struct session *session, int64_t now, int64_t patience_ms);
void session_ask_others(struct session *session);

void session_free(struct session *session);

/* Leaves the loop with its only channel, and comes back. */
void session_go_away(struct session *session, struct lane *lane);
void session_come_back(struct session *session);

/* Nothing is pending: libssh may be given more to send. */
bool session_can_write(const struct session *session);

/* ---- session_auth.c ---- */
void session_auth_init(struct session *session);
/* libssh has stepped; before that the counter stood so. */
void session_auth_stepped(struct session *session, const struct ssh_counter_struct *before);

/* ---- session_lane.c ---- */

/* A client asks for a channel: the answer for libssh's message callback, which this runs in. */
int lane_open(struct session *session, ssh_message message);
void lane_pump(struct lane *lane);
bool lane_waits(const struct lane *lane);
/* Nothing more will come of it: to be freed. */
bool lane_is_over(const struct lane *lane);
void lane_tick(struct lane *lane, int64_t now);
void lane_free(struct lane *lane);

/* ---- session_carry.c ---- */

/* Whether it is a transfer, carried already or about to be. */
bool lane_carries(struct lane *lane);
/* Passes on what goes between the client and a carrier that is piped. */
void lane_pump_pipe(struct lane *lane);
/* After sending: waits for what the pipe can do next. */
void lane_watch_pipe(struct lane *lane);
/* Into the client's buffer, what libssh has kept because there was no room for it. Whether there
 * was any. */
bool lane_take_held(struct lane *lane);
/* News of its carrier. */
void lane_carrier(struct lane *lane, struct carrier_news *news);

#endif
