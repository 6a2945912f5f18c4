/*
 * account: as whom a process runs.
 *
 * Started as root, the keeper and the commands act as the account that the configuration names;
 * started by anybody else, or with an empty name, everything runs as the caller.
 */
#ifndef SUPERVISOR_ACCOUNT_H
#define SUPERVISOR_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ACCOUNT_MAX_GROUPS 32

struct account {
    bool change; /* false: stay who we are; the rest is then the caller's */
    uid_t uid;
    gid_t gid;
    gid_t groups[ACCOUNT_MAX_GROUPS];
    int group_count;
};

/*
 * Finds out as whom to run: the account called name when we are root and name is not empty, else
 * the caller. group is the other account whose group it should be in, or NULL. 0; -1 if there is no
 * such account, logged with the line that makes it.
 */
int account_find(struct account *account, const char *name, const char *group);

/* The same without a word: 1, 0 there is no such account, -1 failed, logged. */
int account_lookup(struct account *account, const char *name);

/* The command that makes an account for a service, in the other account's group too unless that is
 * NULL; yours to free: `useradd --system ... NAME`. */
char *account_useradd(const char *name, const char *group);

/* Becomes the account for good: groups, group, user. 0, or -1, logged. */
int account_become(const struct account *account);

#endif
