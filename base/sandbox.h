/*
 * sandbox: all that a service gives up, side by side.
 *
 * sandbox.c holds one table with a row for each service: the subtrees that it may read or write
 * (Landlock), the system calls that it may make (seccomp, an allow-list), its limits (setrlimit(2))
 * and the capabilities that it keeps. Everywhere: no new privileges, no core dumps, not dumpable.
 * Where the kernel lacks one of these, that is one line in the log, and the service goes on.
 *
 * Two steps, because Landlock belongs to a thread and must come before a library starts its
 * threads, while a filter on system calls comes after what may happen only at the start:
 * sandbox_files, then the threads, then sandbox_calls, which reaches all threads (TSYNC).
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include "base/service.h"

#include <stddef.h>

enum sandbox_access { SANDBOX_READ, SANDBOX_WRITE };

struct sandbox_path {
    const char *path; /* a folder or file; left out if it does not exist */
    enum sandbox_access access;
};

/* Confines this thread, and those that it will start, to these paths and to what each service
 * needs of the system (certificates, time zones, resolver, its libraries). 0, or -1, logged. */
int sandbox_files(enum service_id id, const struct sandbox_path *paths, size_t count);

/* Confines all threads to the system calls of this service; call when everything is open.
 * 0, or -1, logged. A call beyond them fails with EPERM; clone may make threads only, and a signal
 * goes to this process only, unless the service has children. probe is the one socket that may
 * still connect, and cannot be closed any more, where the service opens none; -1: there is none. */
int sandbox_calls(enum service_id id, int probe);

#endif
