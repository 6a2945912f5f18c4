/*
 * server: the loop of riad-chat.
 *
 * One thread around one epoll serves every connection; nothing in it waits. A turn: sessions that
 * are ready step, the worker's news and answers are taken, whatever changed is pumped, the dead are
 * reaped, and only then are new connections accepted (a descriptor's number may be used again).
 */
#ifndef CHAT_SERVER_H
#define CHAT_SERVER_H

#include "base/service.h"
#include "chat/hall.h"
#include "chat/session.h"
#include "chat/session_carrier.h"

#define SERVER_REFUSED 64 /* addresses that are refused for a while */

struct server {
    struct service *service;
    struct config *config;
    const char *store_path;
    int bells[SERVICE_OTHERS];
    ssh_bind bind;
    bool guarded; /* libssh's messages are laid out as session_guard.c knows */
    int epoll;
    struct session *sessions, *dirty;
    size_t session_count, unauthenticated;
    struct login *login;
    struct worker *worker;
    struct hall hall;
    struct carriers *carriers;
    struct drop_keeper *keeper; /* in turn with riad-web's */
    struct {
        char address[64];
        int64_t until;
    } refused[SERVER_REFUSED];
    size_t next_refused;
    struct {
        void *mark; /* of the listening sockets among the epoll's */
        bool shut;
    } door;
    struct {
        struct config *config;
    } * old; /* those that were replaced by a reload; others may still read them */
    size_t old_count;
    bool any_dead; /* some session is to be reaped */
    bool stopping;
};

/* Everything opened; 0 or -1, logged. */
int server_open(struct server *server, struct service *service, struct config *config);

/* Serves until the service is to stop. */
void server_run(struct server *server);

void server_close(struct server *server);

/* Marks a session for the next pump. */
void server_touch(struct server *server, struct session *session);

#endif
