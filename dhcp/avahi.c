#include "dhcp/avahi.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "dhcp/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM  "/usr/bin/avahi-publish"
#define RETRY_MS 30000

bool avahi_runs(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/run/avahi-daemon/socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool runs = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;

    fs_close(fd);
    return runs && access(PROGRAM, X_OK) == 0;
}

__attribute__((noreturn)) static void become(char *const *arguments, pid_t parent)
{
    char path[] = "PATH=/usr/bin:/bin", *environment[] = {path, NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent || null < 0)
        _exit(127);
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    /* It needs the bus only: nothing of ours, and no right over the network. */
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (sandbox_files(SERVICE_DHCP, NULL, 0) < 0)
        _exit(127);
    execve(arguments[0], arguments, environment);
    _exit(127);
}

static pid_t start(char *const *arguments)
{
    pid_t parent = getpid(), pid = fork();

    if (pid == 0)
        become(arguments, parent);
    if (pid < 0)
        log_errno("cannot start %s", arguments[0]);
    return pid;
}

static pid_t start_service(const char *instance, const struct mdns_service *service)
{
    char program[] = PROGRAM, s[] = "-s", end[] = "--", name[64], type[32], port[16];
    char *arguments[] = {program, s, end, name, type, port, NULL};

    snprintf(name, sizeof(name), "%s", instance);
    snprintf(type, sizeof(type), "%s", service->type);
    snprintf(port, sizeof(port), "%d", service->port);
    return start(arguments);
}

/* NAME.local, unless that is what the machine is called anyway. */
static pid_t start_host(const struct mdns *mdns)
{
    char program[] = PROGRAM, a[] = "-a", r[] = "-R", host[80], address[16], machine[64] = "";
    char *arguments[] = {program, a, r, host, address, NULL};

    gethostname(machine, sizeof(machine) - 1);
    if (mdns->interface_count == 0 || strcmp(machine, mdns->host) == 0)
        return 0;
    snprintf(host, sizeof(host), "%s.local", mdns->host);
    packet_ip_text(mdns->interface[0].address[0], address);
    return start(arguments);
}

/* *name: it was the last one, which publishes the name. */
static bool one_has_ended(struct mdns *mdns, bool *name)
{
    bool ended = false;

    *name = false;
    for (size_t i = 0; i < mdns->publisher_count; i++) {
        pid_t pid = mdns->publisher[i];

        if (pid > 0 && waitpid(pid, NULL, WNOHANG) == pid) {
            mdns->publisher[i] = -1;
            ended = true;
            *name |= i == mdns->publisher_count - 1;
        }
    }
    return ended;
}

void avahi_publish(struct mdns *mdns, int64_t now_ms)
{
    char instance[64];
    bool name;

    if (one_has_ended(mdns, &name)) {
        log_debug("a publisher of Avahi's ended");
        avahi_stop(mdns);
        /* Of a service avahi-publish changes the name itself if somebody else has it; of an address
         * it ends. */
        if (!name || !avahi_runs() || !mdns_rename(mdns))
            mdns->retry_ms = now_ms + RETRY_MS;
    }
    if (mdns->publisher_count > 0 || now_ms < mdns->retry_ms || !avahi_runs())
        return;
    snprintf(instance, sizeof(instance), "%.63s", mdns->config->box.title);
    for (int i = 0; i < 3; i++) {
        const struct mdns_service services[] = {
            {"_ssh._tcp",      config_ssh_port(mdns->config)},
            {"_sftp-ssh._tcp", config_ssh_port(mdns->config)},
            {"_http._tcp",     config_web_port(mdns->config)},
        };

        if (services[i].port != 0)
            mdns->publisher[mdns->publisher_count++] = start_service(instance, &services[i]);
    }
    mdns->publisher[mdns->publisher_count++] = start_host(mdns);
}

void avahi_stop(struct mdns *mdns)
{
    for (size_t i = 0; i < mdns->publisher_count; i++) {
        if (mdns->publisher[i] <= 0)
            continue;
        kill(mdns->publisher[i], SIGTERM);
        while (waitpid(mdns->publisher[i], NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    mdns->publisher_count = 0;
}
