/*
 * Who somebody says they are: cookies, bearer tokens, origins, names, fingerprints, and the times
 * and sizes that people type. The first byte chooses.
 */
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "identity/credential.h"
#include "identity/digest.h"
#include "identity/name.h"
#include "mirror/checksum.h"
#include "supervisor/check_link.h"
#include "web/head.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cookie(const char *text)
{
    char out[SECRET_TEXT];

    if (head_cookie(text, "riad", out, sizeof out))
        assert(strlen(out) < sizeof out && strchr(out, ';') == NULL);
    if (head_bearer(text, out, sizeof out))
        assert(strlen(out) == sizeof out - 1);
    assert(!head_same_origin(text, ""));
    head_same_origin(text, "riad.lan:80");
}

/* A name that is good is so again, safe to show, and looks like itself. */
static void name(const char *text)
{
    char good[NAME_MAX_BYTES], again[NAME_MAX_BYTES], skeleton[NAME_MAX_BYTES];

    if (name_check(text, good) == NAME_GOOD) {
        assert(name_check(good, again) == NAME_GOOD && strcmp(good, again) == 0);
        assert(text_is_safe(good, strlen(good)));
        name_skeleton(good, skeleton);
        assert(*skeleton != '\0');
    }
    for (unsigned attempt = 0; attempt < 3; attempt++) {
        name_suggest(text, attempt, again);
        assert(name_check(again, good) == NAME_GOOD);
    }
}

static void typed(const char *text)
{
    int64_t one = 0, other = 0;

    if (when_parse(text, INT64_C(1790000000000), &one) == 0)
        assert(one >= 0);
    if (when_day_range(text, &one, &other) == 0)
        assert(one < other);
    if (when_duration_parse(text, &one) == 0)
        assert(one >= 0);
    if (when_size_parse(text, &one) == 0)
        assert(one >= 0);
    when_http_parse(text, &one);
}

static void sums(const char *text)
{
    uint8_t digest[DIGEST_SHA256_SIZE];
    struct checksum sum;

    credential_fingerprint_parse(text, digest);
    if (checksum_parse(text, &sum) == 0 || checksum_parse_name(text, &sum) == 0 ||
        checksum_parse_path(text, &sum) == 0) {
        char path[CHECKSUM_TEXT];
        checksum_path(&sum, path);
        assert(strstr(path, "..") == NULL);
    }
}

static void link_of(const char *text)
{
    char host[64], port[8];

    if (check_link_parse(text, host, sizeof host, port, sizeof port) == 0)
        assert(*host != '\0' && strspn(port, "0123456789") == strlen(port));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(const char *) = {cookie, name, typed, sums, link_of};
    char *text;

    if (size == 0 || memchr(data, '\0', size) != NULL)
        return 0;
    text = mem_dup_bytes(data + 1, size - 1);
    readers[data[0] % (sizeof readers / sizeof *readers)](text);
    free(text);
    return 0;
}
