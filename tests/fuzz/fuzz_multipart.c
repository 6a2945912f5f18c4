/* Forms as strangers write them. The first byte says in pieces of which size the rest is fed: the
 * result must not depend on it. */
#include "base/buf.h"
#include "web/multipart.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int begin(void *context, const char *name)
{
    assert(*name != '\0' && strlen(name) < MULTIPART_NAME_MAX);
    buf_printf(context, "<%s>", name);
    return 0;
}

static int bytes(void *context, const void *piece, size_t length)
{
    assert(length > 0);
    buf_put(context, piece, length);
    return 0;
}

static int end(void *context)
{
    buf_puts(context, "|");
    return 0;
}

static void parse(const uint8_t *data, size_t size, size_t piece, struct buf *seen)
{
    static const struct multipart_calls calls = {begin, bytes, end};
    struct multipart *m = multipart_new("XX", &calls, seen);
    int result = 0;
    for (size_t at = 0; at < size && result == 0; at += piece)
        result = multipart_feed(m, data + at, size - at < piece ? size - at : piece);
    buf_printf(seen, "%d%d", result, multipart_complete(m));
    multipart_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char boundary[MULTIPART_BOUNDARY_MAX];
    struct buf whole, pieces;
    if (size == 0)
        return 0;
    buf_init(&whole, 1 << 20);
    buf_init(&pieces, 1 << 20);
    parse(data + 1, size - 1, SIZE_MAX / 2, &whole);
    parse(data + 1, size - 1, 1 + data[0] % 64, &pieces);
    assert(whole.len == pieces.len && memcmp(whole.data, pieces.data, whole.len) == 0);
    buf_clear(&whole);
    buf_put(&whole, data, size);
    multipart_boundary(buf_text(&whole), boundary);
    buf_done(&whole);
    buf_done(&pieces);
    return 0;
}
