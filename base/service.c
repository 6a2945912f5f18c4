#include "base/service.h"
#include "base/doorbell.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BEAT_TICKS 3 /* the keeper waits for 15 s */

/* What the keeper opened for us; see the header. */
enum { FD_CONFIG = 3, FD_KEEPER, FD_DOORBELL, FD_OTHERS, FD_NAMED = FD_OTHERS + SERVICE_OTHERS };

static const char *const names[SERVICE_COUNT] = {
    [SERVICE_CHAT] = "chat",
    [SERVICE_WEB] = "web",
    [SERVICE_MIRROR] = "mirror",
    [SERVICE_DHCP] = "dhcp",
};

const char *service_name(enum service_id id)
{
    return names[id];
}

static void init(struct service *service, enum service_id id)
{
    *service = (struct service){.id = id,
                                .config_fd = -1,
                                .keeper_fd = -1,
                                .doorbell = -1,
                                .wait_fd = -1,
                                .signal_fd = -1,
                                .timer_fd = -1,
                                .tick_beats = true};
    for (int i = 0; i < SERVICE_OTHERS; i++)
        service->others[i] = -1;
}

static int keep_from_children(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    return flags < 0 ? -1 : fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

/* Names the descriptors behind the fixed ones by RIAD_FDS. */
static int take_named(struct service *service, const char *list)
{
    char *rest;

    service->fd_list = mem_dup(list == NULL ? "" : list);
    rest = service->fd_list;
    for (char *name; (name = strsep(&rest, ":")) != NULL;) {
        int fd = FD_NAMED + (int)service->fd_count;

        if (*name == '\0')
            continue;
        if (service->fd_count == SERVICE_MAX_FDS || keep_from_children(fd) < 0) {
            log_error("RIAD_FDS names descriptors that are not there");
            return -1;
        }
        service->fds[service->fd_count] = fd;
        service->fd_names[service->fd_count++] = name;
    }
    return 0;
}

static int take_up(struct service *service)
{
    service->kept = true;
    for (int fd = FD_CONFIG; fd < FD_NAMED; fd++) {
        if (keep_from_children(fd) < 0) {
            log_errno("descriptor %d of the keeper is missing", fd);
            return -1;
        }
    }
    service->config_fd = FD_CONFIG;
    service->keeper_fd = FD_KEEPER;
    service->doorbell = FD_DOORBELL;
    for (int i = 0; i < SERVICE_OTHERS; i++)
        service->others[i] = FD_OTHERS + i;
    return take_named(service, getenv("RIAD_FDS"));
}

static int open_signals(struct service *service)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    service->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return service->signal_fd < 0 ? -1 : 0;
}

/* All services tick together, at whole seconds: an idle machine wakes up once for all of them. */
static int open_timer(struct service *service)
{
    struct itimerspec second = {.it_interval.tv_sec = 1};

    second.it_value.tv_sec = (time_t)(when_monotonic_ms() / 1000 + 1);
    service->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (service->timer_fd < 0)
        return -1;
    return timerfd_settime(service->timer_fd, TFD_TIMER_ABSTIME, &second, NULL);
}

static int watch(struct service *service, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return fd == -1 ? 0 : epoll_ctl(service->wait_fd, EPOLL_CTL_ADD, fd, &event);
}

