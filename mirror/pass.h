/*
 * pass: archives that the disk has no room for, from the fetcher to riad-web.
 *
 * Their bytes lie in memory of the fetcher's (mirror/area.h). The keeper makes a pair of sockets,
 * named `pass`, one end for each service; whenever more of an archive may be shown, the fetcher
 * sends a note with the descriptor of that memory. Each note says all: one that is lost, or that
 * comes while riad-web is away, is made up for by the next. Nothing waits.
 */
#ifndef MIRROR_PASS_H
#define MIRROR_PASS_H

#include "mirror/checksum.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes in memory, of all archives on their way together. */
#define PASS_MAX ((int64_t)64 << 20)

struct pass_note {
    int64_t length;           /* of the archive, -1 not known */
    bool whole;               /* all of it is there and verified */
    char name[CHECKSUM_TEXT]; /* of the flight */
};

/* Sends a note about the memory fd, which stays the caller's. 0, or -1: it did not get through. */
int pass_send(int channel, const struct pass_note *note, int fd);

/* Takes the next note. Its descriptor, yours to close; -1: there is none now. */
int pass_receive(int channel, struct pass_note *note);

#endif
