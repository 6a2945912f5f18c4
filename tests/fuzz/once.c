/* Runs a fuzz target over the files given, once each: every seed is a test, without clang. */
#include "base/buf.h"
#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED_MAX (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    struct buf seed;

    buf_init(&seed, SEED_MAX);
    for (int i = 1; i < argc; i++) {
        uint8_t *exact;

        buf_clear(&seed);
        if (fs_read_file(argv[i], &seed) < 0) {
            perror(argv[i]);
            return 1;
        }
        /* Of exactly its size, so that the address sanitizer sees a read beyond it. */
        exact = malloc(seed.len > 0 ? seed.len : 1);
        memcpy(exact, seed.data, seed.len);
        LLVMFuzzerTestOneInput(exact, seed.len);
        free(exact);
    }
    buf_done(&seed);
    return 0;
}
