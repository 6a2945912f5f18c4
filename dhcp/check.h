/*
 * check: `riad-dhcp --check -c FILE`, for `riad check`.
 *
 * Looks at everything that could go wrong with the network here, changes nothing, and prints a
 * line each:
 *
 *     problem: TEXT     keeps [lan] from working, with what to do
 *     note: TEXT        worth knowing
 *
 * Exit status 0: no problem; 1: at least one. With `[lan] interface` empty it prints nothing. It
 * needs root (or the rights of riad-dhcp) to ask the network, and says so otherwise. It takes up
 * to 6 s, since that is how long other DHCP servers may take to answer.
 */
#ifndef DHCP_CHECK_H
#define DHCP_CHECK_H

#include <stdbool.h>

/* Whether the first argument is --check. */
bool check_is_wanted(int argc, char **argv);

/* Carries it out. Returns the exit status; 2 for a bad configuration. */
int check_run(int argc, char **argv);

#endif
