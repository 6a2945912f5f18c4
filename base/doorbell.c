#include "base/doorbell.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int doorbell_open(void)
{
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

void doorbell_ring(int fd)
{
    int saved = errno;

    /* A full counter (EAGAIN) is a bell that is ringing already. */
    if (fd != -1 && eventfd_write(fd, 1) < 0)
        errno = saved;
}

bool doorbell_heard(int fd)
{
    eventfd_t rings;

    return fd != -1 && eventfd_read(fd, &rings) == 0;
}
