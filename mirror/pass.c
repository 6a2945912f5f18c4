/*
 * pass: one packet, one note, one descriptor.
 */
#include "mirror/pass.h"
#include "base/fs.h"

#include <string.h>
#include <sys/socket.h>

/* Room for one descriptor beside a packet, aligned as the kernel wants it. */
union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int pass_send(int channel, const struct pass_note *note, int fd)
{
    struct iovec part = {(void *)(uintptr_t)note, sizeof *note};
    union control control = {0};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    return sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof *note ? 0 : -1;
}

/* The descriptor that came with a packet, -1 none. */
static int fd_of(struct msghdr *message)
{
    const struct cmsghdr *head = CMSG_FIRSTHDR(message);
    int fd = -1;

    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

int pass_receive(int channel, struct pass_note *note)
{
    for (;;) {
        struct iovec part = {note, sizeof *note};
        union control control = {0};
        /* No room for a second descriptor, which nobody would close. */
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = CMSG_LEN(sizeof(int))};
        ssize_t got = recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        int fd = got > 0 ? fd_of(&message) : -1;

        if (got <= 0)
            return -1;
        if (got == sizeof *note && fd >= 0 && memchr(note->name, '\0', sizeof note->name))
            return fd;
        fs_close(fd);
    }
}
