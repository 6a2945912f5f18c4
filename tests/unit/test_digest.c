#include "base/fs.h"
#include "identity/digest.h"
#include "tests/unit/scratch.h"

static void digests_are_those_of_the_standards(void **state)
{
    static const char *const of_abc[DIGEST_KINDS] = {
        [DIGEST_MD5] = "900150983cd24fb0d6963f7d28e17f72",
        [DIGEST_SHA256] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        [DIGEST_SHA512] = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a"
                          "274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    };
    for (int kind = 0; kind < DIGEST_KINDS; kind++) {
        uint8_t whole[DIGEST_MAX], parts[DIGEST_MAX], early[DIGEST_MAX];
        char hex[2 * DIGEST_MAX + 1];
        digest_of((enum digest_kind)kind, "abc", 3, whole);
        fs_hex(whole, digest_size((enum digest_kind)kind), hex);
        assert_string_equal(hex, of_abc[kind]);
        struct digest *digest = digest_new((enum digest_kind)kind);
        digest_put(digest, "ab", 2);
        struct digest *copy = digest_dup(digest);
        digest_end(copy, early);
        digest_put(digest, "", 0);
        digest_put(digest, "c", 1);
        digest_end(digest, parts);
        assert_true(digest_equal(whole, parts, digest_size((enum digest_kind)kind)));
        assert_false(digest_equal(whole, early, digest_size((enum digest_kind)kind)));
        digest_free(digest);
        digest_free(copy);
        assert_int_equal(digest_kind_parse(digest_kind_name((enum digest_kind)kind)), kind);
    }
    assert_int_equal(digest_kind_parse("sha1"), -1);
    digest_free(NULL);
    (void)state;
}

static void secrets_differ_and_travel_in_a_link(void **state)
{
    char one[SECRET_TEXT], other[SECRET_TEXT];
    uint8_t first[DIGEST_SHA256_SIZE], second[DIGEST_SHA256_SIZE];
    for (int i = 0; i < 100; i++) {
        secret_new(one);
        secret_new(other);
        assert_int_equal(strlen(one), SECRET_TEXT - 1);
        assert_int_equal(strspn(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-_"),
                         SECRET_TEXT - 1);
        assert_string_not_equal(one, other);
    }
    secret_digest(one, first);
    secret_digest(other, second);
    assert_memory_not_equal(first, second, sizeof first);
    (void)state;
}

static void codes_are_forgiving(void **state)
{
    char code[CODE_TEXT], normal[CODE_TEXT];
    for (int i = 0; i < 100; i++) {
        code_new(code);
        assert_int_equal(strlen(code), CODE_TEXT - 1);
        assert_int_equal(code_normalise(code, normal), 0);
        assert_string_equal(code, normal);
    }
    assert_int_equal(code_normalise(" abcd efgh\r\n", normal), 0);
    assert_string_equal(normal, "ABCD-EFGH");
    assert_int_equal(code_normalise("o0il-1-1-0-O", normal), 0);
    assert_string_equal(normal, "0011-1100");
    static const char *const wrong[] = {"",          "ABCD-EFG",     "ABCD-EFGHJ",
                                        "ABCD-EFGU", "ABC\xc3-EFGH", "--------"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(code_normalise(wrong[i], normal), -1);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_the_standards),
        cmocka_unit_test(secrets_differ_and_travel_in_a_link),
        cmocka_unit_test(codes_are_forgiving),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
