#include "web/html.h"

#include "base/when.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

typedef int writer(struct buf *out, const char *text);

static void expect(writer *write, const char *text, const char *result)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(write(&out, text), 0);
    assert_string_equal(buf_text(&out), result);
    buf_done(&out);
}

static void text_is_escaped(void **state)
{
    (void)state;
    expect(html_text, "", "");
    expect(html_text, "plain", "plain");
    expect(html_text, "<script>alert('1')</script>",
           "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;");
    expect(html_text, "\" onload=x & y", "&quot; onload=x &amp; y");
    expect(html_text, "\xc3\xa9\xe2\x82\xac", "\xc3\xa9\xe2\x82\xac");
}

static void a_nul_is_replaced(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 64);
    assert_int_equal(html_bytes(&out, "a\0b", 3), 0);
    assert_string_equal(buf_text(&out), "a\xef\xbf\xbd"
                                        "b");
    buf_done(&out);
}

static void words_become_links(void **state)
{
    (void)state;
    expect(html_words, "see http://a/b.",
           "see <a rel=\"noreferrer noopener\" target=_blank "
           "href=\"http://a/b\">http://a/b</a>.");
    expect(html_words, "(https://x)",
           "(<a rel=\"noreferrer noopener\" target=_blank "
           "href=\"https://x\">https://x</a>)");
    expect(html_words, "javascript:alert(1) http:// xhttp://a",
           "javascript:alert(1) http:// "
           "xhttp://a");
    expect(html_words, "http://a/\"onclick=x",
           "<a rel=\"noreferrer noopener\" target=_blank href=\"http://a/\">http://a/</a>&quot;"
           "onclick=x");
    expect(html_words, "http://a/?b&c='d",
           "<a rel=\"noreferrer noopener\" target=_blank "
           "href=\"http://a/?b&amp;c=&#39;d\">http://a/?b&amp;c=&#39;d</a>");
}

static void a_full_buffer_fails(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 6);
    assert_int_equal(html_text(&out, "a<b<"), -1);
    buf_clear(&out);
    assert_int_equal(html_words(&out, "http://a"), -1);
    buf_done(&out);
}

static void times_have_their_day_when_it_is_another(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 200);
    when_set_zone("UTC");
    assert_int_equal(html_time(&out, 1000, 2000), 0);
    assert_string_equal(buf_text(&out),
                        "<time datetime=\"1970-01-01T00:00:01+00:00\">00:00</time>");
    buf_clear(&out);
    assert_int_equal(html_time(&out, 1000, 86400000), 0);
    assert_string_equal(buf_text(&out),
                        "<time datetime=\"1970-01-01T00:00:01+00:00\">1970-01-01 00:00</time>");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(a_nul_is_replaced),
        cmocka_unit_test(words_become_links),
        cmocka_unit_test(a_full_buffer_fails),
        cmocka_unit_test(times_have_their_day_when_it_is_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
