#include "supervisor/keeper.h"

#include "base/doorbell.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "supervisor/greeting.h"
#include "supervisor/hostkey.h"
#include "supervisor/kept.h"
#include "supervisor/notify.h"
#include "supervisor/orphan.h"
#include "supervisor/publish.h"
#include "supervisor/reload.h"
#include "supervisor/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Said at the latest then, whoever is not ready. */
#define ANNOUNCE_MS 10000
/* How much later than planned the loop may wake before it blames itself and not the services. */
#define OWN_LATENESS_MS 1000
/* status.json is not written more often than this, whatever a service says. */
#define PUBLISH_MS 100
/* And if it could not be written, tried again as often. */
#define REPUBLISH_MS 1000

#define SIGNALS_TOKEN SERVICE_COUNT /* in epoll, behind the services */

/* Ending: first those with clients, then the one that holds the LAN together. */
enum keeper_phase { PHASE_RUN, PHASE_END_SERVICES, PHASE_END_DHCP, PHASE_GONE };

struct keeper {
    struct keeping keeping;
    struct kept services[SERVICE_COUNT];
    const char *path; /* of the configuration */
    int lock, signals;
    enum keeper_phase phase;
    bool announced, stale; /* stale: status.json tells what was */
    int64_t announce_ms, publish_ms, watchdog_ms, watchdog_every_ms; /* monotonic */
};

/* ---- beginning ---- */

static int find_accounts(struct keeper *keeper)
{
    struct keeping *keeping = &keeper->keeping;
    const struct config *config = &keeping->config;
    const char *dhcp = *config->dhcp.user ? config->dhcp.user : config->box.user;

    if (account_find(&keeping->box, config->box.user, NULL) < 0)
        return -1;
    /* With [box] user empty everything runs as root. */
    if (!*config->box.user)
        dhcp = "";
    keeping->dhcp_account = account_find(&keeping->dhcp, dhcp, config->box.user) == 0;
    return 0;
}

static int prepare_state(struct keeper *keeper)
{
    struct keeping *keeping = &keeper->keeping;
    const struct config *config = &keeping->config;
    bool unclean = false;

    if (state_make(config, &keeping->box, keeping->dhcp_account ? &keeping->dhcp : NULL) < 0)
        return -1;
    keeper->lock = state_lock(config, &unclean);
    if (keeper->lock < 0)
        return -1;
    if (unclean) {
        keeping_incident(keeping, NULL, "the box did not end in order before this start");
        orphan_end_all(config);
    }
    switch (state_store(config, &keeping->box, unclean)) {
    case STATE_STORE_FAILED:
        return -1;
    case STATE_STORE_ANEW:
        keeping_incident(keeping, NULL,
                         "the store was damaged and has been set aside in store/; a new one began");
        break;
    case STATE_STORE_READY:
        break;
    }
    return 0;
}

/* A key that cannot be used costs the chat, not the box. */
static void find_facts(struct keeper *keeper)
{
    struct config_facts *facts = &keeper->keeping.config.facts;
    char *path = config_path(&keeper->keeping.config, "keys/host_ed25519");
    struct hostkey key;

    facts->started_ms = when_wall_ms();
    if (hostkey_load(&key, path) == 0) {
        free(facts->host_key);
        free(facts->host_key_line);
        facts->host_key = key.fingerprint;
        facts->host_key_line = key.line;
    }
    free(path);
}

static int open_signals(struct keeper *keeper)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = SIGNALS_TOKEN};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    signal(SIGPIPE, SIG_IGN);
    keeper->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (keeper->signals < 0)
        return -1;
    return epoll_ctl(keeper->keeping.epoll, EPOLL_CTL_ADD, keeper->signals, &event);
}

