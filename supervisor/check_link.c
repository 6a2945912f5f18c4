#include "supervisor/check_link.h"

#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 5 /* seconds for name and connection together */

int check_link_parse(const char *url, char *host, size_t host_size, char *port, size_t port_size)
{
    const char *from = strstr(url, "://"), *end, *colon;
    const char *usual = strncmp(url, "https:", 6) == 0 ? "443" : "80";

    if (!from || strncmp(url, "http", 4) != 0)
        return -1;
    from += 3;
    end = from + strcspn(from, "/?#");
    if (memchr(from, '@', (size_t)(end - from)))
        from = (const char *)memchr(from, '@', (size_t)(end - from)) + 1;
    if (*from == '[') {
        const char *bracket = memchr(from, ']', (size_t)(end - from));
        if (!bracket)
            return -1;
        colon = bracket + 1;
        from++;
        if (snprintf(host, host_size, "%.*s", (int)(bracket - from), from) >= (int)host_size)
            return -1;
    } else {
        colon = memchr(from, ':', (size_t)(end - from));
        colon = colon ? colon : end;
        if (colon == from ||
            snprintf(host, host_size, "%.*s", (int)(colon - from), from) >= (int)host_size)
            return -1;
    }
    if (colon + 1 >= end || *colon != ':') {
        snprintf(port, port_size, "%s", usual);
        return *host ? 0 : -1;
    }
    size_t digits = strspn(colon + 1, "0123456789");
    if (!*host || colon + 1 + digits != end || digits >= port_size)
        return -1;
    snprintf(port, port_size, "%.*s", (int)digits, colon + 1);
    return 0;
}

/* In a child of its own, since a resolver may take its time: 0, or what went wrong as text. */
static void try_to_connect(const char *host, const char *port, char *reason, size_t size)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int error = getaddrinfo(host, port, &hints, &found);

    if (error != 0) {
        snprintf(reason, size, "%s: %s", host, gai_strerror(error));
        return;
    }
    for (const struct addrinfo *one = found; one; one = one->ai_next) {
        int fd = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool there = fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen) == 0;
        if (!there)
            snprintf(reason, size, "%s port %s: %s", host, port, strerror(errno));
        fs_close(fd);
        if (there) {
            *reason = '\0';
            break;
        }
    }
    freeaddrinfo(found);
}

char *check_link(const char *url)
{
    char host[256], port[8], reason[512] = "";
    int pipe_fds[2], status;
    ssize_t length;
    pid_t pid;

    if (check_link_parse(url, host, sizeof host, port, sizeof port) < 0)
        return mem_printf("%s is no URL of http or https", url);
    if (pipe(pipe_fds) < 0)
        return mem_printf("%s: %s", host, strerror(errno));
    pid = fork();
    if (pid == 0) {
        alarm(PATIENCE);
        try_to_connect(host, port, reason, sizeof reason);
        _exit(write(pipe_fds[1], reason, strlen(reason)) < 0 ? 1 : 0);
    }
    fs_close(pipe_fds[1]);
    length = pid < 0 ? -1 : read(pipe_fds[0], reason, sizeof reason - 1);
    fs_close(pipe_fds[0]);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return mem_printf("%s: %s", host, strerror(errno));
    if (WIFSIGNALED(status))
        return mem_printf("%s port %s does not answer within %d s", host, port, PATIENCE);
    if (length <= 0)
        return NULL;
    reason[length] = '\0';
    return mem_dup(reason);
}
