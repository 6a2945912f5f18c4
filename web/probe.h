/*
 * probe: whether this web server still serves, asked the way a guest does.
 */
#ifndef WEB_PROBE_H
#define WEB_PROBE_H

#include <stdbool.h>

/* Asks the server behind that listening socket for /healthz and waits at most timeout_ms for its
 * 200. */
bool probe_serves(int listen_fd, int timeout_ms);

#endif
