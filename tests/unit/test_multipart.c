#include "web/multipart.h"

#include "base/buf.h"
#include "scratch.h"

/* What was called, as text: `<name>bytes|` for each file. */
static int begin(void *context, const char *name)
{
    buf_printf(context, "<%s>", name);
    return strcmp(name, "stop") == 0 ? -1 : 0;
}

static int bytes(void *context, const void *data, size_t length)
{
    return buf_put(context, data, length);
}

static int end(void *context)
{
    return buf_puts(context, "|");
}

static const struct multipart_calls calls = {begin, bytes, end};

#define FILE_HEAD(name)                                                                            \
    "Content-Disposition: form-data; name=\"f\"; filename=\"" name "\"\r\n"                        \
    "Content-Type: text/plain\r\n\r\n"

/* Fed in pieces of each size, the result is the same. */
static void expect(const char *body, size_t length, const char *seen, bool complete, int result)
{
    for (size_t piece = 1; piece <= length; piece++) {
        struct buf out;
        int got = 0;
        buf_init(&out, 65536);
        struct multipart *m = multipart_new("XX", &calls, &out);
        for (size_t at = 0; at < length && got == 0; at += piece)
            got = multipart_feed(m, body + at, length - at < piece ? length - at : piece);
        assert_int_equal(got, result);
        assert_int_equal(multipart_complete(m), complete);
        assert_string_equal(buf_text(&out), seen);
        multipart_free(m);
        buf_done(&out);
    }
}

#define EXPECT(body, seen, complete, result) expect(body, sizeof(body) - 1, seen, complete, result)

static void parts(void **state)
{
    (void)state;
    EXPECT("--XX\r\n" FILE_HEAD("a.txt") "hello\r\n--XX--\r\n", "<a.txt>hello|", true, 0);
    EXPECT("--XX\r\n" FILE_HEAD("a") "\r\n--XX\r\n" FILE_HEAD("b") "b\r\n\r\n--XX--",
           "<a>|<b>b\r\n|", true, 0);
    EXPECT("before\r\n--XX \t\r\n" FILE_HEAD("a") "x\r\n--XX--after", "<a>x|", true, 0);
    EXPECT("--XX\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\ntext\r\n--XX\r\n" FILE_HEAD(
               "a") "x\r\n--XX--",
           "<a>x|", true, 0);
    EXPECT("--XX\r\n" FILE_HEAD("") "\r\n--XX--", "", true, 0);
    EXPECT("--XX\r\n\r\nbare\r\n--XX--", "", true, 0);
    EXPECT("--XX--", "", true, 0);
}

/* What looks like a boundary and is none belongs to the file. */
static void near_misses(void **state)
{
    (void)state;
    EXPECT("--XX\r\n" FILE_HEAD("a") "\r\r\n-\r\n--\r\n--X\r\n--XY\r\n--XX--",
           "<a>\r\r\n-\r\n--\r\n--X\r\n--XY|", true, 0);
    EXPECT("--XX\r\n" FILE_HEAD("a") "\r\n\r\n--XX--", "<a>\r\n|", true, 0);
    EXPECT("--XX\r\n" FILE_HEAD("a") "--XX\r\n--XX--", "<a>--XX|", true, 0);
}

static void broken(void **state)
{
    (void)state;
    EXPECT("--XX\r\n" FILE_HEAD("a") "hel", "<a>hel", false, 0);
    EXPECT("--XX\r\n" FILE_HEAD("a") "hello\r\n--XXjunk", "<a>hello", false, -1);
    EXPECT("--XX\r\n" FILE_HEAD("stop") "hello\r\n--XX--", "<stop>", false, -1);
    EXPECT("--XX\r\nA: \0\r\n\r\n", "", false, -1);
    EXPECT("", "", false, 0);
    EXPECT("nothing of the kind", "", false, 0);
    char *large = calloc(1, MULTIPART_HEAD_MAX + 100);
    memset(large, 'a', MULTIPART_HEAD_MAX + 99);
    memcpy(large, "--XX\r\n", 6);
    struct buf out;
    buf_init(&out, 10);
    struct multipart *m = multipart_new("XX", &calls, &out);
    assert_int_equal(multipart_feed(m, large, MULTIPART_HEAD_MAX + 99), -1);
    multipart_free(m);
    buf_done(&out);
    free(large);
}

static void names(void **state)
{
    static const struct {
        const char *head;
        int found;
        const char *name;
    } cases[] = {
        {"Content-Disposition: form-data; name=x; filename=plain.txt",                  1, "plain.txt" },
        {"content-disposition:form-data;filename = \"a b\" ; x=y",                      1, "a b"       },
        {"X: y\r\nContent-Disposition: form-data; filename=\"q\\\"q\\\\.t\"\r\n",       1, "q\"q\\.t"  },
        {"Content-Disposition: form-data; filename=\"C:\\fake path\\a.txt\"",           1, "a.txt"     },
        {"Content-Disposition: form-data; filename=\"a%22b%0D.txt\"",                   1, "a\"b\r.txt"},
        {"Content-Disposition: form-data; filename=\"x\"; filename*=UTF-8''%C3%A9.txt", 1,
         "\xc3\xa9.txt"                                                                                },
        {"Content-Disposition: form-data; filename=\"x\"; filename*=UTF-8''%zz",        1, "x"         },
        {"Content-Disposition: form-data; filename=\"dir/a.txt\"",                      1, "dir/a.txt" },
        {"Content-Disposition: form-data; name=\"filename=x\"",                         0, ""          },
        {"Content-Disposition: form-data",                                              0, ""          },
        {"Content-Type: x; filename=y",                                                 0, ""          },
        {"",                                                                            0, ""          },
    };
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int found = multipart_file_name(cases[i].head, out, sizeof out);
        assert_int_equal(found, cases[i].found);
        /* A backslash that a quoted pair hid is a path's, too: the last name counts. */
        if (found == 1 && i != 2)
            assert_string_equal(out, cases[i].name);
    }
    assert_int_equal(multipart_file_name("Content-Disposition: a; filename=longer", out, 4), -1);
}

static void boundaries(void **state)
{
    char out[MULTIPART_BOUNDARY_MAX];
    (void)state;
    assert_int_equal(multipart_boundary("multipart/form-data; boundary=abc", out), 0);
    assert_string_equal(out, "abc");
    assert_int_equal(multipart_boundary("Multipart/Form-Data; x=y; BOUNDARY=\"a b\"", out), 0);
    assert_string_equal(out, "a b");
    assert_int_equal(multipart_boundary("multipart/mixed; boundary=abc", out), -1);
    assert_int_equal(multipart_boundary("multipart/form-data", out), -1);
    assert_int_equal(multipart_boundary("multipart/form-data; boundary=", out), -1);
    assert_int_equal(multipart_boundary("multipart/form-data; boundary=\"a \"", out), -1);
    assert_int_equal(multipart_boundary(NULL, out), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts), cmocka_unit_test(near_misses), cmocka_unit_test(broken),
        cmocka_unit_test(names), cmocka_unit_test(boundaries),
    };
    return cmocka_run_group_tests_name("multipart", tests, NULL, NULL);
}
