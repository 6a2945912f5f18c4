#include "supervisor/kept.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "config/start.h"
#include "supervisor/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long each may take; its own beats let a slow start go on. */
#define START_MS 30000
#define END_MS   5000

/* Packets that one service may send before the others get their turn. */
#define PACKETS_A_TURN 32

#define CAP(name) (UINT64_C(1) << CAP_##name)

static const struct {
    int64_t beat_ms;
    uint64_t capabilities;
} kinds[SERVICE_COUNT] = {
    [SERVICE_CHAT] = {5000,  0                                                    },
    [SERVICE_WEB] = {15000, 0                                                    },
    [SERVICE_MIRROR] = {15000, 0                                                    },
    [SERVICE_DHCP] = {15000, CAP(NET_ADMIN) | CAP(NET_RAW) | CAP(NET_BIND_SERVICE)},
};

void kept_init(struct kept *kept, enum service_id id, struct keeping *keeping)
{
    *kept = (struct kept){.id = id,
                          .keeping = keeping,
                          .state = LIFE_OFF,
                          .pid = -1,
                          .fd = -1,
                          .deadline_ms = KEPT_NEVER,
                          .since_ms = when_wall_ms()};
}

void kept_done(struct kept *kept)
{
    fs_close(kept->fd);
    sockets_close(&kept->sockets);
}

/* ---- telling ---- */

static const char *name_of(const struct kept *kept)
{
    return service_name(kept->id);
}

void keeping_incident(struct keeping *keeping, const char *service, const char *format, ...)
{
    struct incident *incident = &keeping->incidents[keeping->incident_count % KEPT_INCIDENTS];
    va_list arguments;

    *incident = (struct incident){.at_ms = when_wall_ms(), .service = service ? service : "box"};
    va_start(arguments, format);
    vsnprintf(incident->text, sizeof incident->text, format, arguments);
    va_end(arguments);
    keeping->incident_count++;
    keeping->changed = true;
    log_warn("%s: %s", incident->service, incident->text);
}

static void set_text(struct kept *kept, const char *text)
{
    snprintf(kept->text, sizeof kept->text, "%s", text);
    kept->keeping->changed = true;
}

bool kept_serves(const struct kept *kept)
{
    return kept->state == LIFE_UP;
}

/* riad-dhcp says so while another server gives the addresses: all is as it should be. */
const char *kept_word(const struct kept *kept)
{
    static const char said[] = "stands by";

    if (kept->state == LIFE_UP && strncmp(kept->text, said, strlen(said)) == 0)
        return "standing by";
    return life_word(kept->state);
}

/* ---- starting it ---- */

int keeping_seal(struct keeping *keeping)
{
    int fd = config_seal(&keeping->config);

    if (fd < 0) {
        log_errno("cannot seal the configuration for the services");
        return -1;
    }
    fs_close(keeping->config_fd);
    keeping->config_fd = fd;
    return 0;
}

static const struct config_list *listens_of(const struct kept *kept)
{
    const struct config *config = &kept->keeping->config;

    if (kept->id == SERVICE_CHAT)
        return &config->chat.listen;
    return kept->id == SERVICE_WEB ? &config->web.listen : NULL;
}

static void remember_listens(struct kept *kept)
{
    struct config_facts *facts = &kept->keeping->config.facts;
    struct config_list *list =
        kept->id == SERVICE_CHAT ? &facts->chat_listens : &facts->web_listens;

    for (size_t i = 0; i < list->count; i++)
        free(list->item[i]);
    *list = (struct config_list){.count = kept->sockets.count};
    for (size_t i = 0; i < list->count; i++)
        list->item[i] = mem_dup(kept->sockets.bound.item[i]);
}

