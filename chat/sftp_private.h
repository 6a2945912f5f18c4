/*
 * sftp_private: what the sources of SFTP share.
 *
 *     sftp.c          a store and a drop for the thread, and which of the protocols it is
 *     sftp_session.c  packets: one in, an answer out; the table of requests
 *     sftp_handles.c  what a client has open, reading and writing
 *     sftp_names.c    what a client asks of names: stat, lists, renaming, removing
 *     sftp_wire.c     the bytes of packets
 *     scp.c           scp's own protocol, which old clients and `scp -O` speak
 *
 * None of them knows libssh: they are given a pipe.
 */
#ifndef CHAT_SFTP_PRIVATE_H
#define CHAT_SFTP_PRIVATE_H

#include "base/buf.h"
#include "chat/sftp.h"
#include "chat/sftp_wire.h"
#include "drop/drop.h"

#define SFTP_HANDLES    256
#define SFTP_DATA_MAX   (255 * 1024)           /* of one read or write: limits@openssh.com */
#define SFTP_PACKET_MAX (SFTP_DATA_MAX + 2048) /* a longer one ends the session */
#define SFTP_IDS_MAX    4096                   /* whose names one request asks for */
#define SFTP_OUT_MAX    (4 * SFTP_PACKET_MAX)  /* answers that wait to be sent */

/* What a client has open. Of fd, arrival and listing one says what it is. */
struct sftp_handle {
    bool used;
    uint32_t generation; /* so that a closed handle's number is not another's */
    char path[DROP_PATH_MAX];
    int fd;                       /* a file to read, -1 */
    struct drop_file file;        /* and what it is */
    struct drop_arrival *arrival; /* a file that is written */
    bool append, failed;          /* failed: a write did, so closing does not publish */
    bool listing;                 /* a folder */
    bool begun, ended;            /* its list */
    char after[DROP_PATH_MAX];
};

struct sftp {
    struct drop *drop;
    struct drop_actor actor;
    const struct sftp_pipe *pipe; /* while it runs */
    const char *door;             /* "sftp", "ssh" */
    char name[NAME_MAX_BYTES];
    struct sftp_handle *handles; /* SFTP_HANDLES of them */
    struct buf out;              /* answers */
};

void sftp_init(struct sftp *sftp, struct drop *drop, const struct person *person);
/* What was being written is kept for whoever goes on with it. */
void sftp_done(struct sftp *sftp);

/* ---- sftp_session.c ---- */

/* Answers one packet (without its length) into sftp->out. 0; -1: it is none, end the session. */
int sftp_answer(struct sftp *sftp, const uint8_t *packet, size_t length);
/* Answers until the pipe ends. */
void sftp_run(struct sftp *sftp, const struct sftp_pipe *pipe);

/* Whether nothing more may be done for this client. */
bool sftp_is_cut(const struct sftp *sftp);

void sftp_put_status(struct sftp *sftp, uint32_t id, enum sftp_status status, const char *text);
/* The status that a result of the drop means, with its sentence. */
void sftp_put_result(struct sftp *sftp, uint32_t id, enum drop_result result);
/* The path of a request. false: it was answered. */
bool sftp_get_path(struct sftp *sftp, uint32_t id, struct sftp_reader *in, char *path);

/* ---- requests, by what they are called in the table ---- */

typedef void sftp_request(struct sftp *sftp, uint32_t id, struct sftp_reader *in);
sftp_request sftp_open_file, sftp_close, sftp_read, sftp_write, sftp_fstat, sftp_fsetstat,
    sftp_fsync, sftp_fstatvfs, sftp_copy_data;
sftp_request sftp_stat, sftp_setstat, sftp_opendir, sftp_readdir, sftp_remove, sftp_mkdir,
    sftp_rmdir, sftp_realpath, sftp_rename, sftp_posix_rename, sftp_statvfs, sftp_names_of_ids;

/* ---- sftp_handles.c ---- */

/* A free place, NULL when all are taken. */
struct sftp_handle *sftp_handle_new(struct sftp *sftp, const char *path);
/* The handle that a request names; NULL: it was answered. */
struct sftp_handle *sftp_handle_get(struct sftp *sftp, uint32_t id, struct sftp_reader *in);
void sftp_put_handle(struct sftp *sftp, uint32_t id, const struct sftp_handle *handle);
/* What this client is writing under path; NULL if nothing. */
struct sftp_handle *sftp_handle_writing(struct sftp *sftp, const char *path);
/* What an arrival in progress looks like. */
void sftp_arrival_attrs(const struct sftp *sftp, const struct drop_arrival *arrival,
                        struct sftp_attrs *attrs);

/* ---- sftp_names.c ---- */

/* What a file or folder looks like to this client. */
void sftp_file_attrs(const struct sftp *sftp, const struct drop_file *file,
                     struct sftp_attrs *attrs);

/* ---- scp.c ---- */

/* `scp -t PATH` receives, `scp -f PATH` sends; arguments as in the command. The exit status. */
int scp_run(struct sftp *sftp, const struct sftp_pipe *pipe, const char *command);

#endif