static int open_loop(struct keeper *keeper)
{
    struct keeping *keeping = &keeper->keeping;

    keeping->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (keeping->epoll < 0 || open_signals(keeper) < 0)
        goto failed;
    for (int id = 0; id < SERVICE_COUNT; id++) {
        keeping->doorbells[id] = doorbell_open();
        if (keeping->doorbells[id] < 0)
            goto failed;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, keeping->pass) < 0 ||
        prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        goto failed;
    return 0;
failed:
    log_errno("cannot set up the keeper");
    return -1;
}

/* Descriptors 0 to 2 exist, so that none of ours is taken for the log. */
static void fill_standard_descriptors(void)
{
    int fd;

    while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd <= STDERR_FILENO)
        fcntl(fd, F_SETFD, 0);
    fs_close(fd);
}

static void init(struct keeper *keeper, struct config *config, const char *path)
{
    *keeper = (struct keeper){.path = path, .lock = -1, .signals = -1};
    keeper->keeping.config = *config;
    keeper->keeping.config_fd = -1;
    keeper->keeping.epoll = -1;
    keeper->keeping.pass[0] = keeper->keeping.pass[1] = -1;
    for (int id = 0; id < SERVICE_COUNT; id++) {
        keeper->keeping.doorbells[id] = -1;
        kept_init(&keeper->services[id], (enum service_id)id, &keeper->keeping);
    }
}

/* All sockets first, so that every service knows from the start which ports really work. */
static void start_services(struct keeper *keeper)
{
    for (int id = 0; id < SERVICE_COUNT; id++) {
        struct kept *kept = &keeper->services[id];
        kept->wanted = reload_wanted(&keeper->keeping.config, kept->id);
        if (kept->wanted)
            (void)kept_listen(kept);
    }
    for (int id = 0; id < SERVICE_COUNT; id++)
        if (keeper->services[id].wanted)
            kept_happen(&keeper->services[id], LIFE_START);
}

static int begin(struct keeper *keeper)
{
    fill_standard_descriptors();
    umask(0022);
    log_set_level(keeper->keeping.config.box.log);
    if (find_accounts(keeper) < 0 || open_loop(keeper) < 0 || prepare_state(keeper) < 0)
        return -1;
    find_facts(keeper);
    if (keeping_seal(&keeper->keeping) < 0)
        return -1;
    keeper->watchdog_every_ms = notify_watchdog_ms();
    keeper->announce_ms = when_monotonic_ms() + ANNOUNCE_MS;
    start_services(keeper);
    return 0;
}

/* ---- telling ---- */

static void put_missing(struct buf *out, const struct keeper *keeper)
{
    for (int id = 0; id < SERVICE_COUNT; id++) {
        const struct kept *kept = &keeper->services[id];
        if (kept->wanted && !kept_serves(kept))
            buf_printf(out, "%s %s is %s%s%s", out->len ? ";" : "", service_name(kept->id),
                       kept_word(kept), *kept->text ? ": " : "", kept->text);
    }
}

static void publish(struct keeper *keeper, int64_t now_ms)
{
    bool failed = publish_write(&keeper->keeping, keeper->services, keeper->announced) < 0;

    if (failed && !keeper->stale)
        log_errno("cannot publish run/status.json, so `riad status` tells what was before");
    keeper->stale = failed;
    keeper->keeping.changed = failed;
    keeper->publish_ms = now_ms + (failed ? REPUBLISH_MS : PUBLISH_MS);
}

/* The line itself begins with `ready`, whatever the log's lines look like. */
static void announce(struct keeper *keeper)
{
    struct buf missing, line;

    buf_init(&missing, 8192);
    buf_init(&line, 16384);
    put_missing(&missing, keeper);
    buf_puts(&line, "ready:");
    for (int id = 0; id < SERVICE_COUNT; id++)
        if (kept_serves(&keeper->services[id]))
            buf_printf(&line, " %s", service_name((enum service_id)id));
    if (missing.len)
        buf_printf(&line, "; not ready:%s", buf_text(&missing));
    buf_putc(&line, '\n');
    keeper->announced = true;
    /* Whoever reads the line finds it true in status.json. */
    publish(keeper, when_monotonic_ms());
    (void)fs_write_all(STDERR_FILENO, line.data, line.len);
    notify_send("READY=1\nSTATUS=%.*s", (int)line.len - 1, buf_text(&line));
    buf_done(&line);
    buf_done(&missing);
    greeting_print(&keeper->keeping.config);
}

