#include "web/tushead.h"

#include "scratch.h"
#include "web/sha1.h"

static void base64(void **state)
{
    static const struct {
        const char *text, *bytes; /* NULL: refused */
    } cases[] = {
        {"",         ""    },
        {"Zg==",     "f"   },
        {"Zm8=",     "fo"  },
        {"Zm9v",     "foo" },
        {"Zm9vYg==", "foob"},
        {"Zg=",      NULL  },
        {"Zg",       NULL  },
        {"Z===",     NULL  },
        {"Z*==",     NULL  },
        {"====",     NULL  },
        {"Zg==Zg==", NULL  }
    };
    char out[16];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int got = tushead_base64(cases[i].text, strlen(cases[i].text), out, sizeof out);
        if (cases[i].bytes == NULL) {
            assert_int_equal(got, -1);
            continue;
        }
        assert_int_equal(got, strlen(cases[i].bytes));
        assert_memory_equal(out, cases[i].bytes, (size_t)got);
        struct buf back;
        buf_init(&back, 32);
        tushead_put_base64(&back, cases[i].bytes, strlen(cases[i].bytes));
        assert_string_equal(buf_text(&back), cases[i].text);
        buf_done(&back);
    }
    assert_int_equal(tushead_base64("Zm9vYg==", 8, out, 3), -1);
}

static void metadata(void **state)
{
    char out[32];
    (void)state;
    assert_int_equal(tushead_metadata("filename Zm9v,other", "filename", out, sizeof out), 1);
    assert_string_equal(out, "foo");
    assert_int_equal(tushead_metadata("x Zg==, filename Zm9v", "filename", out, sizeof out), 1);
    assert_int_equal(tushead_metadata("other, filename", "other", out, sizeof out), 1);
    assert_string_equal(out, "");
    assert_int_equal(tushead_metadata("filenam Zm9v", "filename", out, sizeof out), 0);
    assert_int_equal(tushead_metadata(NULL, "filename", out, sizeof out), 0);
    assert_int_equal(tushead_metadata("filename Zm9", "filename", out, sizeof out), -1);
    assert_int_equal(tushead_metadata("filename AGEA", "filename", out, sizeof out), -1);
    assert_int_equal(tushead_metadata("filename /w==", "filename", out, sizeof out), -1);
}

static void numbers(void **state)
{
    (void)state;
    assert_int_equal(tushead_number("0"), 0);
    assert_int_equal(tushead_number("123456789012"), 123456789012);
    assert_int_equal(tushead_number(NULL), -1);
    assert_int_equal(tushead_number(""), -1);
    assert_int_equal(tushead_number("-1"), -1);
    assert_int_equal(tushead_number("1x"), -1);
    assert_int_equal(tushead_number("9999999999999999999"), -1);
}

static void checksums(void **state)
{
    uint8_t out[64];
    enum tushead_sum sum;
    (void)state;
    assert_int_equal(tushead_checksum("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", &sum, out), 20);
    assert_int_equal(sum, TUSHEAD_SHA1);
    assert_int_equal(tushead_checksum("md5 XrY7u+Ae7tCTyyK7j1rNww==", &sum, out), 16);
    assert_int_equal(tushead_checksum("sha1 Zg==", &sum, out), -1);
    assert_int_equal(tushead_checksum("crc32 Zg==", &sum, out), -1);
    assert_int_equal(tushead_checksum("sha1", &sum, out), -1);
    assert_int_equal(tushead_checksum("", &sum, out), -1);
}

static void expect_sha1(const char *text, size_t times, const char *hex)
{
    struct sha1 sha1;
    uint8_t sum[SHA1_SIZE];
    char got[2 * SHA1_SIZE + 1];
    sha1_init(&sha1);
    for (size_t i = 0; i < times; i++)
        sha1_put(&sha1, text, strlen(text));
    sha1_end(&sha1, sum);
    for (size_t i = 0; i < sizeof sum; i++)
        snprintf(got + 2 * i, 3, "%02x", sum[i]);
    assert_string_equal(got, hex);
}

/* The examples of FIPS 180-1, and lengths around a block's end. */
static void sha1(void **state)
{
    (void)state;
    expect_sha1("abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d");
    expect_sha1("", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    expect_sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    expect_sha1("a", 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    expect_sha1("a", 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a");
    expect_sha1("a", 64, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64),    cmocka_unit_test(metadata), cmocka_unit_test(numbers),
        cmocka_unit_test(checksums), cmocka_unit_test(sha1),
    };
    return cmocka_run_group_tests_name("tushead", tests, NULL, NULL);
}
