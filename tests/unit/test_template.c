#include "web/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static const struct template_value values[] = {
    {.name = "name", .text = "<ada>"},
    {.name = "list", .text = "<li>",  .html = true},
    {.name = "empty",              .text = ""              },
    {.name = "none",              .text = NULL },
};

static void expect(const char *template, const char *result)
{
    struct buf out;
    buf_init(&out, 256);
    assert_int_equal(template_put(&out, template, values, 4), 0);
    assert_string_equal(buf_text(&out), result);
    buf_done(&out);
}

static void holes_are_filled(void **state)
{
    (void)state;
    expect("", "");
    expect("no holes { } {", "no holes { } {");
    expect("a {{name}} b", "a &lt;ada&gt; b");
    expect("{{list}}{{name}}{{none}}{{empty}}", "<li>&lt;ada&gt;");
}

static void sections_depend_on_values(void **state)
{
    (void)state;
    expect("{{?name}}yes {{name}}{{/name}}!", "yes &lt;ada&gt;!");
    expect("{{?none}}yes{{/none}}{{?empty}}yes{{/empty}}", "");
    expect("{{^none}}no{{/none}} {{^name}}no{{/name}}", "no ");
    expect("{{?name}}a{{?list}}b{{^empty}}c{{/empty}}{{/list}}d{{/name}}e", "abcde");
    expect("{{?none}}{{?name}}x{{/name}}{{/none}}y", "y");
}

static void a_value_is_not_a_template(void **state)
{
    (void)state;
    struct template_value sly = {.name = "name", .text = "{{secret}}"};
    struct buf out;
    buf_init(&out, 256);
    assert_int_equal(template_put(&out, "{{name}}", &sly, 1), 0);
    assert_string_equal(buf_text(&out), "{{secret}}");
    buf_done(&out);
}

static void a_full_buffer_fails(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4);
    assert_int_equal(template_put(&out, "{{name}}", values, 4), -1);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holes_are_filled),
        cmocka_unit_test(sections_depend_on_values),
        cmocka_unit_test(a_value_is_not_a_template),
        cmocka_unit_test(a_full_buffer_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
