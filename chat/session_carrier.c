#include "chat/session_carrier.h"
#include "chat/sftp.h"

#include "base/doorbell.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "drop/drop.h"

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PIECE      (64 * 1024)
#define HANG_UP_MS 2000

struct carrier {
    struct carrier *next;
    struct carriers *carriers;
    struct carrier_load load;
    char *text, *address;
    pthread_t thread;
    bool done;
};

struct carriers {
    struct carrier *all;
    size_t count;
    int fd;
    pthread_mutex_t lock; /* guards done */
};

/* ---- drop and get, on the thread ---- */

/* A line to the client's standard error. */
static void tell(struct carrier *carrier, const char *name, const char *sentence)
{
    char *line = mem_printf("%s: %s\n", name, sentence);

    ssh_channel_write_stderr(carrier->load.channel, line, (uint32_t)strlen(line));
    free(line);
}

static enum drop_result fill(struct carrier *carrier, struct drop_arrival *arrival, bool *lost)
{
    uint8_t *block = mem_alloc(PIECE);
    enum drop_result result = DROP_OK;
    int got;

    while (result == DROP_OK &&
           (got = ssh_channel_read(carrier->load.channel, block, PIECE, 0)) > 0)
        result = drop_write(arrival, block, (size_t)got);
    /* The end of input is said; a connection that breaks does not say it. */
    *lost = result == DROP_OK && !ssh_channel_is_eof(carrier->load.channel);
    free(block);
    return result;
}

static int drop_in(struct carrier *carrier, struct drop *drop)
{
    const struct person *person = &carrier->load.person;
    struct drop_wish wish = {
        .path = carrier->text,
        .actor = {.person_id = person->id, .host = person->role == ROLE_HOST},
        .door = "ssh",
        .size = -1,
        .replace = true
    };
    struct drop_arrival *arrival = NULL;
    struct drop_file file;
    enum drop_result result = drop_begin(drop, &wish, &arrival);
    bool lost = false, same = false;
    char hash[2 * DIGEST_SHA256_SIZE + 1];
    char *line;

    if (result != DROP_OK) {
        tell(carrier, carrier->text, drop_result_text(result));
        return 1;
    }
    result = fill(carrier, arrival, &lost);
    if (lost) {
        drop_pause(arrival);
        return 1;
    }
    if (result != DROP_OK) /* nobody goes on with it by this door */
        drop_abandon(arrival);
    else
        result = drop_publish(arrival, &file, &same, NULL);
    if (result != DROP_OK) {
        tell(carrier, carrier->text, drop_result_text(result));
        return 1;
    }
    fs_hex(file.sha256, DIGEST_SHA256_SIZE, hash);
    line = mem_printf("%s\n%s\n", file.path, hash);
    ssh_channel_write(carrier->load.channel, line, (uint32_t)strlen(line));
    free(line);
    return 0;
}

static int get_out(struct carrier *carrier, struct drop *drop)
{
    struct drop_file file;
    uint8_t *block = NULL;
    ssize_t got = 0;
    int fd = -1, status = 1;
    enum drop_result result = drop_read(drop, carrier->text, &file, &fd);

    if (result != DROP_OK) {
        tell(carrier, carrier->text, drop_result_text(result));
        return 1;
    }
    block = mem_alloc(PIECE);
    while ((got = read(fd, block, PIECE)) > 0)
        if (ssh_channel_write(carrier->load.channel, block, (uint32_t)got) != got)
            goto out;
    if (got == 0) {
        drop_downloaded(drop, file.id);
        status = 0;
    }
out:
    free(block);
    fs_close(fd);
    return status;
}

static int with_drop(struct carrier *carrier)
{
    struct store *store = store_open(carrier->load.store_path);
    struct drop *drop = NULL;
    int status = 1;

    if (store != NULL) {
        store_bells(store, carrier->load.bells, carrier->load.bell_count);
        drop = drop_open(carrier->load.config, store);
    }
    if (drop == NULL)
        tell(carrier, carrier->text, "the drop cannot be opened now");
    else
        status = carrier->load.kind == CARRY_DROP ? drop_in(carrier, drop) : get_out(carrier, drop);
    drop_close(drop);
    store_close(store);
    return status;
}

/* ---- the thread ---- */

/* The client hangs up when it has read the end; at once would look like a broken connection. */
static void say_end(const struct carrier_load *load, int status)
{
    struct pollfd peer = {.fd = load->fd, .events = POLLIN};

    if (!ssh_channel_is_open(load->channel))
        return;
    ssh_channel_request_send_exit_status(load->channel, status);
    ssh_channel_send_eof(load->channel);
    ssh_channel_close(load->channel);
    while (ssh_get_fd(load->session) >= 0 && poll(&peer, 1, HANG_UP_MS) > 0) {
        char byte;

        if (recv(load->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
            return;
        /* More of it: the client's own close, perhaps. Taken and thrown away. */
        char rest[4096];

        if (recv(load->fd, rest, sizeof(rest), MSG_DONTWAIT) <= 0)
            return;
    }
}

static void *live(void *context)
{
    struct carrier *carrier = context;
    struct sftp_door door = {.session = carrier->load.session,
                             .channel = carrier->load.channel,
                             .person = &carrier->load.person,
                             .config = carrier->load.config,
                             .bells = carrier->load.bells,
                             .bell_count = carrier->load.bell_count};
    int status;

    if (carrier->load.kind == CARRY_SFTP)
        status = sftp_serve(&door) == 0 ? 0 : 1;
    else if (carrier->load.kind == CARRY_SCP)
        status = sftp_exec(&door, carrier->text);
    else
        status = with_drop(carrier);
    say_end(&carrier->load, status);
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
    carrier->text = mem_dup(load->text);
    carrier->address = mem_dup(load->address);
    error = pthread_create(&carrier->thread, NULL, live, carrier);
    if (error != 0) {
        log_error("cannot start a thread for a file transfer: %s", strerror(error));
        free(carrier->text);
        free(carrier->address);
        free(carrier);
        return NULL;
    }
    carrier->next = carriers->all;
    carriers->all = carrier;
    carriers->count++;
    return carrier;
}

void carrier_stop(struct carrier *carrier)
{
    /* Until it is handed back, nobody else closes the descriptor but libssh in its own thread, at
     * the peer's end; then this finds a closed one, or at worst a new connection, which only
     * happens on this very thread. */
    pthread_mutex_lock(&carrier->carriers->lock);
    if (!carrier->done)
        shutdown(carrier->load.fd, SHUT_RDWR);
    pthread_mutex_unlock(&carrier->carriers->lock);
}

void *carriers_take(struct carriers *carriers)
{
    doorbell_heard(carriers->fd);
    for (struct carrier **at = &carriers->all; *at != NULL; at = &(*at)->next) {
        struct carrier *carrier = *at;
        void *owner = carrier->load.owner;
        bool done;

        pthread_mutex_lock(&carriers->lock);
        done = carrier->done;
        pthread_mutex_unlock(&carriers->lock);
        if (!done)
            continue;
        *at = carrier->next;
        carriers->count--;
        pthread_join(carrier->thread, NULL);
        free(carrier->text);
        free(carrier->address);
        free(carrier);
        return owner;
    }
    return NULL;
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
