#include "web/html.h"

#include "base/when.h"

#include <stdbool.h>
#include <string.h>

static const char *reference_of(char byte)
{
    switch (byte) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\0':
        return "\xef\xbf\xbd"; /* U+FFFD: a NUL is not allowed in HTML */
    default:
        return NULL;
    }
}

int html_bytes(struct buf *out, const void *bytes, size_t length)
{
    const char *text = bytes;
    size_t plain = 0; /* where the bytes that need nothing begin */
    for (size_t i = 0; i < length; i++) {
        const char *reference = reference_of(text[i]);
        if (reference == NULL)
            continue;
        if (buf_put(out, text + plain, i - plain) == -1 || buf_puts(out, reference) == -1)
            return -1;
        plain = i + 1;
    }
    return buf_put(out, text + plain, length - plain);
}

int html_text(struct buf *out, const char *text)
{
    return html_bytes(out, text, strlen(text));
}

/* How many bytes at text are a web address; 0 none. */
static size_t address_at(const char *text)
{
    size_t scheme = 0;
    if (strncmp(text, "http://", 7) == 0)
        scheme = 7;
    else if (strncmp(text, "https://", 8) == 0)
        scheme = 8;
    else
        return 0;
    size_t length = strcspn(text, " \t\r\n\"<>`");
    while (length > scheme && strchr(".,;:!?)]}'", text[length - 1]) != NULL)
        length--;
    return length > scheme ? length : 0;
}

static int link_put(struct buf *out, const char *address, size_t length)
{
    if (buf_puts(out, "<a rel=\"noreferrer noopener\" target=_blank href=\"") == -1 ||
        html_bytes(out, address, length) == -1 || buf_puts(out, "\">") == -1 ||
        html_bytes(out, address, length) == -1)
        return -1;
    return buf_puts(out, "</a>");
}

int html_words(struct buf *out, const char *text)
{
    bool word_begins = true;
    while (*text != '\0') {
        size_t length = word_begins ? address_at(text) : 0;
        if (length > 0 ? link_put(out, text, length) == -1 : html_bytes(out, text, 1) == -1)
            return -1;
        text += length > 0 ? length : 1;
        word_begins = strchr(" \t\r\n(<[\"'", text[-1]) != NULL;
    }
    return 0;
}

int html_time(struct buf *out, int64_t wall_ms, int64_t now_ms)
{
    char full[WHEN_MAX], day[WHEN_MAX], today[WHEN_MAX], clock[WHEN_MAX];
    when_rfc3339(wall_ms, full);
    when_day(wall_ms, day);
    when_day(now_ms, today);
    when_clock(wall_ms, clock);
    bool other_day = strcmp(day, today) != 0;
    return buf_printf(out, "<time datetime=\"%s\">%s%s%s</time>", full, other_day ? day : "",
                      other_day ? " " : "", clock);
}
