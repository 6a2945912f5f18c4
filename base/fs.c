#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int fs_write_all(int fd, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;

    while (length > 0) {
        ssize_t wrote = write(fd, at, length);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -1;
        at += wrote;
        length -= (size_t)wrote;
    }
    return 0;
}

int fs_read_all(int fd, struct buf *out)
{
    uint8_t block[16384];
    ssize_t got;

    while ((got = read(fd, block, sizeof(block))) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (buf_put(out, block, (size_t)got) < 0) {
            errno = EFBIG;
            return -1;
        }
    }
    return 0;
}

int fs_read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int result;

    if (fd < 0)
        return -1;
    result = fs_read_all(fd, out);
    fs_close(fd);
    return result;
}

static int write_aside(const char *aside, const void *bytes, size_t length, mode_t mode)
{
    int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    int result = -1;

    if (fd < 0)
        return -1;
    if (fchmod(fd, mode) == 0 && fs_write_all(fd, bytes, length) == 0 && fsync(fd) == 0)
        result = 0;
    fs_close(fd);
    return result;
}

char *fs_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return mem_dup(".");
    if (slash == path)
        return mem_dup("/");
    return mem_dup_bytes(path, (size_t)(slash - path));
}

int fs_replace_file(const char *path, const void *bytes, size_t length, mode_t mode)
{
    char random[17];
    char *folder = fs_folder_of(path), *aside = NULL;
    uint8_t number[8];
    int result = -1;

    fs_random(number, sizeof(number));
    fs_hex(number, sizeof(number), random);
    aside = mem_printf("%s.%s", path, random);
    if (write_aside(aside, bytes, length, mode) < 0 || rename(aside, path) < 0) {
        log_errno("cannot write %s", path);
        unlink(aside);
        goto out;
    }
    if (fs_sync_folder(folder) < 0) {
        log_errno("cannot sync %s", folder);
        goto out;
    }
    result = 0;
out:
    free(aside);
    free(folder);
    return result;
}

int fs_make_folders(const char *path, mode_t mode)
{
    struct stat st;
    char *copy = mem_dup(path);
    int result = 0;

    for (char *at = copy + (copy[0] == '/'); result == 0 && *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST && stat(copy, &st) < 0)
            result = -1;
        *at = '/';
    }
    if (result == 0 && mkdir(copy, mode) < 0) {
        bool there = errno == EEXIST && stat(copy, &st) == 0 && S_ISDIR(st.st_mode);

        if (errno == EEXIST && !there)
            errno = ENOTDIR;
        result = there ? 0 : -1;
    }
    free(copy);
    return result;
}

int fs_sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result;

    if (fd < 0)
        return -1;
    result = fsync(fd);
    fs_close(fd);
    return result;
}

int fs_space(const char *path, int64_t *available, int64_t *total)
{
    struct statvfs fs;

    if (statvfs(path, &fs) < 0)
        return -1;
    if (available != NULL)
        *available = (int64_t)(fs.f_bavail * fs.f_frsize);
    if (total != NULL)
        *total = (int64_t)(fs.f_blocks * fs.f_frsize);
    return 0;
}

int64_t fs_size(int fd)
{
    struct stat info;

    return fd >= 0 && fstat(fd, &info) == 0 ? (int64_t)info.st_size : 0;
}

bool fs_is_same(int one, int other)
{
    struct stat a, b;

    return one >= 0 && other >= 0 && fstat(one, &a) == 0 && fstat(other, &b) == 0 &&
           a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

void fs_close(int fd)
{
    int saved = errno;

    if (fd != -1)
        close(fd);
    errno = saved;
}

void fs_random(void *bytes, size_t length)
{
    uint8_t *at = bytes;

    while (length > 0) {
        ssize_t got = getrandom(at, length, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            log_errno("the kernel gives no random bytes");
            abort();
        }
        at += got;
        length -= (size_t)got;
    }
}

void fs_hex(const void *bytes, size_t length, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = bytes;

    for (size_t i = 0; i < length; i++) {
        out[2 * i] = digits[at[i] >> 4];
        out[2 * i + 1] = digits[at[i] & 15];
    }
    out[2 * length] = '\0';
}

static int nibble(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

int fs_unhex(const char *text, void *bytes, size_t length)
{
    uint8_t *out = bytes;

    for (size_t i = 0; i < length; i++) {
        int high = nibble(text[2 * i]);
        int low = high < 0 ? -1 : nibble(text[2 * i + 1]);

        if (low < 0)
            return -1;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}
