/*
 * sftp_wire: bytes of SFTP version 3 packets (draft-ietf-secsh-filexfer-02), read and written.
 *
 * Pure: no files, no network. Readers never go beyond their end: what is not there reads as zero or
 * empty, and `bad` says so at the end.
 */
#ifndef CHAT_SFTP_WIRE_H
#define CHAT_SFTP_WIRE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SFTP_INIT = 1,
    SFTP_VERSION = 2,
    SFTP_OPEN = 3,
    SFTP_CLOSE = 4,
    SFTP_READ = 5,
    SFTP_WRITE = 6,
    SFTP_LSTAT = 7,
    SFTP_FSTAT = 8,
    SFTP_SETSTAT = 9,
    SFTP_FSETSTAT = 10,
    SFTP_OPENDIR = 11,
    SFTP_READDIR = 12,
    SFTP_REMOVE = 13,
    SFTP_MKDIR = 14,
    SFTP_RMDIR = 15,
    SFTP_REALPATH = 16,
    SFTP_STAT = 17,
    SFTP_RENAME = 18,
    SFTP_READLINK = 19,
    SFTP_SYMLINK = 20,
    SFTP_STATUS = 101,
    SFTP_HANDLE = 102,
    SFTP_DATA = 103,
    SFTP_NAME = 104,
    SFTP_ATTRS = 105,
    SFTP_EXTENDED = 200,
    SFTP_EXTENDED_REPLY = 201,
};

enum sftp_status {
    SFTP_FX_OK,
    SFTP_FX_EOF,
    SFTP_FX_NO_SUCH_FILE,
    SFTP_FX_PERMISSION_DENIED,
    SFTP_FX_FAILURE,
    SFTP_FX_BAD_MESSAGE,
    SFTP_FX_OP_UNSUPPORTED = 8,
};

enum {
    SFTP_OPEN_READ = 1,
    SFTP_OPEN_WRITE = 2,
    SFTP_OPEN_APPEND = 4,
    SFTP_OPEN_CREATE = 8,
    SFTP_OPEN_TRUNCATE = 16,
    SFTP_OPEN_EXCLUSIVE = 32,
};

enum {
    SFTP_ATTR_SIZE = 1,
    SFTP_ATTR_OWNER = 2,
    SFTP_ATTR_MODE = 4,
    SFTP_ATTR_TIMES = 8,
    SFTP_ATTR_EXTENDED = 0x80000000u,
};

struct sftp_attrs {
    uint32_t flags;
    uint64_t size;
    uint32_t uid, gid, mode, atime, mtime;
};

struct sftp_reader {
    const uint8_t *at, *end;
    bool bad; /* something was read that is not there */
};

uint8_t sftp_get_u8(struct sftp_reader *reader);
uint32_t sftp_get_u32(struct sftp_reader *reader);
uint64_t sftp_get_u64(struct sftp_reader *reader);
/* length bytes within the packet; not terminated. */
const uint8_t *sftp_get_bytes(struct sftp_reader *reader, size_t *length);
/* A string as text into out (size bytes, terminated). A NUL within it, or one that is longer, is
 * bad. */
void sftp_get_text(struct sftp_reader *reader, char *out, size_t size);
void sftp_get_attrs(struct sftp_reader *reader, struct sftp_attrs *attrs);

void sftp_put_u32(struct buf *out, uint32_t number);
void sftp_put_u64(struct buf *out, uint64_t number);
void sftp_put_bytes(struct buf *out, const void *bytes, size_t length);
void sftp_put_text(struct buf *out, const char *text);
void sftp_put_attrs(struct buf *out, const struct sftp_attrs *attrs);

/* A packet begins with its type and (but for VERSION) the id of its request; sftp_packet_end fills
 * in its length. The result of sftp_packet_begin is lent to it. */
size_t sftp_packet_begin(struct buf *out, uint8_t type, uint32_t id);
void sftp_packet_end(struct buf *out, size_t begin);

/*
 * The absolute path that an SFTP client means, by its text alone: `.` and `..` resolved, never
 * above
 * `/`; relative ones, `~` and `~/` are below `/`. out has size bytes; "" is `/` itself, others have
 * no leading slash. 0, or -1 if it is too long.
 */
int sftp_path(const char *asked, char *out, size_t size);

#endif
