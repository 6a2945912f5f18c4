/*
 * template: a page with holes.
 *
 *     {{name}}                  the value of that name
 *     {{?name}} ... {{/name}}   only if the value is there and not empty
 *     {{^name}} ... {{/name}}   only if it is not
 *
 * Values are text, escaped here, unless they say that they are HTML, which only the code that made
 * them from escaped parts may say. A hole without a value is a defect of the page: an assert. Pure.
 */
#ifndef WEB_TEMPLATE_H
#define WEB_TEMPLATE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct template_value {
    const char *name;
    const char *text; /* NULL is empty */
    bool html;        /* already HTML: put as it is */
};

/* A row of a table of values. */
#define TEMPLATE_TEXT(hole, value)                                                                 \
    {                                                                                              \
        .name = (hole), .text = (value), .html = false                                             \
    }
#define TEMPLATE_HTML(hole, value)                                                                 \
    {                                                                                              \
        .name = (hole), .text = (value), .html = true                                              \
    }

/* Appends template with its holes filled. 0, or -1 if out is full. */
int template_put(struct buf *out, const char *template, const struct template_value *values,
                 size_t count);

#endif
