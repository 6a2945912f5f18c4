#include "chat/session_carrier.h"
#include "chat/sftp.h"
#include "chat/transfer.h"

#include "base/doorbell.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE    (32 * 1024)
#define SAID_MAX 65536

struct carrier {
    struct carrier *next;
    struct carriers *carriers;
    struct carrier_load load;
    char *text;
    pthread_t thread;
    int near, far;      /* the pipe: the loop's end and the thread's */
    atomic_bool cut;    /* what ends is no end of input but the connection */
    bool direct;        /* the thread's own: how it reaches the client now */
    struct buf said;    /* the thread's until it is done */
    int status;         /* likewise */
    bool given;         /* the loop's: CARRIER_PIPED has been handed over */
    bool disowned;      /* the loop's */
    bool crossed, done; /* guarded by carriers->lock */
};

struct carriers {
    struct carrier *all;
    size_t count;
    int fd;
    pthread_mutex_t lock;
};

/* ---- to and from the client, on the thread ---- */

static int read_pipe(struct carrier *carrier, void *bytes, size_t size)
{
    ssize_t got;

    do
        got = read(carrier->far, bytes, size);
    while (got < 0 && errno == EINTR);
    return got < 0 || (got == 0 && atomic_load(&carrier->cut)) ? -1 : (int)got;
}

static int write_pipe(struct carrier *carrier, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t wrote = send(carrier->far, bytes, length, MSG_NOSIGNAL);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return -1;
        bytes += wrote;
        length -= (size_t)wrote;
    }
    return 0;
}

/* Goes over to the pipe if somebody else has come to the connection: the session is the loop's from
 * here on. */
static bool is_direct(struct carrier *carrier)
{
    if (carrier->direct && *carrier->load.crowded) {
        carrier->direct = false;
        pthread_mutex_lock(&carrier->carriers->lock);
        carrier->crossed = true;
        pthread_mutex_unlock(&carrier->carriers->lock);
        doorbell_ring(carrier->carriers->fd);
    }
    return carrier->direct;
}

static int read_client(void *context, void *bytes, size_t size)
{
    struct carrier *carrier = context;
    ssh_channel channel = carrier->load.channel;

    while (is_direct(carrier)) {
        struct pollfd wire = {.fd = carrier->load.fd, .events = POLLIN};
        int got = ssh_channel_read_nonblocking(channel, bytes, (uint32_t)size, 0);

        if (got > 0)
            return got;
        if (ssh_channel_is_eof(channel))
            return 0;
        if (got == SSH_ERROR || !ssh_channel_is_open(channel) ||
            ssh_get_fd(carrier->load.session) < 0)
            return -1;
        if (*carrier->load.crowded)
            continue;
        poll(&wire, 1, -1);
    }
    return read_pipe(carrier, bytes, size);
}

static bool wait_client(void *context, int timeout_ms)
{
    struct carrier *carrier = context;
    struct pollfd pipe = {.fd = carrier->far, .events = POLLIN};

    while (is_direct(carrier)) {
        struct pollfd wire = {.fd = carrier->load.fd, .events = POLLIN};

        if (ssh_channel_poll(carrier->load.channel, 0) != 0 ||
            !ssh_channel_is_open(carrier->load.channel) || ssh_get_fd(carrier->load.session) < 0)
            return true;
        if (!*carrier->load.crowded && poll(&wire, 1, timeout_ms) == 0)
            return false;
    }
    return poll(&pipe, 1, timeout_ms) != 0;
}

static int write_client(void *context, const void *bytes, size_t length)
{
    struct carrier *carrier = context;
    ssh_channel channel = carrier->load.channel;
    const uint8_t *at = bytes;

    while (length > 0 && is_direct(carrier)) {
        uint32_t piece = length < PIECE ? (uint32_t)length : PIECE;
        int wrote = ssh_channel_write(channel, at, piece);

        if (wrote <= 0 || !ssh_channel_is_open(channel))
            return -1;
        at += wrote;
        length -= (size_t)wrote;
    }
    return length > 0 ? write_pipe(carrier, at, length) : 0;
}

static bool is_cut(void *context)
{
    const struct carrier *carrier = context;

    return atomic_load(&carrier->cut);
}

/* ---- the thread ---- */

static int run(struct carrier *carrier)
{
    struct sftp_pipe pipe = {.read = read_client,
                             .wait = wait_client,
                             .write = write_client,
                             .is_cut = is_cut,
                             .context = carrier};
    struct sftp_door door = {.pipe = &pipe,
                             .person = &carrier->load.person,
                             .config = carrier->load.config,
                             .bells = carrier->load.bells,
                             .bell_count = carrier->load.bell_count};
    struct transfer transfer = {.door = &door,
                                .path = carrier->text,
                                .in = carrier->load.kind == CARRY_DROP,
                                .said = &carrier->said};

    if (carrier->load.kind == CARRY_SFTP)
        return sftp_serve(&door) == 0 ? 0 : 1;
    if (carrier->load.kind == CARRY_SCP)
        return sftp_exec(&door, carrier->text);
    return transfer_run(&transfer);
}

static void *live(void *context)
{
    struct carrier *carrier = context;

    carrier->status = run(carrier);
    pthread_mutex_lock(&carrier->carriers->lock);
    carrier->done = true;
    pthread_mutex_unlock(&carrier->carriers->lock);
    doorbell_ring(carrier->carriers->fd);
    return NULL;
}

/* ---- on the loop ---- */

