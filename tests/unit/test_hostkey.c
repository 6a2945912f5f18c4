/* The host key: OpenSSH's format, made, read back, refused. */
#include "supervisor/hostkey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Made for this test; nothing opens with it. */
static const char sample[] =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
    "QyNTUxOQAAACBq6ljmm9TU10WAT0jcFyU0P5D/dDoXnqI1DtRwGV2neQAAAIg4bHbrOGx2\n"
    "6wAAAAtzc2gtZWQyNTUxOQAAACBq6ljmm9TU10WAT0jcFyU0P5D/dDoXnqI1DtRwGV2neQ\n"
    "AAAEDsZBOgASgfTiL/XBJtqdSOUt+uLPsNHrpQ0jG4Nr6yR2rqWOab1NTXRYBPSNwXJTQ/\n"
    "kP90OheeojUO1HAZXad5AAAABHJpYWQB\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

static void reads_what_ssh_keygen_wrote(void **state)
{
    uint8_t public[HOSTKEY_PUBLIC];
    struct hostkey key = {0};

    (void)state;
    assert_int_equal(hostkey_parse(sample, public), 0);
    hostkey_describe(&key, public);
    assert_string_equal(key.fingerprint, "SHA256:8Soyit3bDLKyCTVVWfpcagyR3ze8d5lhzmbdQw2dvQw");
    assert_string_equal(key.line, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGrqWOab1NTXRYBPSNwXJTQ/"
                                  "kP90OheeojUO1HAZXad5");
    hostkey_done(&key);
}

static void reads_back_what_it_wrote(void **state)
{
    uint8_t secret[HOSTKEY_SECRET], public[HOSTKEY_PUBLIC], again[HOSTKEY_PUBLIC];
    struct buf text;

    (void)state;
    memset(secret, 7, sizeof secret);
    memset(public, 9, sizeof public);
    buf_init(&text, 4096);
    hostkey_put(&text, secret, public, 0x01020304);
    assert_false(text.overflowed);
    assert_int_equal(hostkey_parse(buf_text(&text), again), 0);
    assert_memory_equal(public, again, sizeof public);
    buf_done(&text);
}

static void refuses_everything_else(void **state)
{
    uint8_t public[HOSTKEY_PUBLIC];
    char text[sizeof sample];

    (void)state;
    assert_int_equal(hostkey_parse("", public), -1);
    assert_int_equal(hostkey_parse("-----BEGIN OPENSSH PRIVATE KEY-----\n", public), -1);
    assert_int_equal(hostkey_parse("-----BEGIN OPENSSH PRIVATE KEY-----\n"
                                   "-----END OPENSSH PRIVATE KEY-----\n",
                                   public),
                     -1);
    /* Cut anywhere in its middle, it is no key; a change of any letter never reads beyond it. */
    for (size_t length = 0; length < strlen(sample) - 34; length++) {
        memcpy(text, sample, length);
        text[length] = '\0';
        assert_int_equal(hostkey_parse(text, public), -1);
    }
    for (size_t at = 0; at < strlen(sample); at++) {
        memcpy(text, sample, sizeof sample);
        text[at] = text[at] == 'A' ? '/' : 'A';
        (void)hostkey_parse(text, public);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_ssh_keygen_wrote),
        cmocka_unit_test(reads_back_what_it_wrote),
        cmocka_unit_test(refuses_everything_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
