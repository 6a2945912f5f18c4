/*
 * disk_calls: the calls that write, sync and rename, as a test's own, for the drop and for SQLite
 * alike (a program's definition comes before the C library's). While `armed` they are counted and
 * can fail, or end the process, at any one; what was synced is told to picture(), which the test
 * defines. For one source of a program only.
 */
#ifndef TESTS_UNIT_DISK_CALLS_H
#define TESTS_UNIT_DISK_CALLS_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool armed; /* calls are counted, fail and are pictured */
static int calls, fail_at, fail_errno, cut_at;
static void picture(int fd); /* of what was just synced: the program's own */

static bool fails(void)
{
    if (!armed)
        return false;
    calls++;
    if (calls == cut_at)
        _exit(42);
    if (calls != fail_at)
        return false;
    errno = fail_errno;
    return true;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    if (fd == STDERR_FILENO && armed && fail_at > 0) /* the log of what is wanted to fail */
        return (ssize_t)length;
    return fails() ? -1 : syscall(SYS_write, fd, bytes, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return fails() ? -1 : syscall(SYS_pwrite64, fd, bytes, length, offset);
}

/* Files are built with 64-bit offsets, whose calls have names of their own; libraries may use the
 * plain ones. */
ssize_t plain_pwrite(int fd, const void *bytes, size_t length, long offset) __asm__("pwrite");
int plain_ftruncate(int fd, long length) __asm__("ftruncate");

ssize_t plain_pwrite(int fd, const void *bytes, size_t length, long offset)
{
    return pwrite(fd, bytes, length, offset);
}

static ino_t wanted_synced[3]; /* become 0 when they are */

static int synced(int fd, long result)
{
    struct stat there;

    for (size_t i = 0; i < 3 && result == 0 && fstat(fd, &there) == 0; i++)
        if (wanted_synced[i] == there.st_ino)
            wanted_synced[i] = 0;
    if (armed && result == 0)
        picture(fd);
    return (int)result;
}

int fsync(int fd)
{
    return fails() ? -1 : synced(fd, syscall(SYS_fsync, fd));
}

int fdatasync(int fd)
{
    return fails() ? -1 : synced(fd, syscall(SYS_fdatasync, fd));
}

int ftruncate(int fd, off_t length)
{
    return fails() ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

int plain_ftruncate(int fd, long length)
{
    return ftruncate(fd, length);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    return fails() ? -1 : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return renameat2(from_fd, from, to_fd, to, 0);
}

int mkdirat(int fd, const char *path, mode_t mode)
{
    return fails() ? -1 : (int)syscall(SYS_mkdirat, fd, path, mode);
}

#endif
