#include "supervisor/who.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_LISTEN 0x0A /* TCP_LISTEN */
#define STATE_CLOSE  0x07 /* what an unconnected UDP socket shows */

/* One line of /proc/net/tcp and its kin: the local port, its state, the socket's inode. */
static bool parse_line(const char *line, unsigned *port, unsigned *state, unsigned long *inode)
{
    return sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %lu", port,
                  state, inode) == 3;
}

/* The inode of a socket that is bound to that port; 0 if there is none. */
static unsigned long find_socket(const char *table, unsigned wanted_state, unsigned wanted_port)
{
    FILE *file = fopen(table, "re");
    unsigned long found = 0, inode;
    unsigned port, state;
    char line[512];

    while (file && !found && fgets(line, sizeof line, file))
        if (parse_line(line, &port, &state, &inode) && port == wanted_port && state == wanted_state)
            found = inode;
    if (file)
        fclose(file);
    return found;
}

/* Whether one of the process's descriptors is that socket. */
static bool holds(const char *pid, const char *socket)
{
    char *folder = mem_printf("/proc/%s/fd", pid), target[64];
    DIR *fds = opendir(folder);
    struct dirent *entry;
    bool found = false;

    while (fds && !found && (entry = readdir(fds))) {
        ssize_t length = readlinkat(dirfd(fds), entry->d_name, target, sizeof target - 1);
        found = length > 0 && (target[length] = '\0', strcmp(target, socket) == 0);
    }
    if (fds)
        closedir(fds);
    free(folder);
    return found;
}

static char *describe(const char *pid)
{
    char *path = mem_printf("/proc/%s/comm", pid), *text;
    FILE *file = fopen(path, "re");
    char name[64] = "";

    if (file) {
        if (!fgets(name, sizeof name, file))
            name[0] = '\0';
        fclose(file);
    }
    free(path);
    text_trim(name);
    text = text_is_safe(name, strlen(name)) && *name ? mem_printf("%s, pid %s", name, pid)
                                                     : mem_printf("pid %s", pid);
    return text;
}

static char *find_process(unsigned long inode)
{
    char *socket = mem_printf("socket:[%lu]", inode), *text = NULL;
    DIR *proc = opendir("/proc");
    struct dirent *entry;

    while (proc && !text && (entry = readdir(proc)))
        if (isdigit((unsigned char)entry->d_name[0]) && holds(entry->d_name, socket))
            text = describe(entry->d_name);
    if (proc)
        closedir(proc);
    free(socket);
    return text ? text : mem_dup("another program");
}

char *who_listens(enum who_transport transport, const union listen_address *address)
{
    static const struct {
        const char *tables[2];
        unsigned state;
    } transports[] = {
        [WHO_TCP] = {{"/proc/net/tcp", "/proc/net/tcp6"}, STATE_LISTEN},
        [WHO_UDP] = {{"/proc/net/udp", "/proc/net/udp6"}, STATE_CLOSE },
    };
    unsigned port = (unsigned)listen_port(address);
    unsigned long inode = 0;

    for (int i = 0; i < 2 && !inode; i++)
        inode = find_socket(transports[transport].tables[i], transports[transport].state, port);
    return inode ? find_process(inode) : NULL;
}
