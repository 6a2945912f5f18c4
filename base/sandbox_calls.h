/*
 * sandbox_calls: the system calls that services may make, for sandbox.c only.
 *
 * Grouped by what they are for. What a processor does not have, its kernel's headers do not name:
 * calls that newer processors lack stand under #ifdef. Those of 32 bits have others for files,
 * memory and time; there the walls are Landlock, the account and its missing rights only.
 */
#ifndef BASE_SANDBOX_CALLS_H
#define BASE_SANDBOX_CALLS_H

#include <asm/sockios.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/*
 * What is refused of allowed calls where there are no children: what would reach beyond this
 * process without a socket or a signal of its own. To the kernel these arguments are ints.
 */
enum sandbox_refusal { REFUSE_BITS, REFUSE_VALUE, REFUSE_OTHERS };

#define VALUE_SELF  UINT32_MAX       /* our own process number */
#define VALUE_PROBE (UINT32_MAX - 1) /* what sandbox_calls was given */

struct sandbox_closer {
    int call;
    unsigned argument;
    enum sandbox_refusal refusal;
    uint32_t value;
};

#if __SIZEOF_POINTER__ == 8

/* clang-format off */

/* Every service: files within its walls, memory, threads, time, and sockets that it has already. */
static const int calls_common[] = {
    /* files */
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev,
    SYS_openat, SYS_openat2, SYS_close, SYS_fstat, SYS_newfstatat, SYS_statx,
    SYS_statfs, SYS_fstatfs, SYS_lseek, SYS_faccessat, SYS_faccessat2, SYS_readlinkat,
    SYS_getdents64, SYS_getcwd, SYS_fcntl, SYS_flock, SYS_ftruncate, SYS_fallocate, SYS_fsync,
    SYS_fdatasync, SYS_syncfs, SYS_sync_file_range, SYS_preadv2, SYS_pwritev2, SYS_fadvise64, SYS_renameat2, SYS_unlinkat, SYS_mkdirat,
    SYS_linkat, SYS_fchmod, SYS_fchown, SYS_utimensat, SYS_umask, SYS_dup,
    SYS_dup3, SYS_pipe2,
    SYS_copy_file_range, SYS_sendfile, SYS_splice, SYS_memfd_create, SYS_ioctl, SYS_inotify_init1,
    SYS_inotify_add_watch, SYS_inotify_rm_watch,
    /* memory and threads */
    SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_mincore, SYS_brk,
    SYS_membarrier, SYS_futex, SYS_set_robust_list, SYS_get_robust_list, SYS_rseq,
    SYS_set_tid_address, SYS_gettid, SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_getparam,
    SYS_sched_getscheduler, SYS_sched_get_priority_max, SYS_sched_get_priority_min, SYS_getcpu,
    SYS_exit, SYS_exit_group,
    /* ourselves */
    SYS_getpid, SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getresuid,
    SYS_getresgid, SYS_getgroups, SYS_getrusage, SYS_prlimit64, SYS_prctl, SYS_uname, SYS_sysinfo,
    SYS_times, SYS_getrandom, SYS_capget,
    /* signals and time */
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigtimedwait, SYS_rt_sigpending,
    SYS_sigaltstack, SYS_tgkill, SYS_restart_syscall, SYS_nanosleep, SYS_clock_nanosleep,
    SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday,
    /* waiting */
    SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_ppoll, SYS_pselect6, SYS_eventfd2,
    SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime, SYS_signalfd4,
    /* sockets that are there; a pair of our own reaches nobody */
    SYS_accept, SYS_accept4, SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg, SYS_sendto, SYS_sendmsg,
    SYS_sendmmsg, SYS_shutdown, SYS_setsockopt, SYS_getsockopt, SYS_getsockname, SYS_getpeername,
    SYS_socketpair,
#ifdef SYS_open
    SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_rename, SYS_unlink, SYS_mkdir,
    SYS_rmdir, SYS_link, SYS_dup2, SYS_pipe, SYS_poll, SYS_select, SYS_epoll_wait,
    SYS_time, SYS_getrlimit,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_arch_prctl
    SYS_arch_prctl,
#endif
#ifdef SYS_epoll_pwait2
    SYS_epoll_pwait2,
#endif
    -1,
};