static bool all_serve(const struct keeper *keeper)
{
    for (int id = 0; id < SERVICE_COUNT; id++)
        if (keeper->services[id].wanted && !kept_serves(&keeper->services[id]))
            return false;
    return true;
}

static void tell(struct keeper *keeper, int64_t now_ms)
{
    if (!keeper->announced && keeper->phase == PHASE_RUN &&
        (all_serve(keeper) || now_ms >= keeper->announce_ms))
        announce(keeper);
    if (keeper->keeping.changed && now_ms >= keeper->publish_ms)
        publish(keeper, now_ms);
    if (keeper->watchdog_every_ms > 0 && now_ms >= keeper->watchdog_ms) {
        notify_send("WATCHDOG=1");
        keeper->watchdog_ms = now_ms + keeper->watchdog_every_ms;
    }
}

/* ---- signals ---- */

static struct kept *kept_of(struct keeper *keeper, pid_t pid)
{
    for (int id = 0; id < SERVICE_COUNT; id++)
        if (keeper->services[id].pid == pid)
            return &keeper->services[id];
    return NULL;
}

/*
 * Everything that ended, our own services and the orphans that they left. The process group is
 * killed before its leader is reaped: until then nobody else can have its number.
 */
static void reap(struct keeper *keeper)
{
    siginfo_t info = {0};

    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
        struct kept *kept = kept_of(keeper, info.si_pid);
        int status = 0;
        if (kept)
            kill(-info.si_pid, SIGKILL);
        if (waitpid(info.si_pid, &status, 0) == info.si_pid && kept)
            kept_died(kept, status);
        info.si_pid = 0;
    }
}

static void stop(struct keeper *keeper)
{
    if (keeper->phase != PHASE_RUN) {
        log_warn("told to end a second time: killing what still runs");
        for (int id = 0; id < SERVICE_COUNT; id++) {
            kept_happen(&keeper->services[id], LIFE_STOP);
            kept_happen(&keeper->services[id], LIFE_LATE);
        }
        return;
    }
    log_info("ending");
    notify_send("STOPPING=1");
    keeper->phase = PHASE_END_SERVICES;
    for (int id = 0; id < SERVICE_COUNT; id++) {
        keeper->services[id].wanted = false;
        if (id != SERVICE_DHCP)
            kept_happen(&keeper->services[id], LIFE_STOP);
    }
}

