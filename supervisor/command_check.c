#include "supervisor/command.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "supervisor/account.h"
#include "supervisor/check_firewall.h"
#include "supervisor/check_link.h"
#include "supervisor/hostkey.h"
#include "supervisor/published.h"
#include "supervisor/reload.h"
#include "supervisor/show.h"
#include "supervisor/sockets.h"
#include "supervisor/spawn.h"
#include "supervisor/state.h"
#include "supervisor/who.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Less than this free, and the first larger file fails. */
#define DISK_LITTLE (INT64_C(1) << 30)

struct check {
    const struct command_line *line;
    const struct config *config;
    bool repair;
    bool running;  /* a box runs on this state folder: its ports are its own */
    size_t faults; /* of what would keep the box, or a service, from running */
};

/* ---- saying it ---- */

static void say(enum show_style style, const char *word, const char *format, va_list arguments)
{
    printf("%s%s%s: ", show_style(style), word, show_style(SHOW_PLAIN));
    vprintf(format, arguments);
    putchar('\n');
}

/* Something that keeps the box or a service from running, and what to do. */
__attribute__((format(printf, 2, 3))) static void fault(struct check *check, const char *format,
                                                        ...)
{
    va_list arguments;

    check->faults++;
    va_start(arguments, format);
    say(SHOW_BAD, "fault", format, arguments);
    va_end(arguments);
}

/* Something to know, with which the box runs all the same. */
__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(SHOW_WARN, "note", format, arguments);
    va_end(arguments);
}

/* Something that --repair has mended. */
__attribute__((format(printf, 1, 2))) static void mended(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(SHOW_GOOD, "mended", format, arguments);
    va_end(arguments);
}

/* ---- the checks, in the order in which they are made ---- */

static void check_account(struct check *check, const char *name, const char *group)
{
    struct account account;
    char *useradd;

    if (!*name || geteuid() != 0 || account_lookup(&account, name) == 1)
        return;
    useradd = account_useradd(name, group);
    fault(check, "there is no account `%s`; make it with: %s", name, useradd);
    free(useradd);
}

static void check_accounts(struct check *check)
{
    const struct config *config = check->config;

    check_account(check, config->box.user, NULL);
    if (*config->box.user && strcmp(config->box.user, config->dhcp.user) != 0)
        check_account(check, config->dhcp.user, config->box.user);
}

static void check_programs(struct check *check)
{
    for (int id = 0; id < SERVICE_COUNT; id++) {
        char *path = spawn_find((enum service_id)id);
        if (!path && reload_wanted(check->config, (enum service_id)id))
            fault(check, "the program riad-%s is missing; install riad again",
                  service_name((enum service_id)id));
        free(path);
    }
}

static void check_clock(struct check *check)
{
    if (!when_machine_is_set())
        fault(check, "the clock is not set: it is earlier than this program was made; set it with "
                     "date(1) or let it find a time server");
}

static void check_disk(struct check *check)
{
    const struct config *config = check->config;
    char *at = mem_dup(config->box.state), *slash;
    char text[WHEN_MAX], reserve_text[WHEN_MAX];
    int64_t available, total, reserve;

    /* The state folder itself may not be there yet. */
    while (access(at, F_OK) < 0 && (slash = strrchr(at, '/')) && slash != at)
        *slash = '\0';
    if (fs_space(access(at, F_OK) == 0 ? at : ".", &available, &total) == 0) {
        reserve = config_reserve(config, total);
        when_size_text(available, text);
        when_size_text(reserve, reserve_text);
        if (available <= reserve)
            fault(check,
                  "%s of the disk are free, and %s of them are kept back ([box] reserve): "
                  "nothing can be uploaded or cached; make room",
                  text, reserve_text);
        else if (available - reserve < DISK_LITTLE)
            note("only %s of the disk are free (%s of them kept back by [box] reserve)", text,
                 reserve_text);
    }
    free(at);
}

static bool is_made(const char *path, bool make)
{
    if (access(path, F_OK) == 0)
        return true;
    return make && fs_make_folders(path, 0755) == 0;
}

