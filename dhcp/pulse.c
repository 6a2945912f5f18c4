#include "dhcp/pulse.h"
#include "base/fs.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DNS_PORT  53
#define EVERY_MS  3000
#define HUNG_MS   10000 /* and so back within the 15 s of a service that hangs */
#define LABEL_MAX 63
#define HEAD_SIZE 12

void pulse_init(struct pulse *pulse)
{
    *pulse = (struct pulse){.fd = -1};
}

void pulse_close(struct pulse *pulse)
{
    fs_close(pulse->fd);
    pulse_init(pulse);
}

/* The processor time that a process has used: the 14th and 15th field of proc(5)'s stat. */
static uint64_t used_by(pid_t pid)
{
    char path[64], text[1024], *end;
    unsigned long user = 0, system = 0;
    ssize_t length;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    length = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    fs_close(fd);
    text[length > 0 ? length : 0] = '\0';
    end = strrchr(text, ')');
    if (end == NULL ||
        sscanf(end, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return 0;
    return user + system;
}

static int open_towards(uint32_t address)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(DNS_PORT), .sin_addr.s_addr = htonl(address)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        fs_close(fd);
        fd = -1;
    }
    return fd;
}

/* Which address has this name of one label (RFC 1035, 4.1)? */
static void ask(struct pulse *pulse, const char *name)
{
    uint8_t question[HEAD_SIZE + 1 + LABEL_MAX + 5] = {[2] = 1, [5] = 1};
    size_t label = strnlen(name, LABEL_MAX), length = HEAD_SIZE + 1 + label;

    memcpy(question, &pulse->id, sizeof(pulse->id));
    question[HEAD_SIZE] = (uint8_t)label;
    memcpy(question + HEAD_SIZE + 1, name, label);
    question[length + 2] = 1;
    question[length + 4] = 1;
    if (send(pulse->fd, question, length + 5, MSG_NOSIGNAL) < 0)
        log_debug("dnsmasq cannot be asked how it is");
}

static void receive(struct pulse *pulse)
{
    uint8_t answer[512];
    ssize_t got;

    while ((got = recv(pulse->fd, answer, sizeof(answer), 0)) >= 0)
        if (got >= HEAD_SIZE && memcmp(answer, &pulse->id, sizeof(pulse->id)) == 0) {
            if (!pulse->proven)
                log_debug("dnsmasq answers when it is asked");
            pulse->proven = true;
            pulse->since_ms = 0;
        }
}

void pulse_step(struct pulse *pulse, const struct child *child, uint32_t address, const char *name,
                int64_t now_ms)
{
    if (pulse->pid != child->pid)
        pulse_close(pulse);
    pulse->pid = child->pid;
    if (pulse->fd == -1 && (pulse->fd = open_towards(address)) == -1)
        return;
    receive(pulse);
    if (pulse->proven && pulse->since_ms != 0 && now_ms - pulse->since_ms >= HUNG_MS) {
        if (used_by(child->pid) == pulse->used) {
            log_warn("dnsmasq hung, no answer for %d s: killed", HUNG_MS / 1000);
            kill(child->pid, SIGKILL);
            pulse_close(pulse);
            return;
        }
        pulse->since_ms = 0;
    }
    if (now_ms < pulse->next_ms)
        return;
    pulse->next_ms = now_ms + EVERY_MS;
    if (pulse->since_ms == 0) {
        pulse->since_ms = now_ms;
        pulse->used = used_by(child->pid);
        fs_random(&pulse->id, sizeof(pulse->id));
    }
    ask(pulse, name);
}
