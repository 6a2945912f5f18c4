#include "supervisor/account.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

char *account_useradd(const char *name, const char *group)
{
    return mem_printf("useradd --system --user-group%s%s --no-create-home --home-dir /nonexistent "
                      "--shell /usr/sbin/nologin %s",
                      group ? " --groups " : "", group ? group : "", name);
}

static void log_missing(const char *name, const char *group)
{
    char *line = account_useradd(name, group);

    log_error("there is no account `%s` to run as; make it with: %s", name, line);
    free(line);
}

int account_lookup(struct account *account, const char *name)
{
    const struct passwd *entry;

    *account = (struct account){.uid = geteuid(), .gid = getegid()};
    if (geteuid() != 0 || !*name)
        return 1;
    entry = getpwnam(name);
    if (!entry)
        return 0;
    account->change = true;
    account->uid = entry->pw_uid;
    account->gid = entry->pw_gid;
    account->group_count = ACCOUNT_MAX_GROUPS;
    if (getgrouplist(name, entry->pw_gid, account->groups, &account->group_count) < 0) {
        log_error("account `%s` is in more than %d groups", name, ACCOUNT_MAX_GROUPS);
        return -1;
    }
    return 1;
}

int account_find(struct account *account, const char *name, const char *group)
{
    int found = account_lookup(account, name);

    if (found == 0)
        log_missing(name, group);
    return found == 1 ? 0 : -1;
}

int account_become(const struct account *account)
{
    if (!account->change)
        return 0;
    if (setgroups((size_t)account->group_count, account->groups) < 0 ||
        setresgid(account->gid, account->gid, account->gid) < 0 ||
        setresuid(account->uid, account->uid, account->uid) < 0) {
        log_errno("cannot become account number %d", (int)account->uid);
        return -1;
    }
    return 0;
}
