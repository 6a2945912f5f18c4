/* What `riad status` reads of run/status.json, and the host key's file: any bytes at all. */
#include "base/mem.h"
#include "supervisor/hostkey.h"
#include "supervisor/published.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct published *published = mem_alloc(sizeof *published);
    char *text = mem_dup_bytes(data, size);
    uint8_t public[HOSTKEY_PUBLIC];

    (void)published_parse(published, text);
    (void)hostkey_parse(text, public);
    free(text);
    free(published);
    return 0;
}
