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
 *     key exchange -> who are you (login.h) -> one channel: shell, command or sftp -> client.h
 *                  -> exit status, EOF, close -> the client hangs up, or 2 s pass
 *
 * A file transfer leaves the loop for a thread of its own (session_carrier.h).
 */
#ifndef CHAT_SESSION_H
#define CHAT_SESSION_H

#include "chat/client.h"
#include "chat/login.h"

#include <libssh/callbacks.h>
#include <libssh/server.h>

struct server;
struct carrier;

#define SESSION_FOREIGN 4 /* foreign keys of one connection that are remembered */

struct session {
    struct session *next, **link;
    struct session *dirty_next; /* in the server's list of those to be pumped */
    bool dirty;
    struct server *server;
    ssh_session ssh;
    ssh_event event;
    ssh_channel channel;
    int fd;              /* as registered; libssh closes it */
    bool waits_to_write; /* registered for EPOLLOUT only */
    int64_t born;        /* monotonic */
    char address[64], local[64];
    struct ssh_server_callbacks_struct server_callbacks;
    struct ssh_channel_callbacks_struct channel_callbacks;
    /* signing in */
    char user[64];
    bool greeted, hopeless, explained, code_key, asked_code, told_without;
    unsigned failures;
    uint8_t key[DIGEST_SHA256_SIZE];
    char label[128];
    uint8_t coded[DIGEST_SHA256_SIZE]; /* the key that a code was asked for */
    char coded_label[128];
    uint8_t foreign[SESSION_FOREIGN][DIGEST_SHA256_SIZE];
    unsigned foreign_count;
    /* noted by callbacks */
    bool authenticated, wants_terminal, wants_shell, wants_sftp, resized, refuse_address;
    char term[32];
    int columns, rows;
    char *wants_command;
    bool held;  /* libssh keeps bytes for which there was no room */
    bool ended; /* the client's end of input has come */
    struct client *client;
    struct carrier *carrier; /* out of the loop */
    bool dead;               /* to be reaped */
    bool closing;            /* exit status is sent */
    int64_t closed_at;
};

/* Takes an accepted connection; begins the key exchange. NULL: it could not. fd is taken. */
struct session *session_new(struct server *server, int fd, const char *address, const char *local);

/* The descriptor is ready. */
void session_ready(struct session *session);

/* Carries out what was noted, sends what can be sent. */
void session_pump(struct session *session);

/* Limits on time; once a second. */
void session_tick(struct session *session, int64_t now);

void session_free(struct session *session);

/* ---- session_auth.c ---- */
void session_auth_init(struct session *session);

#endif
