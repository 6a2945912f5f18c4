#include "supervisor/command.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/when.h"
#include "supervisor/carry.h"
#include "supervisor/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char restore_text[] =
    "This is a backup of a riad box, taken %s by riad " RIAD_VERSION ".\n"
    "\n"
    "  riad.conf          the configuration\n"
    "  store/riad.db      people, words, sign-ins, the index of files, leases\n"
    "  drop/              the shared files\n"
    "  keys/host_ed25519  the SSH host key: whoever has it can pretend to be the box\n"
    "  notice.txt         the notice, if there is one; [box] notice says where it was\n"
    "\n"
    "To restore it, with the box stopped and on any machine with this or a newer riad, as root:\n"
    "\n"
    "  systemctl stop riad\n"
    "  install -m 0644 riad.conf /etc/riad/riad.conf     # and look at [box] state and user in it\n"
    "  mkdir -p /var/lib/riad && cd /var/lib/riad\n"
    "  mv store store.old; mv drop drop.old; mv keys keys.old     # what was there, if anything\n"
    "  cp -a BACKUP/store BACKUP/drop BACKUP/keys .\n"
    "  chown -R riad:riad store drop && chmod 2770 store && chmod 660 store/riad.db\n"
    "  chmod 2750 drop && chown -R root:root keys && chmod 700 keys\n"
    "  systemctl start riad\n"
    "\n"
    "Where the box runs as one user, copying riad.conf, store, drop and keys is enough. The "
    "mirror's\n"
    "cache is not in the backup: it fills again by itself.\n";

static int gather(struct carry *carry)
{
    return carry_snapshot(carry, "drop");
}

/* A file that perhaps only root may read; it may be missing, or a link. */
static int add_file(const char *path, int to, const char *as)
{
    char *real = realpath(path, NULL);
    int result = 0;
    if (!real && errno != ENOENT) {
        log_errno("cannot read %s, which belongs into a backup", path);
        result = -1;
    } else if (real && tree_copy_file(AT_FDCWD, real, to, as) < 0) {
        result = -1;
    }
    free(real);
    return result;
}

static int add_key(struct carry *carry)
{
    char *path = config_path(carry->config, "keys/host_ed25519");
    int keys = tree_folder(carry->folder, "keys", true);
    int result = keys < 0 ? -1 : add_file(path, keys, "host_ed25519");
    fs_close(keys);
    free(path);
    return result;
}

static int add_text(struct carry *carry)
{
    char now[WHEN_MAX];
    when_rfc3339(when_wall_ms(), now);
    int fd = openat(carry->folder, "RESTORE.txt", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || dprintf(fd, restore_text, now) < 0) {
        log_errno("cannot write RESTORE.txt");
        fs_close(fd);
        return -1;
    }
    fs_close(fd);
    return 0;
}

static int finish(struct carry *carry)
{
    const char *notice = carry->config->box.notice;
    if (carry->config_file && add_file(carry->config_file, carry->folder, "riad.conf"))
        return -1;
    if (*notice && add_file(notice, carry->folder, "notice.txt"))
        return -1;
    return add_key(carry) || add_text(carry) ? -1 : 0;
}

static int run(struct command_line *line)
{
    const char *file = config_find(line->config_path);

    if (carry_out(&line->config, file, line->words[0], gather, finish))
        return EXIT_FAILURE;
    printf("backup complete in %s; RESTORE.txt there says how to put it back\n", line->words[0]);
    return EXIT_SUCCESS;
}

const struct command command_backup = {
    .name = "backup",
    .words = "DIRECTORY",
    .least = 1,
    .most = 1,
    .summary = "a consistent copy of everything worth keeping, taken while the box runs",
    .help = "DIRECTORY must not exist yet, or be empty; it appears whole or not at all. It holds\n"
            "the configuration, the store, the shared files and the SSH host key, so keep it\n"
            "where only you can read it. RESTORE.txt within says how to put it back. The\n"
            "mirror's cache is left out: it fills again by itself.\n",
    .run = run,
};
