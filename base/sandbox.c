#include "base/sandbox.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/sandbox_calls.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The sanitizers trace their own process at its end and make calls of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

#define CAP(number) (UINT64_C(1) << (number))

/* Every service reads these: its libraries, time zones, accounts, the number of processors. */
static const char *const system_paths[] = {
    "/usr/lib",
    "/lib",
    "/lib64",
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/etc/ld.so.cache",
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/dev/urandom",
    "/proc/self",
    "/proc/sys/kernel/random/boot_id",
    "/sys/devices/system/cpu",
    NULL,
};

/* Who asks for names or certificates reads these, too. The resolver's file is replaced by rename
 * when the network changes, so that a rule for the file alone would lose it; the accounts of the
 * services may read nothing secret in /etc. */
static const char *const resolver_paths[] = {
    "/etc", /* as root: root_resolver_paths */
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/run/connman",
    NULL,
};

/* As root, when [box] user is empty, /etc holds what is secret: then single files and folders stand
 * in its place, and who replaces resolv.conf has to start the box again. */
static const char *const root_resolver_paths[] = {
    "/etc/resolv.conf", "/etc/hosts",    "/etc/host.conf", "/etc/gai.conf",        "/etc/services",
    "/etc/protocols",   "/etc/networks", "/etc/ssl",       "/etc/ca-certificates", NULL,
};

/* And riad-dhcp with dnsmasq, which inherits the walls: programs, the network's settings, the bus
 * on which Avahi listens. */
static const char *const network_paths[] = {
    "/usr/sbin",      "/usr/bin",     "/sbin",     "/bin",          "/proc",
    "/sys/class/net", "/sys/devices", "/run/dbus", "/var/run/dbus", NULL,
};

struct wall {
    const char *const *paths[4];            /* readable; a NULL ends them */
    const int *calls[4];                    /* allowed; a NULL ends them */
    const struct sandbox_closer *closer[3]; /* refused of these; a NULL ends them */
    uint64_t capabilities;                  /* kept, if the keeper left them */
    rlim_t descriptors;
};

/* clang-format off */
static const struct wall walls[SERVICE_COUNT] = {
    [SERVICE_CHAT] = {.paths = {system_paths}, .calls = {calls_common}, .closer = {closer_alone, closer_inward}, .descriptors = 8192},
    [SERVICE_WEB] = {.paths = {system_paths}, .calls = {calls_common, calls_probe}, .closer = {closer_alone, closer_inward}, .descriptors = 16384},
    [SERVICE_MIRROR] = {.paths = {system_paths, resolver_paths},
                        .calls = {calls_common, calls_outward},
                        .closer = {closer_alone},
                        .descriptors = 1024},
    [SERVICE_DHCP] = {.paths = {system_paths, resolver_paths, network_paths},
                      .calls = {calls_common, calls_outward, calls_children},
                      .capabilities = CAP(CAP_NET_ADMIN) | CAP(CAP_NET_RAW) |
                                      CAP(CAP_NET_BIND_SERVICE) | CAP(CAP_SETGID),
                      .descriptors = 1024},
};
/* clang-format on */

/* ---- Landlock ---- */

/* Rights that newer headers name; their numbers are the kernel's. */
#define ACCESS_REFER    (UINT64_C(1) << 13) /* from ABI 2 */
#define ACCESS_TRUNCATE (UINT64_C(1) << 14) /* from ABI 3 */

/* What may be written may not be run. */
#define READ_FILE  (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE)
#define READ_RIGHT (READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_FILE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE)
#define WRITE_RIGHT                                                                                \
    (WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR |                    \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |  \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | ACCESS_REFER)
/* Nobody needs these, not even where it may write. */
#define NO_RIGHT                                                                                   \
    (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | \
     LANDLOCK_ACCESS_FS_MAKE_SYM)

static int ruleset_fd = -1;

static uint64_t known_rights(long abi)
{
    uint64_t rights = LANDLOCK_ACCESS_FS_EXECUTE | WRITE_RIGHT | NO_RIGHT;

    if (abi < 2)
        rights &= ~ACCESS_REFER;
    if (abi < 3)
        rights &= ~ACCESS_TRUNCATE;
    return rights;
}

/* Opens one path to this process. What does not exist is left out. 0 or -1, logged. */
static int allow(const char *path, enum sandbox_access access, uint64_t known)
{
    struct landlock_path_beneath_attr rule = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
    bool write = access == SANDBOX_WRITE;
    struct stat st;
    int result;

    if (rule.parent_fd < 0)
        return 0;
    if (fstat(rule.parent_fd, &st) == 0 && S_ISDIR(st.st_mode))
        rule.allowed_access = write ? WRITE_RIGHT : READ_RIGHT;
    else
        rule.allowed_access = write ? WRITE_FILE : READ_FILE;
    rule.allowed_access &= known;
    result = (int)syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    if (result < 0)
        log_errno("cannot open %s within the walls", path);
    fs_close(rule.parent_fd);
    return result;
}

static int allow_list(const char *const *paths, uint64_t known)
{
    for (; *paths != NULL; paths++)
        if (allow(*paths, SANDBOX_READ, known) < 0)
            return -1;
    return 0;
}

static int allow_all(const struct wall *wall, const struct sandbox_path *paths, size_t count,
                     uint64_t known)
{
    for (size_t list = 0; wall->paths[list] != NULL; list++) {
        bool secrets = wall->paths[list] == resolver_paths && geteuid() == 0;
        if (secrets && allow_list(root_resolver_paths, known) < 0)
            return -1;
        if (allow_list(wall->paths[list] + (secrets ? 1 : 0), known) < 0)
            return -1;
    }
    for (size_t i = 0; i < count; i++)
        if (allow(paths[i].path, paths[i].access, known) < 0)
            return -1;
    return allow("/dev/null", SANDBOX_WRITE, known);
}

