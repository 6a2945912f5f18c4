/* Names of files as strangers write them: whatever is accepted is safe, stable and stays beneath.
 */
#include "base/text.h"
#include "drop/path.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[DROP_PATH_MAX], again[DROP_PATH_MAX], folder[DROP_PATH_MAX];

    if (drop_path_check((const char *)data, size, path) != DROP_PATH_GOOD)
        return 0;
    assert(strlen(path) < DROP_PATH_MAX && *path != '/' && *path != '.');
    assert(!strstr(path, "/.") && !strstr(path, "//"));
    assert(text_is_safe(path, strlen(path)));
    assert(drop_path_check(path, strlen(path), again) == DROP_PATH_GOOD);
    assert(strcmp(path, again) == 0);
    drop_path_numbered(path, 1000, again);
    assert(strlen(again) < DROP_PATH_MAX && strlen(drop_path_name(again)) <= DROP_NAME_MAX);
    drop_path_folder(path, folder);
    free(drop_path_fold(path));
    return 0;
}
