#include "web/template.h"

#include "web/html.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_LENGTH 31

struct filling {
    struct buf *out;
    const struct template_value *values;
    size_t count;
};

static const struct template_value *value_of(const struct filling *filling, const char *name,
                                             size_t length)
{
    for (size_t i = 0; i < filling->count; i++) {
        const struct template_value *value = &filling->values[i];
        if (strlen(value->name) == length && memcmp(value->name, name, length) == 0)
            return value;
    }
    return NULL;
}

/* The end of the section `name` that begins at text: where its {{/name}} stands. */
static const char *section_end(const char *text, const char *end, const char *name, size_t length)
{
    char mark[NAME_MAX_LENGTH + 8];
    assert(length <= NAME_MAX_LENGTH);
    int mark_length = snprintf(mark, sizeof mark, "{{/%.*s}}", (int)length, name);
    const char *found = memmem(text, (size_t)(end - text), mark, (size_t)mark_length);
    assert(found != NULL);
    return found;
}

static int value_put(struct buf *out, const struct template_value *value)
{
    if (value->text == NULL)
        return 0;
    return value->html ? buf_puts(out, value->text) : html_text(out, value->text);
}

static int range_put(const struct filling *filling, const char *text, const char *end)
{
    while (text < end) {
        const char *hole = memmem(text, (size_t)(end - text), "{{", 2);
        if (hole == NULL)
            return buf_put(filling->out, text, (size_t)(end - text));
        if (buf_put(filling->out, text, (size_t)(hole - text)) == -1)
            return -1;
        bool section = hole[2] == '?' || hole[2] == '^';
        const char *name = hole + (section ? 3 : 2);
        const char *close = memmem(name, (size_t)(end - name), "}}", 2);
        assert(close != NULL);
        size_t length = (size_t)(close - name);
        const struct template_value *value = value_of(filling, name, length);
        assert(value != NULL);
        text = close + 2;
        if (!section) {
            if (value_put(filling->out, value) == -1)
                return -1;
            continue;
        }
        const char *last = section_end(text, end, name, length);
        bool there = value->text != NULL && value->text[0] != '\0';
        if (there == (hole[2] == '?') && range_put(filling, text, last) == -1)
            return -1;
        text = last + length + 5;
    }
    return 0;
}

int template_put(struct buf *out, const char *template, const struct template_value *values,
                 size_t count)
{
    struct filling filling = {.out = out, .values = values, .count = count};
    return range_put(&filling, template, template + strlen(template));
}
