/*
 * chat_load: many SSH clients in one process, to measure a chat server. For bench_chat.py.
 *
 *     chat_load PORT CLIENTS SILENT
 *
 * SILENT of the clients never read. Commands come on standard input, an answer a line goes out:
 *
 *     connect         all clients, eight at a time: "connected N SECONDS"
 *     say COUNT MS    client 0 says COUNT messages, one each MS; "said EXPECTED SEEN P50 P99 MAX"
 *                     (milliseconds until each reader had each message)
 *     quit
 */
#include <libssh/libssh.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define THREADS 8
#define TAIL    64

struct client {
    ssh_session session;
    ssh_channel channel;
    bool silent;
    int seen; /* the newest message that came */
    char tail[TAIL + 1];
};

static struct client *clients;
static int port, count, silent;
static atomic_int next_client, connected;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool open_client(struct client *client, int number)
{
    char name[32], drain[4096];
    ssh_key key = NULL;
    int off = 0;
    bool done;

    snprintf(name, sizeof(name), "load%04d", number);
    client->session = ssh_new();
    ssh_options_set(client->session, SSH_OPTIONS_HOST, "127.0.0.1");
    ssh_options_set(client->session, SSH_OPTIONS_PORT, &port);
    ssh_options_set(client->session, SSH_OPTIONS_USER, name);
    ssh_options_set(client->session, SSH_OPTIONS_PROCESS_CONFIG, &off);
    ssh_options_set(client->session, SSH_OPTIONS_CIPHERS_C_S, "aes128-gcm@openssh.com");
    ssh_options_set(client->session, SSH_OPTIONS_CIPHERS_S_C, "aes128-gcm@openssh.com");
    if (ssh_connect(client->session) != SSH_OK ||
        ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK)
        return false;
    done = ssh_userauth_publickey(client->session, NULL, key) == SSH_AUTH_SUCCESS;
    ssh_key_free(key);
    client->channel = done ? ssh_channel_new(client->session) : NULL;
    done = client->channel != NULL && ssh_channel_open_session(client->channel) == SSH_OK &&
           ssh_channel_request_pty_size(client->channel, "xterm-256color", 80, 24) == SSH_OK &&
           ssh_channel_request_shell(client->channel) == SSH_OK;
    /* In when the prompt is there. */
    while (done && strstr(client->tail, "> ") == NULL) {
        int got = ssh_channel_read(client->channel, drain, sizeof(drain) - 1, 0);

        if (got <= 0)
            return false;
        snprintf(client->tail, sizeof(client->tail), "%.*s", TAIL,
                 drain + (got > TAIL ? got - TAIL : 0));
    }
    return done;
}

static void *connect_some(void *context)
{
    int number;

    (void)context;
    while ((number = atomic_fetch_add(&next_client, 1)) < count) {
        clients[number].silent = number > 0 && number <= silent;
        if (open_client(&clients[number], number))
            atomic_fetch_add(&connected, 1);
        else
            fprintf(stderr, "client %d: %s\n", number, ssh_get_error(clients[number].session));
    }
    return NULL;
}

static void connect_all(void)
{
    pthread_t threads[THREADS];
    double began = now();

    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, connect_some, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("connected %d %.3f\n", atomic_load(&connected), now() - began);
}

/* ---- saying and hearing ---- */

static double *sent, *delays;
static size_t delay_count;
static int first_message;

static void hear(struct client *client, const char *bytes, int length)
{
    char text[TAIL + 65536 + 1];
    char *at = text;
    size_t tail = strlen(client->tail);

    memcpy(text, client->tail, tail);
    memcpy(text + tail, bytes, (size_t)length);
    text[tail + (size_t)length] = '\0';
    /* A NUL or an escape within does no harm: the marks are plain. */
    while ((at = strstr(at, "MARK")) != NULL) {
        char *end;
        long number = strtol(at + 4, &end, 10);

        if (*end != ';')
            break;
        if (number > client->seen) {
            client->seen = (int)number;
            delays[delay_count++] = now() - sent[number - first_message];
        }
        at = end;
    }
    length += (int)tail;
    snprintf(client->tail, sizeof(client->tail), "%s", text + (length > TAIL ? length - TAIL : 0));
}

static void read_client(struct client *client)
{
    static char block[65536];
    int got;

    while ((got = ssh_channel_read_nonblocking(client->channel, block, sizeof(block), 0)) > 0)
        hear(client, block, got);
}

static int by_size(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;

    return (a > b) - (a < b);
}

static void say(int messages, int gap_ms)
{
    int epoll = epoll_create1(0), said = 0;
    size_t expected = (size_t)messages * (size_t)(count - silent);
    double next = now(), until = now() + messages * gap_ms / 1000.0 + 10;
    static int newest;

    first_message = newest + 1;
    sent = calloc((size_t)messages, sizeof(*sent));
    delays = calloc(expected + 1, sizeof(*delays));
    delay_count = 0;
    for (int i = 0; i < count; i++) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = &clients[i]};

        if (clients[i].channel != NULL && !clients[i].silent)
            epoll_ctl(epoll, EPOLL_CTL_ADD, ssh_get_fd(clients[i].session), &wanted);
    }
    while (delay_count < expected && now() < until) {
        struct epoll_event events[64];
        double left = said < messages ? next - now() : 0.05;
        int ready = epoll_wait(epoll, events, 64, left > 0 ? (int)(left * 1000) + 1 : 0);

        for (int i = 0; i < ready; i++)
            read_client(events[i].data.ptr);
        if (said < messages && now() >= next) {
            char line[64];

            snprintf(line, sizeof(line), "MARK%d; a message of the usual length\r", ++newest);
            sent[said++] = now();
            next += gap_ms / 1000.0;
            ssh_channel_write(clients[0].channel, line, (uint32_t)strlen(line));
        }
    }
    qsort(delays, delay_count, sizeof(*delays), by_size);
    printf("said %zu %zu %.2f %.2f %.2f\n", expected, delay_count, 1000 * delays[delay_count / 2],
           1000 * delays[delay_count * 99 / 100],
           1000 * delays[delay_count > 0 ? delay_count - 1 : 0]);
    free(sent);
    free(delays);
}

int main(int argc, char **argv)
{
    char line[128];
    int messages, gap_ms;

    if (argc != 4) {
        fprintf(stderr, "usage: chat_load PORT CLIENTS SILENT\n");
        return 2;
    }
    port = atoi(argv[1]);
    count = atoi(argv[2]);
    silent = atoi(argv[3]);
    clients = calloc((size_t)count, sizeof(*clients));
    ssh_init();
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "quit\n") != 0) {
        if (strcmp(line, "connect\n") == 0)
            connect_all();
        else if (sscanf(line, "say %d %d", &messages, &gap_ms) == 2)
            say(messages, gap_ms);
    }
    /* The kernel hangs up for all of them. */
    _Exit(0);
}
