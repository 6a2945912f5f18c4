#include "base/mem.h"
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *there(void *memory, size_t size)
{
    if (memory == NULL) {
        log_error("out of memory (%zu bytes wanted)", size);
        abort();
    }
    return memory;
}

void *mem_alloc(size_t size)
{
    return there(calloc(1, size == 0 ? 1 : size), size);
}

void *mem_array(size_t count, size_t size)
{
    return there(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size), count);
}

void *mem_resize(void *memory, size_t count, size_t size)
{
    if (count == 0 || size == 0)
        count = size = 1;
    return there(reallocarray(memory, count, size), count);
}

char *mem_dup(const char *text)
{
    return text == NULL ? NULL : mem_dup_bytes(text, strlen(text));
}

char *mem_dup_bytes(const void *bytes, size_t length)
{
    char *copy = there(malloc(length + 1), length);

    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

char *mem_printf(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    return there(text, 0);
}
