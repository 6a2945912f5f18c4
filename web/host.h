/*
 * host: under which names and addresses the box may be asked.
 *
 * A page elsewhere can have its own name lead to this box (DNS rebinding) and would then read what
 * it likes with its visitor's browser. So a Host that is none of ours is sent to the box's address.
 * Ours are NAME, NAME.DOMAIN, NAME.local, chat., files. and opam.DOMAIN, `localhost`, the addresses
 * of the interfaces, and `[web] hosts`. The port is not looked at: it may be forwarded.
 */
#ifndef WEB_HOST_H
#define WEB_HOST_H

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

#define HOST_MAX       256
#define HOST_ADDRESSES 32

/* The addresses of this machine, as text; looked up again at most every few seconds. Threads may
 * call at once. fd is any open socket. */
void host_watch(int fd);

/* Pure: the name without port, lower case, without a last dot. 0, or -1 if it is no host. */
int host_name(const char *header, char out[HOST_MAX]);

/* Whether a Host header (its name, see above) is ours. "" is: HTTP/1.0 sends none. */
bool host_is_ours(const struct config *config, const char *header);

/* Pure: whether it is a name by which phones and laptops ask whether they are online: those that
 * dhcp/generate.h leads here with `[dhcp] portal = on`. */
bool host_is_probe(const char *header);

/* The address of ours that a client there reaches: the one in its network, else the first that is
 * not loopback, else loopback. */
void host_for(const struct config *config, const char *client, char out[HOST_MAX]);

#endif
