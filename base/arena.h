/*
 * arena: many small pieces of memory that are forgotten together.
 *
 * Pieces are cut from large blocks; after arena_reset the same blocks are filled again, so that
 * whoever reads thousands of small files asks the system for memory once.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_block;

/* A zeroed struct arena is ready. */
struct arena {
    struct arena_block *blocks, *current;
};

/* size bytes, aligned for any pointer or integer and not zeroed; the arena's until arena_reset or
 * arena_done. Never NULL (base/mem.h). */
void *arena_alloc(struct arena *arena, size_t size);

/* Forgets every piece and keeps the blocks. */
void arena_reset(struct arena *arena);

/* Releases all of it; the struct is as zeroed. */
void arena_done(struct arena *arena);

#endif
