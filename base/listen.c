#include "base/listen.h"
#include "base/fs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 1024

/* Decimal 0 to 65535, no sign and no blanks. -1 if it is none. */
static int parse_port(const char *text)
{
    int port = 0;

    if (*text == '\0' || strlen(text) > 5)
        return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        port = port * 10 + (*text - '0');
    }
    return port <= 65535 ? port : -1;
}

int listen_parse(const char *text, union listen_address *address)
{
    const char *colon = strrchr(text, ':');
    char host[LISTEN_TEXT_MAX];
    size_t length;
    int port;

    memset(address, 0, sizeof(*address));
    if (colon == NULL || (port = parse_port(colon + 1)) < 0)
        return -1;
    length = (size_t)(colon - text);
    if (length == 0 || length >= sizeof(host))
        return -1;
    memcpy(host, text, length);
    host[length] = '\0';
    if (host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        address->in6.sin6_family = AF_INET6;
        address->in6.sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host + 1, &address->in6.sin6_addr) == 1 ? 0 : -1;
    }
    address->in.sin_family = AF_INET;
    address->in.sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &address->in.sin_addr) == 1 ? 0 : -1;
}

void listen_host_text(const union listen_address *address, char *out)
{
    const struct in6_addr *v6 = &address->in6.sin6_addr;

    snprintf(out, LISTEN_TEXT_MAX, "?");
    if (address->any.sa_family == AF_INET)
        inet_ntop(AF_INET, &address->in.sin_addr, out, LISTEN_TEXT_MAX);
    else if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(v6))
        inet_ntop(AF_INET, v6->s6_addr + 12, out, LISTEN_TEXT_MAX);
    else if (address->any.sa_family == AF_INET6)
        inet_ntop(AF_INET6, v6, out, LISTEN_TEXT_MAX);
}

void listen_text(const union listen_address *address, char *out)
{
    char host[LISTEN_TEXT_MAX];

    listen_host_text(address, host);
    if (strchr(host, ':') != NULL)
        snprintf(out, LISTEN_TEXT_MAX, "[%.45s]:%d", host, listen_port(address));
    else
        snprintf(out, LISTEN_TEXT_MAX, "%.45s:%d", host, listen_port(address));
}

int listen_port(const union listen_address *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohs(address->in.sin_port);
    if (address->any.sa_family == AF_INET6)
        return ntohs(address->in6.sin6_port);
    return 0;
}

int listen_open(const union listen_address *address)
{
    bool v6 = address->any.sa_family == AF_INET6;
    socklen_t length = v6 ? sizeof(address->in6) : sizeof(address->in);
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int yes = 1;

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
        (!v6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) == 0) &&
        bind(fd, &address->any, length) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    fs_close(fd);
    return -1;
}

int listen_bound(int fd, union listen_address *address)
{
    socklen_t length = sizeof(*address);

    memset(address, 0, sizeof(*address));
    return getsockname(fd, &address->any, &length);
}
