/* Whatever text_clean makes of any bytes is safe, and cleaning it again changes nothing. */
#include "base/json.h"
#include "base/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf once, twice;

    buf_init(&once, size * 3 + 1);
    buf_init(&twice, size * 3 + 1);
    assert(text_clean(&once, data, size, TEXT_ONE_LINE) == 0);
    assert(text_is_utf8(once.data, once.len));
    assert(text_is_safe(once.data, once.len));
    assert(text_length(buf_text(&once)) <= once.len);
    text_has_rtl(buf_text(&once));
    buf_clear(&once);
    assert(text_clean(&once, data, size, TEXT_MANY_LINES) == 0);
    assert(text_clean(&twice, once.data, once.len, TEXT_MANY_LINES) == 0);
    assert(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
    buf_done(&once);
    buf_done(&twice);
    buf_init(&once, size * 6 + 64);
    json_bytes(&once, "key", data, size);
    assert(!once.overflowed && text_is_utf8(once.data, once.len));
    buf_done(&once);
    return 0;
}
