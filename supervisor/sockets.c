#include "supervisor/sockets.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "supervisor/who.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_own(const char *holder)
{
    const char *pid = strrchr(holder, ' ');

    return pid != NULL && atoi(pid) == getpid();
}

char *sockets_reason(const union listen_address *address, int error)
{
    char text[LISTEN_TEXT_MAX], *holder, *reason;

    listen_text(address, text);
    switch (error) {
    case EADDRINUSE:
        holder = who_listens(WHO_TCP, address);
        if (holder && is_own(holder))
            reason = mem_printf("%s is named twice in this configuration", text);
        else
            reason = mem_printf("%s is taken (%s)", text, holder ? holder : "another program");
        free(holder);
        return reason;
    case EACCES:
    case EPERM:
        return mem_printf("%s needs root (ports below 1024 do)", text);
    case EADDRNOTAVAIL:
        return mem_printf("%s is no address of this machine", text);
    default:
        return mem_printf("%s: %s", text, strerror(error));
    }
}

static int open_one(struct sockets *sockets, const char *listen, char **reason)
{
    union listen_address address;
    char text[LISTEN_TEXT_MAX];
    int fd;

    if (listen_parse(listen, &address) < 0)
        return -1;
    fd = listen_open(&address);
    if (fd < 0) {
        *reason = sockets_reason(&address, errno);
        return -1;
    }
    if (listen_bound(fd, &address) < 0) {
        fs_close(fd);
        return -1;
    }
    listen_text(&address, text);
    sockets->bound.item[sockets->count] = mem_dup(text);
    sockets->fd[sockets->count++] = fd;
    sockets->bound.count = sockets->count;
    return 0;
}

int sockets_open(struct sockets *sockets, const struct config_list *listens, const char *service,
                 char **trouble)
{
    struct buf reasons;
    int result = 0;

    *trouble = NULL;
    if (sockets->count > 0)
        return 0;
    buf_init(&reasons, 2048);
    for (size_t i = 0; i < listens->count && sockets->count < LISTEN_MAX; i++) {
        char *reason = NULL;
        if (open_one(sockets, listens->item[i], &reason) < 0 && reason)
            buf_printf(&reasons, "%s%s", reasons.len ? "; " : "", reason);
        free(reason);
    }
    if (sockets->count == 0) {
        buf_printf(&reasons, "; free it or choose another address in [%s] listen", service);
        *trouble = buf_take(&reasons);
        result = -1;
    } else if (reasons.len > 0) {
        log_warn("%s listens on fewer addresses: %s", service, buf_text(&reasons));
    }
    buf_done(&reasons);
    return result;
}

void sockets_close(struct sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++) {
        fs_close(sockets->fd[i]);
        free(sockets->bound.item[i]);
    }
    *sockets = (struct sockets){0};
}
