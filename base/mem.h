/*
 * mem: memory that is there.
 *
 * Every size that a stranger chooses is bounded before it gets here, so running out of memory is
 * not something a caller can mend: these functions never return NULL. They log one line and abort;
 * the keeper starts the service again. Memory is released with free(3).
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* size bytes, zeroed. size may be 0. */
void *mem_alloc(size_t size) __attribute__((returns_nonnull));

/* count elements of size bytes, zeroed; aborts if the product overflows. */
void *mem_array(size_t count, size_t size) __attribute__((returns_nonnull));

/* Like reallocarray(3); the new part is not zeroed. memory may be NULL. */
void *mem_resize(void *memory, size_t count, size_t size) __attribute__((returns_nonnull));

/* A copy of text, yours to free. NULL gives NULL. */
char *mem_dup(const char *text);

/* A copy of length bytes with a NUL behind them, yours to free. */
char *mem_dup_bytes(const void *bytes, size_t length);

/* printf(3) into memory that is yours to free. */
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
