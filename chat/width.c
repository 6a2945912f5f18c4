#include "chat/width.h"
#include "base/text.h"

#include <utf8proc.h>

/* How far back the beginning of a cluster may lie; longer ones are cut there. */
#define LONGEST_CLUSTER 128

static int columns_of(uint32_t code)
{
    int columns = utf8proc_charwidth((utf8proc_int32_t)code);

    return columns < 0 ? 0 : columns > 2 ? 2 : columns;
}

size_t width_cluster(const char *bytes, size_t length, int *columns)
{
    const uint8_t *text = (const uint8_t *)bytes;
    utf8proc_int32_t state = 0;
    uint32_t code, next;
    size_t at = text_decode(text, length, &code);

    *columns = columns_of(code);
    while (at < length && at < LONGEST_CLUSTER) {
        size_t more = text_decode(text + at, length - at, &next);

        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)code, (utf8proc_int32_t)next,
                                             &state))
            break;
        /* U+FE0F asks for the emoji; two regional indicators are a flag. */
        if ((next == 0xFE0F || (next >= 0x1F1E6 && next <= 0x1F1FF)) && *columns == 1)
            *columns = 2;
        else if (columns_of(next) > *columns)
            *columns = columns_of(next);
        at += more;
        code = next;
    }
    return at;
}

size_t width_before(const char *bytes, size_t at)
{
    size_t from = at > LONGEST_CLUSTER ? at - LONGEST_CLUSTER : 0;
    size_t begin;
    int columns;

    while (from < at && ((uint8_t)bytes[from] & 0xC0) == 0x80)
        from++;
    /* A line feed always ends a cluster: begin behind the last one. */
    for (size_t i = from; i + 1 < at; i++)
        if (bytes[i] == '\n')
            from = i + 1;
    begin = from;
    while (from < at) {
        begin = from;
        from += width_cluster(bytes + from, at - from, &columns);
    }
    return begin;
}

size_t width_text(const char *bytes, size_t length)
{
    size_t total = 0;
    int columns;

    for (size_t at = 0; at < length; total += (size_t)columns)
        at += width_cluster(bytes + at, length - at, &columns);
    return total;
}

size_t width_fit(const char *bytes, size_t length, size_t columns)
{
    size_t at = 0, used = 0;

    while (at < length) {
        int more;
        size_t taken = width_cluster(bytes + at, length - at, &more);

        if (used + (size_t)more > columns)
            break;
        used += (size_t)more;
        at += taken;
    }
    return at;
}
