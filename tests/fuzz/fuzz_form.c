/* Forms, by all three of their types, and what pages make of a value. The first byte chooses. */
#include "web/form.h"
#include "web/html.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const char *const types[] = {"application/x-www-form-urlencoded", "application/json",
                                    "multipart/form-data; boundary=xyz"};

/* Nothing that would end an attribute or begin a tag may come out but of the writer itself. */
static void write_value(const char *value)
{
    struct buf out;
    buf_init(&out, 16 * FORM_MAX);
    assert(html_text(&out, value) == 0);
    assert(strpbrk(buf_text(&out), "<>\"'") == NULL);
    buf_clear(&out);
    html_words(&out, value);
    assert(strstr(buf_text(&out), "<script") == NULL);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct form form = {0};
    if (length == 0 || length > FORM_MAX)
        return 0;
    const char *type = types[bytes[0] % (sizeof types / sizeof types[0])];
    if (form_parse(&form, type, bytes + 1, length - 1) == 0)
        for (size_t i = 0; i < form.count; i++)
            write_value(form.field[i].value);
    assert(form.count <= FORM_FIELDS_MAX);
    form_done(&form);
    return 0;
}
