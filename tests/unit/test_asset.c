#include "web/asset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static void expect(const char *source, const char *squeezed)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(asset_squeeze(&out, source, strlen(source)), 0);
    assert_string_equal(buf_text(&out), squeezed);
    buf_done(&out);
}

static void sources_are_squeezed(void **state)
{
    (void)state;
    expect("", "");
    expect("a\n\n  b\n\tc", "a\nb\nc");
    expect("// why\na // stays\n  // why not\nb\n", "a // stays\nb\n");
    expect("/* two\n   lines */\n.a { b: c } /* stays */\n", ".a { b: c } /* stays */\n");
    expect("<!-- no -->\n<p>\n", "<p>\n");
    expect("// at the end", "");
    expect("   ", "");
}

static void addresses_are_by_content(void **state)
{
    (void)state;
    struct asset_found found;
    asset_open();
    const char *address = asset_address("style.css");
    assert_memory_equal(address, "/page/style-", 12);
    assert_string_equal(address + strlen(address) - 4, ".css");
    assert_int_equal(asset_find(address + 6, &found), 1);
    assert_true(found.current);
    assert_string_equal(found.type, "text/css; charset=utf-8");
    assert_memory_equal(found.packed, "\x1f\x8b", 2);
    assert_true(found.packed_length < found.length);
    assert_int_equal(asset_find("style-0123456789.css", &found), 1);
    assert_false(found.current);
    assert_int_equal(asset_find("riad-1.js", &found), 1);
    static const char *const none[] = {
        "", "style.css", "style-.js", "home.html", "home-1.html", "../style-1.css", "x", ".css"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(asset_find(none[i], &found), 0);
    assert_non_null(strstr(asset_template("frame.html"), "{{body}}"));
    asset_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_are_squeezed),
        cmocka_unit_test(addresses_are_by_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
