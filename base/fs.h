/*
 * fs: files that appear whole.
 *
 * The order that survives a power cut: write aside in the same folder, fsync, rename, fsync of the
 * folder. Every descriptor is close-on-exec.
 */
#ifndef BASE_FS_H
#define BASE_FS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Writes all length bytes, over short writes and EINTR. 0, or -1 with errno. */
int fs_write_all(int fd, const void *bytes, size_t length);

/* Appends the rest of fd to out. 0; -1 with errno, or EFBIG when out is full. */
int fs_read_all(int fd, struct buf *out);

/* Appends the file at path to out. 0, or -1 with errno; nothing is logged. */
int fs_read_file(const char *path, struct buf *out);

/* Replaces the file at path with these bytes and this mode, as above. 0, or -1, logged. */
int fs_replace_file(const char *path, const void *bytes, size_t length, mode_t mode);

/* Makes the folder and its parents with this mode if they are not there. 0, or -1 with errno. */
int fs_make_folders(const char *path, mode_t mode);

/* The folder that holds path, by its name alone; yours to free. */
char *fs_folder_of(const char *path);

/* fsync of a folder by path. 0, or -1 with errno. */
int fs_sync_folder(const char *path);

/* Bytes that an unprivileged process may still write to the file system that holds path, and its
 * size; either pointer may be NULL. 0, or -1 with errno. */
int fs_space(const char *path, int64_t *available, int64_t *total);

/* How long the file is that is open as fd; 0 if none is. */
int64_t fs_size(int fd);

/* Whether both are the same file; -1 is none. */
bool fs_is_same(int one, int other);

/* Closes fd unless it is -1; errno is left as it was. */
void fs_close(int fd);

/* Fills bytes with randomness of the kernel's; aborts if there is none. */
void fs_random(void *bytes, size_t length);

/* Lower-case hexadecimal of bytes; out has 2 * length + 1 bytes. */
void fs_hex(const void *bytes, size_t length, char *out);

/* The bytes that 2 * length hexadecimal digits (any case) stand for. 0, or -1 if they are not. */
int fs_unhex(const char *text, void *bytes, size_t length);

#endif
