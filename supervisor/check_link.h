/*
 * check_link: whether a host across the link answers.
 */
#ifndef SUPERVISOR_CHECK_LINK_H
#define SUPERVISOR_CHECK_LINK_H

#include <stddef.h>

/* NULL if the host of that http or https URL accepts a connection within a few seconds; else why
 * not, yours to free. */
char *check_link(const char *url);

/* The host and port (a number as text) of a URL. 0, or -1 if it is none, or its host is too long.
 */
int check_link_parse(const char *url, char *host, size_t host_size, char *port, size_t port_size);

#endif
