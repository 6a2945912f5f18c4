/*
 * anew: a store that is ready to be opened, made anew of what can be read where it is damaged.
 *
 * The damaged store stays in its place until all of it is saved (in riad.db.anew), and one that is
 * saved waits under a name that says so (riad.db.saved) until the damaged one has been set aside
 * (riad.db.damaged-TIME). Whoever is killed meanwhile, by a service manager that finds that a start
 * takes long, begins again or goes on from there, and never with an empty store.
 */
#ifndef SUPERVISOR_ANEW_H
#define SUPERVISOR_ANEW_H

#include <stdbool.h>

/* As the account of the box: creates or migrates the store at path, after having looked for damage,
 * thorough: however large it is. 0; 1, logged: a new one has taken the place of a damaged one; -1,
 * logged. */
int anew_prepare(const char *path, bool thorough);

#endif
