/*
 * carry: what `riad backup` and `riad export` take out of the box.
 *
 * In two steps, because whoever may open the store may not write everywhere, and root, who may,
 * opens no store. A child under the account of the box gathers everything in a work folder beside
 * the store; then it is copied into `DIRECTORY.incomplete` and that is renamed: DIRECTORY appears
 * whole or not at all. A work folder that was left by somebody who was killed is taken over, or
 * removed when the box starts: it holds everybody's words.
 */
#ifndef SUPERVISOR_CARRY_H
#define SUPERVISOR_CARRY_H

#include "config/config.h"
#include "identity/store.h"

/* What both steps are given. */
struct carry {
    const struct config *config;
    const char *config_file; /* NULL: none was read */
    const char *path;        /* gather: of the work folder */
    int folder;              /* gather: the work folder; finish: the incomplete result */
    void *context;
};

/* 0, or -1, logged. */
typedef int carry_step(struct carry *carry);

/*
 * Carries out to directory, which must not exist or be empty: gather fills the work folder in a
 * child, finish (NULL: nothing) adds what only the caller can read. 0, or -1, told.
 */
int carry_out(const struct config *config, const char *config_file, const char *directory,
              carry_step *gather, carry_step *finish);

/* The work folder, below the store's. */
#define CARRY_WORK ".carrying"

/* Takes the turn, a lock on the store's folder: one at a time works there, and what a `riad reset`
 * empties nobody carries out. 1, and *turn, which gives it back when it is closed; 0 somebody else
 * has it; -1, logged. */
int carry_turn(const struct config *config, int *turn);
#define CARRY_BUSY "another `riad backup`, `riad export` or `riad reset` is at work"

/* Removes what somebody who was killed has left; as an account that may write beside the store. */
void carry_tidy(const struct config *config);

/* For gather: a snapshot of the store as store/riad.db and of the drop as `drop`, of the same
 * moment, taken while nobody publishes. 0, or -1, logged. */
int carry_snapshot(struct carry *carry, const char *drop);

#endif