struct carriers *carriers_new(void)
{
    struct carriers *carriers = mem_alloc(sizeof(*carriers));

    carriers->fd = doorbell_open();
    pthread_mutex_init(&carriers->lock, NULL);
    return carriers;
}

int carriers_fd(const struct carriers *carriers)
{
    return carriers->fd;
}

static size_t count_of(const struct carriers *carriers, int64_t person_id)
{
    size_t count = 0;

    for (const struct carrier *one = carriers->all; one != NULL; one = one->next)
        count += one->load.person.id == person_id;
    return count;
}

static void carrier_free(struct carrier *carrier)
{
    fs_close(carrier->near);
    fs_close(carrier->far);
    buf_done(&carrier->said);
    free(carrier->text);
    free(carrier);
}

/* The pipe: the loop's end does not wait, the thread's does. 0 or -1. */
static int make_pipe(struct carrier *carrier)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        log_errno("cannot make a pipe for a file transfer");
        return -1;
    }
    carrier->near = ends[0];
    carrier->far = ends[1];
    return fcntl(carrier->near, F_SETFL, O_NONBLOCK);
}

struct carrier *carrier_start(struct carriers *carriers, const struct carrier_load *load)
{
    struct carrier *carrier;
    int error;

    if (carriers->count == CARRIERS_MAX || count_of(carriers, load->person.id) == CARRIERS_PERSON) {
        log_warn("%zu file transfers over SSH at once; one more is refused", carriers->count);
        return NULL;
    }
    carrier = mem_alloc(sizeof(*carrier));
    carrier->carriers = carriers;
    carrier->load = *load;
    carrier->direct = load->direct;
    carrier->text = mem_dup(load->text);
    carrier->near = carrier->far = -1;
    buf_init(&carrier->said, SAID_MAX);
    error = make_pipe(carrier);
    if (error == 0 && (error = pthread_create(&carrier->thread, NULL, live, carrier)) != 0)
        log_error("cannot start a thread for a file transfer: %s", strerror(error));
    if (error != 0) {
        carrier_free(carrier);
        return NULL;
    }
    carrier->next = carriers->all;
    carriers->all = carrier;
    carriers->count++;
    return carrier;
}

int carrier_pipe(const struct carrier *carrier)
{
    return carrier->near;
}

void carrier_stop(struct carrier *carrier)
{
    atomic_store(&carrier->cut, true);
    shutdown(carrier->near, SHUT_RDWR);
    /* Until it is handed back, nobody else closes the descriptor but libssh in its own thread, at
     * the peer's end; then this finds a closed one, or at worst a new connection, which only
     * happens on this very thread. */
    pthread_mutex_lock(&carrier->carriers->lock);
    if (carrier->load.direct && !carrier->done && !carrier->crossed)
        shutdown(carrier->load.fd, SHUT_RDWR);
    pthread_mutex_unlock(&carrier->carriers->lock);
}

void carrier_disown(struct carrier *carrier)
{
    carrier->disowned = true;
    carrier_stop(carrier);
}

/* What the thread wrote into the pipe and the loop has not read. */
static void take_rest(struct carrier *carrier, struct carrier_news *news)
{
    struct buf rest;
    uint8_t block[4096];
    ssize_t got;

    buf_init(&rest, 1024 * 1024);
    while ((got = read(carrier->near, block, sizeof(block))) > 0)
        buf_put(&rest, block, (size_t)got);
    news->rest_length = rest.len;
    news->rest = buf_take(&rest);
    buf_done(&rest);
}

bool carriers_take(struct carriers *carriers, struct carrier_news *news)
{
    doorbell_heard(carriers->fd);
    for (struct carrier **at = &carriers->all; *at != NULL;) {
        struct carrier *carrier = *at;
        bool done, crossed;

        pthread_mutex_lock(&carriers->lock);
        done = carrier->done;
        crossed = carrier->crossed;
        pthread_mutex_unlock(&carriers->lock);
        *news = (struct carrier_news){.owner = carrier->load.owner};
        if (done) {
            *at = carrier->next;
            carriers->count--;
            pthread_join(carrier->thread, NULL);
            news->event = CARRIER_DONE;
            news->direct = carrier->load.direct && !carrier->given;
            news->status = carrier->status;
            news->said = buf_take(&carrier->said);
            take_rest(carrier, news);
            if (!carrier->disowned) {
                carrier_free(carrier);
                return true;
            }
            free(news->said);
            free(news->rest);
            carrier_free(carrier);
            continue;
        }
        if (crossed && !carrier->given) {
            carrier->given = true;
            news->event = CARRIER_PIPED;
            return true;
        }
        at = &carrier->next;
    }
    return false;
}

void carriers_stop(struct carriers *carriers)
{
    for (struct carrier *carrier = carriers->all; carrier != NULL; carrier = carrier->next)
        carrier_stop(carrier);
    for (struct carrier *carrier = carriers->all; carrier != NULL; carrier = carrier->next) {
        struct pollfd bell = {.fd = carriers->fd, .events = POLLIN};
        bool done = false;

        while (!done) {
            pthread_mutex_lock(&carriers->lock);
            done = carrier->done;
            pthread_mutex_unlock(&carriers->lock);
            if (!done)
                poll(&bell, 1, 100);
        }
    }
}

void carriers_free(struct carriers *carriers)
{
    if (carriers == NULL)
        return;
    fs_close(carriers->fd);
    pthread_mutex_destroy(&carriers->lock);
    free(carriers);
}