static void hear_signals(struct keeper *keeper)
{
    struct signalfd_siginfo info;

    while (read(keeper->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(keeper);
        else if (info.ssi_signo == SIGHUP && keeper->phase == PHASE_RUN)
            reload(&keeper->keeping, keeper->services, keeper->path);
        else if (info.ssi_signo != SIGHUP)
            stop(keeper);
    }
}

/* ---- the loop ---- */

static int64_t earlier(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* When something is to be done even if nobody speaks. */
static int64_t next_deadline(const struct keeper *keeper)
{
    int64_t next = KEPT_NEVER;

    for (int id = 0; id < SERVICE_COUNT; id++)
        next = earlier(next, keeper->services[id].deadline_ms);
    if (!keeper->announced && keeper->phase == PHASE_RUN)
        next = earlier(next, keeper->announce_ms);
    if (keeper->keeping.changed)
        next = earlier(next, keeper->publish_ms);
    if (keeper->watchdog_every_ms > 0)
        next = earlier(next, keeper->watchdog_ms);
    return next;
}

/* Waits, and lets everybody who spoke be heard. */
static void listen_to_all(struct keeper *keeper, int timeout_ms)
{
    struct epoll_event events[SERVICE_COUNT + 1];
    int count = epoll_wait(keeper->keeping.epoll, events, SERVICE_COUNT + 1, timeout_ms);

    /* Stopped and continued meanwhile: what was said until now has not been heard. */
    if (count < 0 && errno == EINTR)
        count = epoll_wait(keeper->keeping.epoll, events, SERVICE_COUNT + 1, 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.u32 == SIGNALS_TOKEN)
            hear_signals(keeper);
        else
            kept_hear(&keeper->services[events[i].data.u32]);
    }
}

/* Whoever has been stopped or starved itself cannot say that others are late: they get a moment to
 * be heard. */
static void forgive(struct keeper *keeper, int64_t now_ms)
{
    for (int id = 0; id < SERVICE_COUNT; id++) {
        struct kept *kept = &keeper->services[id];
        if (life_runs(kept->state) && kept->deadline_ms < now_ms + OWN_LATENESS_MS)
            kept->deadline_ms = now_ms + 2 * OWN_LATENESS_MS;
    }
}

static void turn(struct keeper *keeper)
{
    int64_t now_ms = when_monotonic_ms(), planned_ms = next_deadline(keeper);
    int64_t wait_ms = planned_ms <= now_ms ? 0 : earlier(planned_ms - now_ms, 3600 * 1000);
    int64_t lateness_ms;

    listen_to_all(keeper, (int)wait_ms);
    lateness_ms = when_monotonic_ms() - (now_ms + wait_ms);
    now_ms = when_monotonic_ms();
    if (lateness_ms > OWN_LATENESS_MS)
        forgive(keeper, now_ms);
    for (int id = 0; id < SERVICE_COUNT; id++)
        if (now_ms >= keeper->services[id].deadline_ms)
            kept_late(&keeper->services[id]);
    tell(keeper, now_ms);
}

static bool any_runs(const struct keeper *keeper)
{
    for (int id = 0; id < SERVICE_COUNT; id++)
        if (keeper->services[id].state != LIFE_OFF && id != SERVICE_DHCP)
            return true;
    return keeper->phase == PHASE_END_DHCP && keeper->services[SERVICE_DHCP].state != LIFE_OFF;
}

/* Goes on to the next phase of ending when the services of this one have ended. */
static void advance(struct keeper *keeper)
{
    if (keeper->phase == PHASE_END_SERVICES && !any_runs(keeper)) {
        keeper->phase = PHASE_END_DHCP;
        kept_happen(&keeper->services[SERVICE_DHCP], LIFE_STOP);
    }
    if (keeper->phase == PHASE_END_DHCP && !any_runs(keeper))
        keeper->phase = PHASE_GONE;
}

/* Orphans that a service left behind without its process group. */
static void end_orphans(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static void done(struct keeper *keeper)
{
    for (int id = 0; id < SERVICE_COUNT; id++) {
        kept_done(&keeper->services[id]);
        fs_close(keeper->keeping.doorbells[id]);
    }
    end_orphans();
    if (keeper->lock >= 0)
        publish_remove(&keeper->keeping);
    state_unlock(keeper->lock);
    fs_close(keeper->signals);
    fs_close(keeper->keeping.pass[0]);
    fs_close(keeper->keeping.pass[1]);
    fs_close(keeper->keeping.epoll);
    fs_close(keeper->keeping.config_fd);
    config_done(&keeper->keeping.config);
}

int keeper_run(struct config *config, const char *path)
{
    struct keeper *keeper = mem_alloc(sizeof *keeper);
    int status = EXIT_FAILURE;

    init(keeper, config, path);
    if (begin(keeper) < 0)
        goto out;
    while (keeper->phase != PHASE_GONE) {
        turn(keeper);
        advance(keeper);
    }
    log_info("ended");
    status = EXIT_SUCCESS;
out:
    done(keeper);
    free(keeper);
    return status;
}