int kept_listen(struct kept *kept)
{
    const struct config_list *listens = listens_of(kept);
    char *trouble = NULL;

    if (!listens || kept->sockets.count > 0)
        return 0;
    if (sockets_open(&kept->sockets, listens, name_of(kept), &trouble) < 0) {
        if (strcmp(kept->text, trouble) != 0)
            keeping_incident(kept->keeping, name_of(kept), "%s", trouble);
        set_text(kept, trouble);
        free(trouble);
        return -1;
    }
    set_text(kept, "");
    remember_listens(kept);
    return keeping_seal(kept->keeping);
}

static void add_fd(struct spawn *spawn, const char *name, int fd)
{
    assert(spawn->fd_count < SERVICE_MAX_FDS);
    spawn->fds[spawn->fd_count] = fd;
    spawn->fd_names[spawn->fd_count++] = name;
}

/* The private key is handed over open; only the chat gets it. -1: there is none to hand over. */
static int open_hostkey(const struct kept *kept)
{
    char *path;
    int fd;

    if (kept->id != SERVICE_CHAT)
        return -1;
    path = config_path(&kept->keeping->config, "keys/host_ed25519");
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    free(path);
    return fd;
}

/* Who leaves the network alone needs no right over it. As root, dnsmasq insists on setting its
 * groups. */
static uint64_t capabilities_of(const struct kept *kept)
{
    uint64_t needed = kinds[kept->id].capabilities;

    if (needed == 0 || !*kept->keeping->config.lan.interface)
        return 0;
    return kept->keeping->dhcp.change ? needed : needed | CAP(SETGID);
}

static pid_t start_process(struct kept *kept, const char *program, int keeper_fd)
{
    struct keeping *keeping = kept->keeping;
    struct spawn spawn = {.id = kept->id,
                          .program = program,
                          .account = kept->id == SERVICE_DHCP ? &keeping->dhcp : &keeping->box,
                          .capabilities = capabilities_of(kept),
                          .config_fd = keeping->config_fd,
                          .keeper_fd = keeper_fd,
                          .doorbells = keeping->doorbells};
    int hostkey = open_hostkey(kept);
    pid_t pid;

    for (size_t i = 0; i < kept->sockets.count; i++)
        add_fd(&spawn, "listen", kept->sockets.fd[i]);
    if (hostkey >= 0)
        add_fd(&spawn, "hostkey", hostkey);
    if (kept->id == SERVICE_WEB || kept->id == SERVICE_MIRROR)
        add_fd(&spawn, SERVICE_PASS, keeping->pass[kept->id == SERVICE_MIRROR]);
    pid = spawn_start(&spawn);
    fs_close(hostkey);
    return pid;
}

/* What keeps it from being started, as a sentence; NULL if nothing does. Yours to free. */
static char *find_obstacle(const struct kept *kept, const char *program)
{
    const struct keeping *keeping = kept->keeping;
    char *useradd, *text;

    if (!program)
        return mem_printf("the program riad-%s is neither beside riad nor in %s; install it again",
                          name_of(kept), RIAD_LIBEXEC);
    if (kept->id == SERVICE_DHCP && !keeping->dhcp_account) {
        useradd = account_useradd(keeping->config.dhcp.user, keeping->config.box.user);
        text = mem_printf("there is no account `%s`; make it with: %s", keeping->config.dhcp.user,
                          useradd);
        free(useradd);
        return text;
    }
    if (kept->id == SERVICE_CHAT && !*keeping->config.facts.host_key)
        return mem_dup("the SSH host key cannot be used (the log says why)");
    return NULL;
}

/* 0, or -1, logged; what is open in pair is the caller's. */
static int open_channel(struct kept *kept, int pair[2])
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = kept->id};

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        log_errno("cannot open a channel to %s", name_of(kept));
        return -1;
    }
    if (epoll_ctl(kept->keeping->epoll, EPOLL_CTL_ADD, pair[0], &event) < 0) {
        log_errno("cannot wait for %s", name_of(kept));
        return -1;
    }
    return 0;
}

