/*
 * herd_load: many HTTP clients in one process that want the same file. For bench_mirror.py.
 *
 *     herd_load PORT PATH CLIENTS FILE
 *
 * All clients connect to 127.0.0.1 and ask for PATH at once; what comes is compared with FILE byte
 * by byte. One line goes out, times in seconds of CLOCK_MONOTONIC: when they asked, when the first
 * and the slowest client had its first byte, when the last one was done, and how many got FILE.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX   8192
#define PATIENCE_S 120

struct client {
    int fd;
    char head[HEAD_MAX + 1];
    size_t head_length;
    bool in_body, wrong;
    size_t at; /* bytes of the body */
    double first;
};

static const char *file;
static size_t file_size;
static char block[262144];

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void take_body(struct client *client, const char *bytes, size_t length)
{
    if (length == 0)
        return;
    if (client->at == 0)
        client->first = now();
    if (client->at + length > file_size || memcmp(file + client->at, bytes, length) != 0)
        client->wrong = true;
    client->at += length;
}

/* Only a plain 200 will do. */
static void take_head(struct client *client, const char *bytes, size_t length)
{
    size_t take = length < HEAD_MAX - client->head_length ? length : HEAD_MAX - client->head_length;
    size_t before = client->head_length;
    char *end;

    memcpy(client->head + before, bytes, take);
    client->head[client->head_length += take] = '\0';
    if (!(end = strstr(client->head, "\r\n\r\n"))) {
        client->wrong = client->head_length == HEAD_MAX;
        return;
    }
    *end = '\0';
    client->in_body = true;
    client->wrong = !strstr(client->head, " 200") || strcasestr(client->head, "chunked");
    take = (size_t)(end + 4 - client->head) - before;
    take_body(client, bytes + take, length - take);
}

/* Whether this client is done. */
static bool hear(struct client *client)
{
    ssize_t got = recv(client->fd, block, sizeof block, MSG_DONTWAIT);

    if (got > 0 && client->in_body)
        take_body(client, block, (size_t)got);
    else if (got > 0)
        take_head(client, block, (size_t)got);
    return got <= 0 || client->wrong || client->at >= file_size;
}

static int ask(const struct sockaddr_in *address, const char *path)
{
    char text[1024];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int length = snprintf(text, sizeof text,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n",
                          path, ntohs(address->sin_port));

    if (fd < 0 || connect(fd, (const void *)address, sizeof *address) < 0 ||
        send(fd, text, (size_t)length, MSG_NOSIGNAL) != length) {
        perror("ask");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    int count = argc == 5 ? atoi(argv[3]) : 0, left = count, right = 0, epoll = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    struct client *clients = NULL;
    int fd = count ? open(argv[4], O_RDONLY) : -1;
    double began, first = 1e18, slowest = 0, last = 0;
    struct epoll_event events[64];
    struct stat info;

    if (fd < 0 || fstat(fd, &info) < 0)
        return 2;
    clients = calloc((size_t)count, sizeof *clients);
    file_size = (size_t)info.st_size;
    file = mmap(NULL, file_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    address.sin_port = htons((unsigned short)atoi(argv[1]));
    began = now();
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};

        clients[i].fd = ask(&address, argv[2]);
        epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event);
    }
    while (left > 0 && now() - began < PATIENCE_S) {
        int ready = epoll_wait(epoll, events, 64, 1000);

        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;

            if (!hear(client))
                continue;
            last = now();
            left--;
            right += !client->wrong && client->at == file_size;
            close(client->fd);
        }
    }
    for (int i = 0; i < count; i++) {
        if (clients[i].first > slowest)
            slowest = clients[i].first;
        if (clients[i].first > 0 && clients[i].first < first)
            first = clients[i].first;
    }
    printf("%.6f %.6f %.6f %.6f %d\n", began, first, slowest, last, right);
    return 0;
}