static int open_waiting(struct service *service)
{
    if (service->doorbell == -1 && (service->doorbell = doorbell_open()) < 0)
        return -1;
    if (open_signals(service) < 0 || open_timer(service) < 0 ||
        (service->wait_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        return -1;
    if (watch(service, service->doorbell) < 0 || watch(service, service->signal_fd) < 0 ||
        watch(service, service->timer_fd) < 0)
        return -1;
    return watch(service, service->keeper_fd);
}

int service_begin(struct service *service, enum service_id id)
{
    const char *kept = getenv("RIAD_SERVICE");

    init(service, id);
    log_open(names[id], LOG_LEVEL_INFO);
    if (kept != NULL && strcmp(kept, names[id]) != 0) {
        log_error("RIAD_SERVICE is %s, but this is the program of %s", kept, names[id]);
        return -1;
    }
    if (kept != NULL && take_up(service) < 0) {
        service_end(service);
        return -1;
    }
    if (open_waiting(service) < 0) {
        log_errno("cannot begin");
        service_end(service);
        return -1;
    }
    return 0;
}

int service_fd(const struct service *service)
{
    return service->wait_fd;
}

/* Sends a packet to the keeper. A full queue loses it: another beat comes. */
static void tell(struct service *service, const void *packet, size_t length)
{
    if (service->keeper_fd != -1 &&
        send(service->keeper_fd, packet, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_debug("the keeper does not listen: %s", strerror(errno));
}

static void take_config(struct service *service, int fd)
{
    fs_close(service->config_fd);
    service->config_fd = fd;
}

/* The descriptor that a packet carried, or -1. */
static int carried(struct msghdr *message)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    int fd = -1;

    if (control != NULL && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS &&
        control->cmsg_len == CMSG_LEN(sizeof(fd)))
        memcpy(&fd, CMSG_DATA(control), sizeof(fd));
    return fd;
}

static int hear_keeper(struct service *service)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char packet[64];
    struct iovec part = {packet, sizeof(packet)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(service->keeper_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int fd;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0) {
        log_warn("the keeper is gone: ending");
        fs_close(service->keeper_fd);
        service->keeper_fd = -1;
        return SERVICE_STOP;
    }
    fd = carried(&message);
    if (packet[0] != 'C' || fd == -1) {
        fs_close(fd);
        return 0;
    }
    take_config(service, fd);
    return SERVICE_RELOAD;
}

static int hear_signal(struct service *service)
{
    struct signalfd_siginfo info;

    if (read(service->signal_fd, &info, sizeof(info)) != sizeof(info))
        return 0;
    if (info.ssi_signo != SIGHUP)
        return SERVICE_STOP;
    /* Under a keeper, the keeper reads the file and hands over what is sound. */
    return service->kept ? 0 : SERVICE_RELOAD;
}

static int hear_tick(struct service *service)
{
    uint64_t ticks;

    if (read(service->timer_fd, &ticks, sizeof(ticks)) != sizeof(ticks))
        return 0;
    if (service->tick_beats && service->ticks++ % BEAT_TICKS == 0)
        service_beat(service);
    return SERVICE_TICK;
}

int service_wait(struct service *service, int timeout_ms)
{
    struct epoll_event events[4];
    int count = epoll_wait(service->wait_fd, events, 4, timeout_ms), happened = 0;

    for (int i = 0; i < count; i++) {
        int fd = events[i].data.fd;

        if (fd == service->doorbell && doorbell_heard(fd))
            happened |= SERVICE_RANG;
        else if (fd == service->timer_fd)
            happened |= hear_tick(service);
        else if (fd == service->signal_fd)
            happened |= hear_signal(service);
        else if (fd == service->keeper_fd)
            happened |= hear_keeper(service);
    }
    return happened;
}

void service_ready(struct service *service)
{
    tell(service, "R", 1);
}

void service_beat(struct service *service)
{
    tell(service, "B", 1);
}

void service_tick_beats(struct service *service, bool yes)
{
    service->tick_beats = yes;
}

void service_say(struct service *service, bool up, const char *format, ...)
{
    char packet[SERVICE_SAY_MAX] = {up ? 'U' : 'D'};
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(packet + 1, sizeof(packet) - 1, format, arguments);
    va_end(arguments);
    if (strcmp(packet, service->said) == 0)
        return;
    if (!up)
        log_warn("%s", packet + 1);
    else if (service->said[0] == 'D')
        log_info("%s", packet + 1);
    memcpy(service->said, packet, sizeof(packet));
    tell(service, packet, strlen(packet));
}

size_t service_fds_named(const struct service *service, const char *name, int *fds, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < service->fd_count; i++) {
        if (strcmp(service->fd_names[i], name) != 0)
            continue;
        if (count < max)
            fds[count] = service->fds[i];
        count++;
    }
    return count;
}

void service_add_fd(struct service *service, const char *name, int fd)
{
    if (service->fd_count == SERVICE_MAX_FDS) {
        log_error("too many descriptors: %s", name);
        abort();
    }
    service->fds[service->fd_count] = fd;
    service->fd_names[service->fd_count++] = name;
}

void service_end(struct service *service)
{
    const int own[] = {service->config_fd, service->keeper_fd, service->doorbell,
                       service->wait_fd,   service->signal_fd, service->timer_fd};

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        fs_close(own[i]);
    for (size_t i = 0; i < SERVICE_OTHERS; i++)
        fs_close(service->others[i]);
    for (size_t i = 0; i < service->fd_count; i++)
        fs_close(service->fds[i]);
    free(service->fd_list);
    init(service, service->id);
}