static int confine_files(const struct wall *wall, const struct sandbox_path *paths, size_t count)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct landlock_ruleset_attr attr = {.handled_access_fs = known_rights(abi)};
    int result = -1;

    if (abi < 1) {
        log_info("this kernel has no Landlock: files are guarded by their owners and modes only");
        return 0;
    }
    ruleset_fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (ruleset_fd < 0) {
        log_errno("cannot build walls");
        return -1;
    }
    if (allow_all(wall, paths, count, attr.handled_access_fs) == 0) {
        result = (int)syscall(SYS_landlock_restrict_self, ruleset_fd, 0);
        if (result < 0)
            log_errno("cannot step behind the walls");
    }
    fs_close(ruleset_fd);
    ruleset_fd = -1;
    return result;
}

/* ---- rights and limits ---- */

/* Whatever capabilities there are beyond those of the service go. */
static int drop_capabilities(uint64_t kept)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &head, data) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        uint32_t part = (uint32_t)(kept >> (32 * i));

        data[i].effective &= part;
        data[i].permitted &= part;
        data[i].inheritable &= part;
    }
    return (int)syscall(SYS_capset, &head, data);
}

static int limit(const struct wall *wall)
{
    struct rlimit none = {0}, files;

    if (setrlimit(RLIMIT_CORE, &none) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
        return -1;
    files.rlim_cur = files.rlim_max < wall->descriptors ? files.rlim_max : wall->descriptors;
    return setrlimit(RLIMIT_NOFILE, &files);
}

int sandbox_files(enum service_id id, const struct sandbox_path *paths, size_t count)
{
    const struct wall *wall = &walls[id];

    if (limit(wall) < 0 || drop_capabilities(wall->capabilities) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        (!SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)) {
        log_errno("cannot give up rights");
        return -1;
    }
    return confine_files(wall, paths, count);
}

/* ---- system calls ---- */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#define ARCHITECTURE 0 /* see sandbox_calls.h: no filter there */
#endif

#define FILTER_MAX 1024

struct filter {
    struct sock_filter code[FILTER_MAX];
    unsigned short length;
};

static void add(struct filter *filter, struct sock_filter instruction)
{
    assert(filter->length < FILTER_MAX);
    filter->code[filter->length++] = instruction;
}

static void load(struct filter *filter, size_t offset)
{
    add(filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void give(struct filter *filter, uint32_t action)
{
    add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* If the value that was loaded is this one: that action. */
static void decide(struct filter *filter, uint32_t value, uint32_t action)
{
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
    give(filter, action);
}

static void look_closer(struct filter *filter, const struct sandbox_closer *closer, int probe)
{
    uint32_t value = closer->value == VALUE_SELF    ? (uint32_t)getpid()
                     : closer->value == VALUE_PROBE ? (uint32_t)probe
                                                    : closer->value;
    unsigned test = closer->refusal == REFUSE_BITS ? BPF_JSET : BPF_JEQ;
    bool others = closer->refusal == REFUSE_OTHERS;

    add(filter,
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)closer->call, 0, 4));
    load(filter, offsetof(struct seccomp_data, args) + 8 * closer->argument);
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, value, others, !others));
    give(filter, SECCOMP_RET_ERRNO | EPERM);
    load(filter, offsetof(struct seccomp_data, nr));
}

/* Threads yes, processes no. clone3's flags lie in memory, where a filter cannot look: the C
 * library falls back to clone when there is no clone3. */
static void add_threads(struct filter *filter)
{
    decide(filter, SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4));
    load(filter, offsetof(struct seccomp_data, args[0]));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1));
    give(filter, SECCOMP_RET_ALLOW);
    give(filter, SECCOMP_RET_ERRNO | EPERM);
}

static void build(struct filter *filter, const struct wall *wall, int probe)
{
    bool children = false;

    load(filter, offsetof(struct seccomp_data, arch));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    give(filter, SECCOMP_RET_KILL_PROCESS);
    load(filter, offsetof(struct seccomp_data, nr));
    for (size_t list = 0; wall->closer[list] != NULL; list++)
        for (size_t i = 0; wall->closer[list][i].call != -1; i++)
            look_closer(filter, &wall->closer[list][i], probe);
    for (size_t list = 0; wall->calls[list] != NULL; list++) {
        children |= wall->calls[list] == calls_children;
        for (size_t i = 0; wall->calls[list][i] != -1; i++)
            decide(filter, (uint32_t)wall->calls[list][i], SECCOMP_RET_ALLOW);
    }
    if (!children)
        add_threads(filter);
    give(filter, SECCOMP_RET_ERRNO | EPERM);
}

int sandbox_calls(enum service_id id, int probe)
{
    static struct filter filter;
    struct sock_fprog program = {.filter = filter.code};

    if (SANITIZED || ARCHITECTURE == 0) {
        log_info("system calls are not filtered on this processor, or in this build");
        return 0;
    }
    filter.length = 0;
    build(&filter, &walls[id], probe);
    program.len = filter.length;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0)
        return 0;
    if (errno == ENOSYS || errno == EINVAL) {
        log_info("this kernel does not filter system calls");
        return 0;
    }
    log_errno("cannot filter system calls");
    return -1;
}
