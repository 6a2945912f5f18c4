#include "supervisor/orphan.h"

#include "base/fs.h"
#include "base/log.h"
#include "supervisor/published.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAT_MAX 1024
#define GONE_MS  5000 /* the kernel has taken down a large process long before */

/* The name and the parent of a process, from proc(5): `pid (name) state parent ...`. */
static int look_at(int64_t pid, char name[64], int64_t *parent)
{
    char path[64], text[STAT_MAX], *end;
    ssize_t length;
    long long number;
    int fd;

    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    fs_close(fd);
    if (length <= 0)
        return -1;
    text[length] = '\0';
    end = strrchr(text, ')');
    if (end == NULL || sscanf(end, ") %*c %lld", &number) != 1)
        return -1;
    *end = '\0';
    snprintf(name, 64, "%s", strchr(text, '(') ? strchr(text, '(') + 1 : "");
    *parent = number;
    return 0;
}

/* Whether that process is this service, and belongs to no box that runs. */
static bool is_orphan(int64_t pid, enum service_id id)
{
    char name[64], wanted[64];
    int64_t parent, above;

    snprintf(wanted, sizeof wanted, "riad-%s", service_name(id));
    if (look_at(pid, name, &parent) < 0 || strcmp(name, wanted) != 0)
        return false;
    return look_at(parent, name, &above) < 0 || strcmp(name, "riad") != 0;
}

/* Kills it; by a descriptor, so that a number that is used again harms nobody. */
static bool end(int64_t pid, enum service_id id)
{
    struct pollfd gone = {.fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0), .events = POLLIN};
    bool was = gone.fd >= 0 && is_orphan(pid, id);

    if (was) {
        log_warn("%s: process %lld outlived the last keeper: killed", service_name(id),
                 (long long)pid);
        if (syscall(SYS_pidfd_send_signal, gone.fd, SIGKILL, NULL, 0) < 0)
            log_errno("cannot kill it");
        else
            poll(&gone, 1, GONE_MS);
    }
    fs_close(gone.fd);
    return was;
}

int orphan_end_all(const struct config *config)
{
    struct published last;
    int count = 0;

    if (published_read(&last, config) < 0)
        return 0;
    for (int id = 0; id < SERVICE_COUNT; id++)
        if (last.services[id].pid > 1)
            count += end(last.services[id].pid, (enum service_id)id);
    return count;
}
