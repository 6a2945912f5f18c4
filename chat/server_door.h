/*
 * server_door: the listening sockets of the chat, and who may come in.
 *
 * Belongs to the server's loop and its thread. A connection beyond the limits of its address gets a
 * line that says so (RFC 4253, 4.2, allows lines before the version). When the process is short of
 * descriptors or memory the door is shut until the next tick: a waiting connection keeps its socket
 * readable, and the loop would turn without a pause.
 */
#ifndef CHAT_SERVER_DOOR_H
#define CHAT_SERVER_DOOR_H

#include "chat/server.h"

/* Adds the listening sockets to the server's epoll, where mark tells them from the rest. 0, -1. */
int door_open(struct server *server, void *mark);

/* Takes some of those who wait. */
void door_answer(struct server *server);

/* Nobody more is taken: whoever comes waits for the next riad-chat. */
void door_close(struct server *server);

/* Once a second: a door that was shut is tried again. */
void door_tick(struct server *server);

/* Refuses connections from that address for a minute. */
void door_refuse(struct server *server, const char *address);

#endif
