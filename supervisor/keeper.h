/*
 * keeper: `riad run`.
 *
 * Opens what needs rights, starts a process for each service, and keeps them alive until it is told
 * to end. It runs as whoever started the box, often root, and parses nothing that anybody else
 * wrote but one line of text from each service. One thread, one epoll; it wakes when a service
 * speaks, a deadline passes or a signal comes.
 */
#ifndef SUPERVISOR_KEEPER_H
#define SUPERVISOR_KEEPER_H

#include "config/config.h"

/*
 * Runs the box with config, which it takes over; path is the file to read again at SIGHUP, as for
 * config_load. Returns when the box has ended: the program's exit status.
 */
int keeper_run(struct config *config, const char *path);

#endif