/* The machine has no process or descriptor to give, which has been logged. */
static void tell_starved(struct kept *kept)
{
    char text[KEPT_TEXT_MAX];

    snprintf(text, sizeof text, "cannot be started: %s", strerror(errno));
    set_text(kept, text);
}

/* 0, or -1: text says why. */
static int launch(struct kept *kept)
{
    char *program = spawn_find(kept->id), *obstacle = find_obstacle(kept, program);
    int pair[2] = {-1, -1}, result = -1;

    if (obstacle) {
        if (strcmp(kept->text, obstacle) != 0)
            keeping_incident(kept->keeping, name_of(kept), "%s", obstacle);
        set_text(kept, obstacle);
        goto out;
    }
    if (kept_listen(kept) < 0)
        goto out;
    if (open_channel(kept, pair) == 0)
        kept->pid = start_process(kept, program, pair[1]);
    if (kept->pid < 0) {
        tell_starved(kept);
        fs_close(pair[0]);
        fs_close(pair[1]);
        goto out;
    }
    fs_close(pair[1]);
    kept->fd = pair[0];
    if (kept->started && kept->failures > 0)
        kept->restarts++;
    kept->started = true;
    kept->said = false;
    result = 0;
out:
    free(obstacle);
    free(program);
    return result;
}

/* ---- doing what the table says ---- */

static void send_signal(struct kept *kept, int number)
{
    if (kept->pid > 0 && kill(kept->pid, number) < 0 && errno != ESRCH)
        log_errno("cannot signal %s", name_of(kept));
    /* One that was stopped hears SIGTERM only when it goes on. */
    if (kept->pid > 0 && number == SIGTERM)
        kill(kept->pid, SIGCONT);
}

static void pause_it(struct kept *kept, int64_t now_ms)
{
    kept->failures++;
    kept->deadline_ms = now_ms + life_pause_ms(kept->failures);
}

static void act(struct kept *kept, enum life_act what)
{
    int64_t now_ms = when_monotonic_ms();

    switch (what) {
    case LIFE_ACT_NONE:
        break;
    case LIFE_ACT_LAUNCH:
        kept->deadline_ms = now_ms + START_MS;
        if (launch(kept) < 0)
            kept_happen(kept, LIFE_DIED);
        break;
    case LIFE_ACT_PAUSE:
        pause_it(kept, now_ms);
        break;
    case LIFE_ACT_BEAT:
        kept->deadline_ms = now_ms + kinds[kept->id].beat_ms;
        break;
    case LIFE_ACT_TERM:
        kept->deadline_ms = now_ms + END_MS;
        send_signal(kept, SIGTERM);
        break;
    case LIFE_ACT_KILL:
        kept->deadline_ms = KEPT_NEVER;
        send_signal(kept, SIGKILL);
        break;
    case LIFE_ACT_REST:
        kept->deadline_ms = KEPT_NEVER;
        break;
    }
}

static void enter(struct kept *kept, enum life_state next)
{
    bool told = strcmp(life_word(kept->state), life_word(next)) != 0;

    if (kept->state == next)
        return;
    log_debug("%s: state %d to %d", name_of(kept), (int)kept->state, (int)next);
    kept->state = next;
    kept->keeping->changed = true;
    if (told)
        kept->since_ms = when_wall_ms();
    if (next == LIFE_UP)
        log_info("%s is up", name_of(kept));
    if (next == LIFE_OFF || (next == LIFE_UP && !kept->said))
        set_text(kept, "");
}

/* A minute in UP makes earlier failures forgotten. */
static void count_health(struct kept *kept, enum life_state next)
{
    int64_t now_ms = when_monotonic_ms();

    if (kept->state == LIFE_UP && next != LIFE_UP) {
        if (now_ms - kept->up_since_ms >= LIFE_CALM_MS)
            kept->failures = 0;
    } else if (kept->state != LIFE_UP && next == LIFE_UP) {
        kept->up_since_ms = now_ms;
    }
}

