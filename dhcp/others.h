/*
 * others: when to ask for other DHCP servers, and what the last question found.
 *
 * At first, and again whenever the network may be another one (others_forget), the question is due
 * at once; then every 5 minutes. A device that takes an offer of somebody else is a reason to ask
 * now, but no more often than every 30 s: whoever shouts other servers' names has us do no more.
 *
 * The clock alone: asking is the probe's (probe.h), and what follows from the answer is lan's.
 * Pure; every time is monotonic and passed in.
 */
#ifndef DHCP_OTHERS_H
#define DHCP_OTHERS_H

#include "dhcp/probe.h"

#include <stdbool.h>
#include <stdint.h>

#define OTHERS_AGAIN_MS (5 * 60 * 1000)
#define OTHERS_RIVAL_MS 30000

struct others {
    bool decided;               /* server says whether another server is there */
    struct probe_server server; /* address 0: nobody answered */
    bool asking;
    int64_t next_ms, rival_ms; /* to ask; the next rival is heard from then on */
};

/* What was found holds no longer, and a question that runs is off. All zero is forgotten, too. */
void others_forget(struct others *others);

/* A question that runs is off, and due again; what was found before stays. */
void others_interrupt(struct others *others);

/* Whether to begin to ask now; the question runs from then on. */
bool others_due(struct others *others, int64_t now_ms);

/* A device took the offer of a server that is not ours. */
void others_rival(struct others *others, int64_t now_ms);

/* The question is over. Takes what it found. */
void others_found(struct others *others, const struct probe_server *found, int64_t now_ms);

#endif
