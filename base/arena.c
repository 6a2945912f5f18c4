#include "base/arena.h"

#include "base/mem.h"

#include <stdlib.h>

#define BLOCK_SIZE ((size_t)64 * 1024)
#define ALIGNMENT  ((size_t)8)

struct arena_block {
    struct arena_block *next;
    size_t size, used;
    char *bytes;
};

static struct arena_block *block_new(size_t size)
{
    struct arena_block *block = mem_alloc(sizeof *block);

    block->size = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    block->bytes = mem_alloc(block->size);
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    struct arena_block **link = arena->current ? &arena->current : &arena->blocks;
    void *memory;

    size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    while (*link && (*link)->size - (*link)->used < size)
        link = &(*link)->next;
    if (!*link)
        *link = block_new(size);
    arena->current = *link;
    memory = (*link)->bytes + (*link)->used;
    (*link)->used += size;
    return memory;
}

void arena_reset(struct arena *arena)
{
    for (struct arena_block *block = arena->blocks; block; block = block->next)
        block->used = 0;
    arena->current = NULL;
}

void arena_done(struct arena *arena)
{
    struct arena_block *next;

    for (struct arena_block *block = arena->blocks; block; block = next) {
        next = block->next;
        free(block->bytes);
        free(block);
    }
    *arena = (struct arena){0};
}
