/*
 * progress: watching a prefetch, in bytes.
 *
 * What has come and how long an archive is are in the rows of the flights; of those that still
 * wait, sources are asked (supervisor/lengths.h) once it is clear that there is something to wait
 * for. Where no length is known, the mean of the others stands for it, and the total says `about`.
 */
#ifndef SUPERVISOR_PROGRESS_H
#define SUPERVISOR_PROGRESS_H

#include "supervisor/mirrors.h"

/* Shows how far those archives are that were not here, until all have come or failed, or somebody
 * interrupts; says which failed, and why. The command's exit status. */
int progress_watch(struct mirrors *mirrors, struct mirrors_archive *archives, size_t count);

#endif
