/*
 * start: the first lines of every service program.
 *
 * Under the keeper the configuration comes through descriptor 3 and the sockets are open; alone in
 * a terminal (`riad-web -c riad.conf`) the program reads the file and opens its sockets itself.
 * After config_start both are the same to the caller.
 */
#ifndef CONFIG_START_H
#define CONFIG_START_H

#include "base/service.h"
#include "config/config.h"

/*
 * Begins the service: arguments (-c FILE, --version, --help), service_begin, the configuration,
 * log level, time zone; when alone, the listening sockets of this service ("listen") as well.
 * 0; -1 with *status being the exit status to end with (0 after --help).
 */
int config_start(struct service *service, struct config *config, enum service_id id, int argc,
                 char **argv, int *status);

/* Takes up the new configuration after SERVICE_RELOAD. 0, or -1, logged: config is unchanged. */
int config_restart(struct service *service, struct config *config);

/* A sealed memfd that holds config, for the keeper to hand over. -1 with errno. */
int config_seal(const struct config *config);

#endif