void kept_happen(struct kept *kept, enum life_event event)
{
    struct life_step step = life_step(kept->state, event);

    count_health(kept, step.next);
    enter(kept, step.next);
    act(kept, step.act);
}

void kept_late(struct kept *kept)
{
    kept->deadline_ms = KEPT_NEVER;
    if (kept->state == LIFE_ENDING || kept->state == LIFE_RENEWING)
        keeping_incident(kept->keeping, name_of(kept), "did not end within %d s: killed",
                         END_MS / 1000);
    else if (life_runs(kept->state))
        keeping_incident(kept->keeping, name_of(kept), "hung, no beat for %d s: killed",
                         (int)(kept->state == LIFE_STARTING ? START_MS : kinds[kept->id].beat_ms) /
                             1000);
    kept_happen(kept, LIFE_LATE);
}

/* ---- hearing it ---- */

static void take_text(struct kept *kept, const char *text, size_t length)
{
    struct buf clean;

    buf_init(&clean, KEPT_TEXT_MAX - 1);
    text_clean(&clean, text, length, TEXT_ONE_LINE);
    set_text(kept, buf_text(&clean));
    kept->said = true;
    buf_done(&clean);
}

static void take_packet(struct kept *kept, const char *packet, size_t length)
{
    switch (packet[0]) {
    case 'R':
        kept_happen(kept, LIFE_READY);
        break;
    case 'B':
        kept_happen(kept, LIFE_BEAT);
        break;
    case 'U':
        take_text(kept, packet + 1, length - 1);
        kept_happen(kept, LIFE_SAYS_UP);
        break;
    case 'D':
        take_text(kept, packet + 1, length - 1);
        kept_happen(kept, LIFE_SAYS_DOWN);
        break;
    default:
        log_debug("%s sent a packet of no kind", name_of(kept));
    }
}

static void hang_up(struct kept *kept)
{
    fs_close(kept->fd);
    kept->fd = -1;
}

void kept_hear(struct kept *kept)
{
    char packet[KEPT_TEXT_MAX];

    for (int i = 0; i < PACKETS_A_TURN && kept->fd >= 0; i++) {
        ssize_t length = recv(kept->fd, packet, sizeof packet, MSG_DONTWAIT);
        if (length > 0)
            take_packet(kept, packet, (size_t)length);
        else if (length < 0 && errno == EINTR)
            continue;
        else if (length < 0 && errno == EAGAIN)
            return;
        else
            hang_up(kept);
    }
}

static void describe_end(const struct kept *kept, int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (kept->text[0] && kept->state == LIFE_DOWN)
        snprintf(text, size, "%s", kept->text);
    else
        snprintf(text, size, "ended by itself with exit status %d (the log says more)",
                 WEXITSTATUS(status));
}

void kept_died(struct kept *kept, int status)
{
    char text[KEPT_TEXT_MAX];

    kept_hear(kept); /* its last words */
    hang_up(kept);
    kept->pid = -1;
    if (kept->state == LIFE_STARTING || kept->state == LIFE_UP || kept->state == LIFE_DOWN) {
        describe_end(kept, status, text, sizeof text);
        if (kept->state != LIFE_DOWN || strcmp(text, kept->text) != 0 || kept->failures == 0)
            keeping_incident(kept->keeping, name_of(kept), "%s", text);
        set_text(kept, text);
    } else if (kept->state == LIFE_KILLING) {
        set_text(kept, "hung and was killed");
    } else {
        set_text(kept, "");
    }
    kept_happen(kept, LIFE_DIED);
}

void kept_send_config(struct kept *kept)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = (char[]){'C'}, .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);

    if (kept->fd < 0)
        return;
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(part), &kept->keeping->config_fd, sizeof(int));
    if (sendmsg(kept->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_errno("cannot hand the new configuration to %s", name_of(kept));
}
