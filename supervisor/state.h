/*
 * state: the state folder, as the keeper makes and guards it.
 *
 *     STATE/          the keeper's, 0755: no service may rename what lies in it
 *       store/        2770, of the services' account: riad.db
 *       drop/         2750, likewise
 *       mirror/       2750, likewise
 *       keys/         0700, the keeper's: host_ed25519
 *       run/          0755, the keeper's: status.json for anybody who asks, and the lock
 *       run/dhcp/     2750, of riad-dhcp's account: what it generates for dnsmasq
 *
 * Folders that are there already keep their owner and mode, but for a run/ and keys/ that others
 * could write, and a host key that others could read: these are taken back. The lock is an advisory
 * one (F_OFD_SETLK in fcntl(2)) on run/lock, which holds the keeper's process id; it goes with the
 * process, however that ends.
 */
#ifndef SUPERVISOR_STATE_H
#define SUPERVISOR_STATE_H

#include "config/config.h"
#include "supervisor/account.h"

#include <sys/types.h>

/* Makes the folders. dhcp may be NULL when that account is missing: run/dhcp/ is then left out.
 * 0, or -1, logged in one sentence. */
int state_make(const struct config *config, const struct account *box, const struct account *dhcp);

/* Takes the lock. The descriptor that holds it; -1, logged: another box has it (and which process
 * that is), or the folder cannot be written. *unclean: the last box did not end in order. */
int state_lock(const struct config *config, bool *unclean);
/* Says that this box ended in order, and gives the lock back. */
void state_unlock(int lock);

/* The process id of the box that runs on this state folder; 0 none; -1 it cannot be read (errno).
 */
pid_t state_holder(const struct config *config);

/* What came of the store. */
enum state_store {
    STATE_STORE_FAILED = -1, /* logged */
    STATE_STORE_READY,
    STATE_STORE_ANEW, /* it was damaged: a new one was made of it, then it was set aside; logged */
};

/* Creates and migrates the store in a child under that account, which opens what nobody else
 * should; the clock of this process then is the box's (identity/clock.h). thorough: look for damage
 * however large it is. */
enum state_store state_store(const struct config *config, const struct account *box, bool thorough);

/* What is the matter with the store, if anything. */
enum state_look { STATE_LOOK_WELL, STATE_LOOK_DAMAGED, STATE_LOOK_NEWER };

/* Looks through the store in a child under that account, since what lies beside it has been written
 * by the services, and SQLite believes it. *finding: what is damaged, fit to be shown, yours to
 * free; NULL otherwise. */
enum state_look state_look(const struct config *config, const struct account *box, char **finding);

/* What of the state that is there the services could not use, tried as their account: a folder of
 * somebody else's, a store that is no file. A sentence with what to do, yours to free; NULL if
 * nothing hinders. */
char *state_obstacle(const struct config *config, const struct account *box);

#endif
