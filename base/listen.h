/*
 * listen: addresses in the configuration, and sockets that listen on them.
 */
#ifndef BASE_LISTEN_H
#define BASE_LISTEN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#define LISTEN_MAX      8  /* addresses one service may listen on */
#define LISTEN_TEXT_MAX 64 /* bytes of an address as text, with its NUL */

union listen_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_storage storage;
};

/* `0.0.0.0:22`, `[::]:22`: 0, or -1 if it is neither. Port 0 asks for any free port. */
int listen_parse(const char *text, union listen_address *address);

/* ADDRESS:PORT, IPv6 in brackets, IPv4-mapped IPv6 as IPv4; out has LISTEN_TEXT_MAX bytes. */
void listen_text(const union listen_address *address, char *out);
/* The same without the port or brackets. */
void listen_host_text(const union listen_address *address, char *out);

/* Host byte order; 0 if it is neither IPv4 nor IPv6. */
int listen_port(const union listen_address *address);

/*
 * A non-blocking, close-on-exec TCP socket that listens there, with SO_REUSEADDR, and IPV6_V6ONLY
 * for IPv6. The descriptor, or -1 with errno (EADDRINUSE, EACCES); nothing is logged.
 */
int listen_open(const union listen_address *address);

/* The address that a listening socket is bound to. 0, or -1. */
int listen_bound(int fd, union listen_address *address);

#endif
