/*
 * carry: what `riad backup` and `riad export` take out of the box.
 *
 * In two steps, because whoever may open the store may not write everywhere, and root, who may,
 * opens no store. A child under the account of the box gathers everything in a work folder beside
 * the store; then it is copied into `DIRECTORY.incomplete` and that is renamed: DIRECTORY appears
 * whole or not at all. A work folder that was left by somebody who was killed is taken over.
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

/* For gather: a snapshot of the store as store/riad.db and of the drop as `drop`, of the same
 * moment, taken while nobody publishes. 0, or -1, logged. */
int carry_snapshot(struct carry *carry, const char *drop);

#endif