/* What the box could not do there, tried as the account under which services run. */
static void check_state(struct check *check)
{
    const char *state = check->config->box.state;
    struct account account;

    if (!is_made(state, check->repair)) {
        char *parent = mem_dup(state), *slash = strrchr(parent, '/');
        if (slash)
            *(slash == parent ? slash + 1 : slash) = '\0';
        if (slash && access(parent, F_OK) == 0 && access(parent, W_OK) < 0)
            fault(check,
                  "the state folder %s cannot be made: %s; make it, or choose another with "
                  "[box] state",
                  state, strerror(errno));
        free(parent);
        return;
    }
    if (access(state, W_OK | X_OK) < 0) {
        fault(check,
              "the state folder %s cannot be written: %s; give it to this user, or choose "
              "another with [box] state",
              state, strerror(errno));
        return;
    }
    if (!check->repair || check->running || account_lookup(&account, check->config->box.user) < 1)
        return;
    if (state_make(check->config, &account, NULL) == 0)
        mended("the folders in %s are there", state);
}

/* What the services need of it, tried as the account that they run as. */
static void check_owner(struct check *check)
{
    struct account account;
    char *obstacle = NULL;

    if (account_lookup(&account, check->config->box.user) == 1)
        obstacle = state_obstacle(check->config, &account);
    if (obstacle)
        fault(check, "%s", obstacle);
    free(obstacle);
}

static void check_store(struct check *check)
{
    struct account account;
    char *path = config_path(check->config, "store/riad.db"), *finding = NULL;
    enum state_look found = STATE_LOOK_WELL;

    if (account_lookup(&account, check->config->box.user) == 1)
        found = state_look(check->config, &account, &finding);
    if (found == STATE_LOOK_NEWER) {
        fault(check, "the store %s was made by a newer riad; install that one again", path);
    } else if (found == STATE_LOOK_DAMAGED) {
        if (!check->repair || check->running)
            fault(check,
                  "the store %s is damaged (%s); put a backup in its place, or `riad check "
                  "--repair` on a stopped box sets it aside",
                  path, finding);
        else if (state_store(check->config, &account, true) != STATE_STORE_FAILED)
            mended("the damaged store was set aside beside %s, and a new one begins", path);
        else
            fault(check, "the store %s is damaged (%s) and could not be set aside", path, finding);
    }
    free(finding);
    free(path);
}

static void check_hostkey(struct check *check)
{
    char *path = config_path(check->config, "keys/host_ed25519");
    struct hostkey key = {0};

    if (access(path, R_OK) == 0 && hostkey_load(&key, path) < 0)
        fault(check, "the SSH host key %s cannot be used; put it back from a backup", path);
    hostkey_done(&key);
    free(path);
}

/* All addresses of a service: one that cannot be had is worth a note, only all are a fault. Those
 * that can stay open, in held: two services may name the same one. */
static void check_listen(struct check *check, const char *service, const struct config_list *list,
                         int *held)
{
    union listen_address address;
    struct buf reasons;
    size_t taken = 0;

    buf_init(&reasons, 4096);
    for (size_t i = 0; i < list->count; i++) {
        int fd = listen_parse(list->item[i], &address) < 0 ? -1 : listen_open(&address);
        if (fd < 0) {
            char *reason = sockets_reason(&address, errno);
            buf_printf(&reasons, "%s%s", taken++ ? "; " : "", reason);
            free(reason);
        }
        held[i] = fd;
    }
    if (taken > 0 && taken == list->count)
        fault(check, "%s cannot listen: %s; free it or choose another address in [%s] listen",
              service, buf_text(&reasons), service);
    else if (taken > 0)
        note("%s listens on fewer addresses: %s", service, buf_text(&reasons));
    buf_done(&reasons);
}

static void check_ports(struct check *check)
{
    int held[2 * LISTEN_MAX];

    if (check->running)
        return;
    memset(held, -1, sizeof held);
    if (check->config->chat.enabled)
        check_listen(check, "chat", &check->config->chat.listen, held);
    if (check->config->web.enabled)
        check_listen(check, "web", &check->config->web.listen, held + LISTEN_MAX);
    for (size_t i = 0; i < 2 * LISTEN_MAX; i++)
        fs_close(held[i]);
}

static void check_notice(struct check *check)
{
    const char *path = check->config->box.notice;

    if (*path && access(path, R_OK) < 0)
        note("the notice %s cannot be read: %s", path, strerror(errno));
}

/* The box works without its link, and fills what it can from its cache: worth a note only. */
static void check_upstreams(struct check *check)
{
    for (size_t i = 0; i < check->config->mirror_count; i++) {
        const struct config_mirror *mirror = &check->config->mirror[i];
        for (size_t url = 0; mirror->enabled && url < mirror->upstream.count; url++) {
            char *reason = check_link(mirror->upstream.item[url]);
            if (reason)
                note("the mirror's upstream cannot be reached now: %s (what is cached is served)",
                     reason);
            free(reason);
        }
    }
}

