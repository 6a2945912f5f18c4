#include "base/buf.h"
#include "base/mem.h"

#include "scratch.h"

static void grows_to_its_maximum(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_puts(&buf, "0123456789"), 0);
    assert_int_equal(buf.len, 1000);
    assert_false(buf.overflowed);
    assert_int_equal(buf_putc(&buf, 'x'), -1);
    assert_true(buf.overflowed);
    assert_int_equal(buf.len, 1000);
    assert_int_equal(strlen(buf_text(&buf)), 1000);
    buf_clear(&buf);
    assert_false(buf.overflowed);
    assert_string_equal(buf_text(&buf), "");
    buf_done(&buf);
    buf_done(&buf);
}

static void a_refused_put_changes_nothing(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 5);
    assert_int_equal(buf_puts(&buf, "abc"), 0);
    assert_int_equal(buf_puts(&buf, "def"), -1);
    assert_int_equal(buf_printf(&buf, "%d", 1234), -1);
    assert_string_equal(buf_text(&buf), "abc");
    assert_int_equal(buf_printf(&buf, "%d", 12), 0);
    assert_string_equal(buf_text(&buf), "abc12");
    assert_int_equal(buf_put(&buf, NULL, 0), 0);
    buf_done(&buf);
    buf_init(&buf, 0);
    assert_int_equal(buf_putc(&buf, 1), -1);
    assert_string_equal(buf_text(&buf), "");
    buf_done(&buf);
}

static void consumes_and_cuts(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    buf_put(&buf, "a\0bcdef", 7);
    buf_consume(&buf, 2);
    assert_string_equal(buf_text(&buf), "bcdef");
    buf_truncate(&buf, 9);
    buf_truncate(&buf, 3);
    assert_string_equal(buf_text(&buf), "bcd");
    buf_consume(&buf, 99);
    assert_int_equal(buf.len, 0);
    buf_done(&buf);
}

static void gives_its_bytes_away(void **state)
{
    struct buf buf;
    char *text;

    (void)state;
    buf_init(&buf, 10);
    buf_puts(&buf, "mine");
    text = buf_take(&buf);
    assert_string_equal(text, "mine");
    assert_int_equal(buf_puts(&buf, "0123456789"), 0);
    assert_int_equal(buf_putc(&buf, 'x'), -1);
    free(text);
    buf_done(&buf);
}

static void memory_is_there(void **state)
{
    char *text = mem_printf("%s-%d", "a", 1), *bytes = mem_dup_bytes("a\0b", 3);
    int *numbers = mem_array(4, sizeof(int));

    (void)state;
    assert_string_equal(text, "a-1");
    assert_memory_equal(bytes, "a\0b", 4);
    assert_int_equal(numbers[3], 0);
    numbers = mem_resize(numbers, 100, sizeof(int));
    assert_null(mem_dup(NULL));
    free(mem_alloc(0));
    free(mem_array(0, 8));
    free(mem_resize(NULL, 0, 8));
    free(numbers);
    free(bytes);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_to_its_maximum), cmocka_unit_test(a_refused_put_changes_nothing),
        cmocka_unit_test(consumes_and_cuts),    cmocka_unit_test(gives_its_bytes_away),
        cmocka_unit_test(memory_is_there),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