/* Who reaches out: the fetcher, and riad-dhcp on the LAN. */
static const int calls_outward[] = {SYS_socket, SYS_connect, SYS_bind, SYS_listen, -1};

/* riad-web asks itself for a page every few seconds, over a socket made before, before it beats. */
static const int calls_probe[] = {SYS_connect, -1};

/* The account's other processes: signals, also those that tell of a descriptor; limits; a log that
 * is a terminal. */
static const struct sandbox_closer closer_alone[] = {
    {SYS_tgkill, 0, REFUSE_OTHERS, VALUE_SELF},
    {SYS_prlimit64, 0, REFUSE_OTHERS, 0},
    {SYS_fcntl, 1, REFUSE_VALUE, F_SETOWN},
    {SYS_fcntl, 1, REFUSE_VALUE, F_SETOWN_EX},
    {SYS_fcntl, 1, REFUSE_VALUE, F_SETSIG},
    {SYS_ioctl, 1, REFUSE_VALUE, FIOSETOWN},
    {SYS_ioctl, 1, REFUSE_VALUE, SIOCSPGRP},
    {SYS_ioctl, 1, REFUSE_VALUE, TIOCSTI},
    {SYS_ioctl, 1, REFUSE_VALUE, TIOCLINUX},
    {-1, 0, 0, 0},
};

/* And who does not reach out: MSG_FASTOPEN connects what was a client's or has listened, a pair of
 * datagrams sends to any socket that has a name, one of another family is two sockets of it before
 * the kernel sees that there is no such pair, and the probe stays the socket that it is. */
static const struct sandbox_closer closer_inward[] = {
    {SYS_sendto, 3, REFUSE_BITS, MSG_FASTOPEN},
    {SYS_sendmsg, 2, REFUSE_BITS, MSG_FASTOPEN},
    {SYS_sendmmsg, 3, REFUSE_BITS, MSG_FASTOPEN},
    {SYS_socketpair, 0, REFUSE_OTHERS, AF_UNIX},
    {SYS_socketpair, 1, REFUSE_BITS, SOCK_DGRAM},
    {SYS_connect, 0, REFUSE_OTHERS, VALUE_PROBE},
    {SYS_close, 0, REFUSE_VALUE, VALUE_PROBE},
    {SYS_dup3, 1, REFUSE_VALUE, VALUE_PROBE},
#ifdef SYS_dup2
    {SYS_dup2, 1, REFUSE_VALUE, VALUE_PROBE},
#endif
    {-1, 0, 0, 0},
};

/* Who has children: riad-dhcp, and what dnsmasq itself does, which inherits the filter. */
static const int calls_children[] = {
    SYS_clone, SYS_clone3, SYS_execve, SYS_wait4, SYS_waitid, SYS_pidfd_open, SYS_kill, SYS_setsid,
    SYS_setpgid, SYS_getpgid, SYS_getsid, SYS_capset, SYS_setgroups, SYS_setgid, SYS_setuid,
    SYS_setresuid, SYS_setresgid, SYS_chdir, SYS_setitimer, SYS_close_range,
    SYS_landlock_create_ruleset, SYS_landlock_add_rule, SYS_landlock_restrict_self,
#ifdef SYS_fork
    SYS_fork, SYS_vfork, SYS_getpgrp, SYS_alarm,
#endif
    -1,
};

/* clang-format on */

#else

static const int calls_common[] = {-1}, calls_outward[] = {-1}, calls_probe[] = {-1},
                 calls_children[] = {-1};
static const struct sandbox_closer closer_alone[] =
    {
        {-1, 0, 0, 0}
},
                                   closer_inward[] = {{-1, 0, 0, 0}};

#endif

#endif
