/*
 * session_guard: two faults of libssh 0.10 that have to be mended from outside.
 *
 * A client that opens a channel announcing a maximum packet of exactly 10 bytes makes the first
 * ssh_channel_write of libssh 0.10 loop for ever (of less than 10: send packets without bound). The
 * packet size is not among what libssh's interface tells, so it is read from where libssh 0.10
 * and 0.11 keep it; guard_check finds out at the start, with a connection to itself, whether it is
 * there.
 *
 * A request to authenticate whose key it cannot read it drops, without an answer and without a
 * message that one could answer. guard_refuse answers as if there had been one.
 */
#ifndef CHAT_SESSION_GUARD_H
#define CHAT_SESSION_GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct ssh_message_struct;
struct ssh_bind_struct;
struct ssh_session_struct;

#define GUARD_LEAST_PACKET 256

/* Whether the layout is one that guard_packet_size knows. Takes some milliseconds. */
bool guard_check(struct ssh_bind_struct *bind);

/* The maximum packet of a request to open a channel. */
uint32_t guard_packet_size(const struct ssh_message_struct *message);

/* Answers such a request: no (SSH_MSG_USERAUTH_FAILURE, RFC 4252, 5.1). 0 or -1. */
int guard_refuse(struct ssh_session_struct *session);

#endif
