/*
 * pulse: whether dnsmasq still answers.
 *
 * It is asked for the box's own name every few seconds, over the box's own address. One that has
 * answered before, then does not for as long as a service may be silent, and has used no processor
 * time meanwhile, hangs: it is killed, and child.h has it started again. One that has used some is
 * busy, with a flood of questions perhaps, and is left alone. Where it answers no DNS ([dns] off)
 * nothing is known of it.
 */
#ifndef DHCP_PULSE_H
#define DHCP_PULSE_H

#include "dhcp/child.h"

struct pulse {
    int fd;    /* connected to it; -1 */
    pid_t pid; /* of the process that it is about */
    uint16_t id;
    bool proven;               /* that one has answered */
    int64_t since_ms, next_ms; /* monotonic: of the first question without an answer, 0 none */
    uint64_t used;             /* its processor time then, in ticks */
};

void pulse_init(struct pulse *pulse);
void pulse_close(struct pulse *pulse);

/* Once a second: takes answers, asks for name, judges. child answers DNS at that address. */
void pulse_step(struct pulse *pulse, const struct child *child, uint32_t address, const char *name,
                int64_t now_ms);

#endif
