/* The head of an HTTP response, line by line; and paths of archives as clients ask for them. */
#include "mirror/checksum.h"
#include "mirror/range.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const char *line, size_t length)
{
    char text[CHECKSUM_TEXT], path[300] = "";
    struct checksum sum;

    if (length >= sizeof path)
        return;
    memcpy(path, line, length);
    if (checksum_parse_path(path, &sum) < 0)
        return;
    checksum_path(&sum, text);
    if (strstr(text, "..") || strlen(text) >= sizeof text)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct response response;

    response_init(&response);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end ? (size_t)(end - data) + 1 : size;

        response_line(&response, (const char *)data, length, 1000);
        ask((const char *)data, length);
        data += length;
        size -= length;
    }
    if (response.status < 0 || response.status > 599 || response.retry_after > RESPONSE_WAIT_MAX ||
        response_whole(&response) < -1)
        abort();
    return 0;
}
