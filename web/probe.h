/*
 * probe: whether this web server still serves, asked the way a guest does.
 *
 * Its one socket is made before the sandbox closes, since socket(2) is refused behind it, and is
 * used again and again: connect(2) to AF_UNSPEC dissolves what it was connected to. Where the
 * server can be asked on the loopback interface, the socket is bound to that, so that it is no way
 * out for somebody who has taken the process over.
 */
#ifndef WEB_PROBE_H
#define WEB_PROBE_H

#include <stdbool.h>

/* Makes the socket with which to ask the server behind that listening socket. It stays open to the
 * end of the process. -1 with errno. */
int probe_open(int listen_fd);

/* Asks over the socket fd for /healthz and waits at most timeout_ms for its 200. */
bool probe_serves(int fd, int listen_fd, int timeout_ms);

#endif
