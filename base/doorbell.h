/*
 * doorbell: "look into the store".
 *
 * An eventfd(2) for each service. Ringing never waits and carries nothing: whoever is rung reads
 * the events after the last one that it has seen.
 */
#ifndef BASE_DOORBELL_H
#define BASE_DOORBELL_H

#include <stdbool.h>

/* A new doorbell, non-blocking and close-on-exec; -1 with errno. */
int doorbell_open(void);

/* Rings; fd may be -1. A bell that has been rung and not been heard stays rung. */
void doorbell_ring(int fd);

/* Whether it was rung since the last call; clears it. */
bool doorbell_heard(int fd);

#endif
