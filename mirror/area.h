/*
 * area: where the bytes of an archive lie while it arrives: in a file, and where the disk has no
 * room for them, in memory.
 *
 * What is in memory is passed on to those who wait (mirror/pass.h). An area grows at its end, and
 * asks before it takes room: so a disk is never filled beyond what the box reserves.
 */
#ifndef MIRROR_AREA_H
#define MIRROR_AREA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who decides about room. */
struct area_room {
    /* How many bytes may be written to the disk now, bytes or more; 0 not even those. */
    int64_t (*disk)(void *context, int64_t bytes);
    /* Whether so many bytes more may lie in memory. */
    bool (*memory)(void *context, int64_t bytes);
    void *context;
};

struct area {
    char *path;
    int fd; /* -1 nothing is there */
    bool in_memory;
    int64_t size;
    int64_t granted; /* bytes that may still be written before room is asked for again */
    const struct area_room *room;
};

/* An area at path; no file is made yet. room: NULL takes the disk as it comes. */
void area_init(struct area *area, char *path_take, const struct area_room *room);
/* Closes it; a file stays. */
void area_done(struct area *area);

/* Opens the file if there is one; its bytes are taken for written. 0 or -1 with errno. */
int area_open(struct area *area);

/* Appends bytes. 0, or -1 with errno (ENOSPC: there is room for them nowhere) and what was written
 * before counted in size. */
int area_put(struct area *area, const void *bytes, size_t length);

/* Takes what is here into memory, if it is not there yet; the file goes. 0 or -1 with errno. */
int area_lift(struct area *area);

/* Has what is in memory on the disk; room has been made. 0; -1 with errno: it stays in memory. */
int area_lower(struct area *area);

/* Removes the file, or releases the memory. */
void area_clear(struct area *area);

#endif
