/*
 * reload: a new configuration under a running box (SIGHUP).
 *
 * An invalid file is reported and the old one stays. What services can take up by themselves is
 * handed to them; what they cannot restarts only them; what only a full restart can change is
 * named and stays as it was.
 */
#ifndef SUPERVISOR_RELOAD_H
#define SUPERVISOR_RELOAD_H

#include "supervisor/kept.h"

/* Whether the configuration wants that service. */
bool reload_wanted(const struct config *config, enum service_id id);

/* Reads the file at path (as config_load) and brings keeping and the services to it. */
void reload(struct keeping *keeping, struct kept *services, const char *path);

#endif
