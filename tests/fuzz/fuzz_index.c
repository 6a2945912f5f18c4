/* An index.tar.gz of a stranger, read for the catalogue and written anew. */
#include "base/log.h"
#include "mirror/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_file(void *context, enum index_kind kind, const char *package, const char *bytes,
                    size_t length)
{
    (void)context;
    (void)kind;
    (void)bytes;
    (void)length;
    if (strchr(package, '/') || !strchr(package, '.'))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int from = memfd_create("from", MFD_CLOEXEC), to = memfd_create("to", MFD_CLOEXEC);
    char from_path[40], to_path[40];
    struct index_copy *copy;
    struct index *index;

    log_open("fuzz", LOG_LEVEL_ERROR);
    snprintf(from_path, sizeof from_path, "/proc/self/fd/%d", from);
    snprintf(to_path, sizeof to_path, "/proc/self/fd/%d", to);
    if (write(from, data, size) == (ssize_t)size &&
        (index = index_open(from_path, on_file, NULL))) {
        if (index_step(index, 0) == 0) {
            copy = index_copy_open(from_path, to_path, index_repo(index));
            if (copy)
                index_copy_step(copy, 0);
            index_copy_close(copy);
        }
        index_close(index);
    }
    close(from);
    close(to);
    return 0;
}