static void check_filter(struct check *check)
{
    char *finding = check_firewall(check->config);

    if (finding)
        note("%s", finding);
    free(finding);
}

/* A box that runs knows best what keeps a service of it from running. */
static void check_services(struct check *check)
{
    struct published box;

    if (!check->running || published_read(&box, check->config) < 0)
        return;
    for (int id = 0; id < SERVICE_COUNT; id++) {
        const struct published_service *service = &box.services[id];
        if (reload_wanted(check->config, (enum service_id)id) && !published_serves(service))
            fault(check, "%s is %s%s%s", service_name((enum service_id)id), service->state,
                  *service->text ? ": " : "", service->text);
    }
}

/* Who has the port that a finding of riad-dhcp's is about: ` (NAME, pid N)`, yours to free. */
static char *holder_in(const char *finding)
{
    static const char *const texts[] = {"0.0.0.0:53", "0.0.0.0:67"};
    union listen_address address;
    char *holder = NULL, *text;

    for (int i = 0; i < 2 && !holder; i++) {
        const char *port = strrchr(texts[i], ':') + 1;
        if (strncmp(finding, "port ", 5) != 0 || strncmp(finding + 5, port, 2) != 0 ||
            listen_parse(texts[i], &address) < 0)
            continue;
        holder = who_listens(WHO_UDP, &address);
        if (!holder)
            holder = who_listens(WHO_TCP, &address);
    }
    text = holder ? mem_printf(" (it is %s)", holder) : mem_dup("");
    free(holder);
    return text;
}

static void tell_finding(struct check *check, const char *line)
{
    const char *text = strncmp(line, "problem: ", 9) == 0 ? line + 9 : line;
    char *holder = holder_in(text);

    if (strncmp(line, "note: ", 6) == 0)
        note("%s", line + 6);
    else if (*line)
        fault(check, "%s%s", text, holder);
    free(holder);
}

/* The LAN is riad-dhcp's: it prints its findings, each as a `problem: ` or a `note: `. While the
 * box runs, what it would find there is the box itself. */
static void check_lan(struct check *check)
{
    char *program = spawn_find(SERVICE_DHCP), *command, line[1024];
    FILE *findings = NULL;

    if (!program || check->running || !*check->config->lan.interface)
        goto out;
    if (check->line->config_path)
        setenv("RIAD_CONF", check->line->config_path, 1);
    command = mem_printf("exec '%s' --check", program);
    fflush(stdout);
    findings = popen(command, "re"); /* the path is our own, found beside us */
    free(command);
    while (findings && fgets(line, sizeof line, findings)) {
        line[strcspn(line, "\n")] = '\0';
        tell_finding(check, line);
    }
    if (findings && pclose(findings) == -1)
        log_errno("cannot ask riad-dhcp about the LAN");
out:
    free(program);
}

static int run(struct command_line *line)
{
    static void (*const checks[])(struct check *) = {
        check_accounts, check_programs, check_clock,   check_disk,     check_state,
        check_owner,    check_store,    check_hostkey, check_ports,    check_upstreams,
        check_filter,   check_lan,      check_notice,  check_services,
    };
    struct check check = {.line = line, .config = &line->config};
    pid_t holder = state_holder(&line->config);

    check.repair = command_given(line, "repair");
    check.running = holder > 0;
    if (check.running)
        note("the box is running (pid %d)%s", (int)holder,
             check.repair ? "; nothing of its state is repaired now" : "");
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        checks[i](&check);
    if (check.faults == 0 && show_terminal())
        puts("nothing keeps the box from running here");
    return check.faults ? EXIT_FAILURE : EXIT_SUCCESS;
}

const struct command command_check = {
    .name = "check",
    .summary = "what would keep the box from running here, and what to do, a line each",
    .help =
        "Looks at accounts, programs, clock, disk, state folder, store, host key, ports (and who\n"
        "holds them), the mirror's upstream, a firewall and, with [lan] set, the network. A line "
        "that\n"
        "starts with `fault` keeps the box or a service from running; one that starts with\n"
        "`note` is worth knowing. Exit status: 0 without faults, 1 with, 2 for a bad\n"
        "configuration.\n",
    .options = {{.name = "repair", .help = "mend what can be mended: folders, a damaged store"}},
    .run = run,
};
