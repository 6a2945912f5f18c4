/*
 * sizes: how long archives are that nobody has fetched yet.
 *
 * `riad prefetch` starts riad-mirror a second time, with one more descriptor: a stream socket named
 * `sizes`. It writes the names of flights (`ALGO:HEX`), a line each, shuts its side down, and reads
 * lines `ALGO:HEX BYTES` as they are learnt, in any order; the end of the stream is the end of the
 * answers. What is not answered is not known.
 *
 * The sources of an archive are asked in the order of a flight: with HEAD, and where that tells no
 * length, for the first byte alone, whose Content-Range does. A few at once, over connections that
 * are kept; a host that asks for a pause or keeps silent is left alone; and it all ends when
 * nothing has been learnt for a while. What a host says is shown, never relied on.
 */
#ifndef MIRROR_SIZES_H
#define MIRROR_SIZES_H

#include "base/service.h"
#include "mirror/flights.h"

/* The name of the descriptor in RIAD_FDS. */
#define SIZES_FD "sizes"

/* Reads the names from fd, and answers until all are known, or nothing more is to be learnt, or the
 * service is to stop. with needs neither store nor cache. 0, or -1, logged. */
int sizes_answer(const struct flights_with *with, struct service *service, int fd);

#endif
