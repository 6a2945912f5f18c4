/*
 * ports: whether dnsmasq's ports can be had, before it is started, and who has them if not.
 */
#ifndef DHCP_PORTS_H
#define DHCP_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether somebody else has a port that this duty (dhcp/generate.h) needs on that address. True: a
 * sentence with the cure stands in out, which has size bytes. */
bool ports_taken(uint32_t address, const char *interface, unsigned duty, char *out, size_t size);

#endif
