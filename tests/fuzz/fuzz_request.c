/* Addresses and header values as strangers write them: URL, query, Range, entity tags, Accept,
 * Host, tus. The first byte says which reader gets the rest. */
#include "base/buf.h"
#include "web/head.h"
#include "web/host.h"
#include "web/media.h"
#include "web/range.h"
#include "web/tushead.h"
#include "web/url.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void path(const char *text)
{
    char out[512], again[512];
    struct buf encoded;
    if (url_path(text, out, sizeof out) < 0)
        return;
    assert(*out == '/' && strstr(out, "//") == NULL);
    buf_init(&encoded, 4096);
    url_encode(&encoded, out, true);
    assert(url_path(buf_text(&encoded), again, sizeof again) == 0 && strcmp(out, again) == 0);
    buf_done(&encoded);
}

static void query(const char *text)
{
    char out[64];
    if (url_value(text, "a", out, sizeof out) == 1)
        assert(strlen(out) < sizeof out);
}

static void range(const char *text)
{
    int64_t first = 0, last = 0, size;
    if (range_parse(text, 1000, &first, &last) == RANGE_PART)
        assert(first >= 0 && first <= last && last < 1000);
    if (range_content(text, &first, &last, &size) == 0)
        assert(first >= 0 && first <= last && (size < 0 || last < size));
}

static void conditions(const char *text)
{
    const struct range_file file = {true, "\"abc\"", 1795363884000};
    const struct range_conditions all = {text, text, text, text, text};
    int status = range_check(&all, &file, true);
    assert(status == 0 || status == 304 || status == 412);
    range_still(&all, &file);
    range_etag_listed(text, "\"abc\"", false);
}

static void wanted(const char *text)
{
    media_wanted(text);
    assert(media_of(text).type != NULL);
    head_list_has(text, "keep-alive");
}

static void host(const char *text)
{
    char name[HOST_MAX];
    if (host_name(text, name) == 0)
        assert(strlen(name) <= strlen(text) && strpbrk(name, "/:@ \r\n") == NULL);
}

static void tus(const char *text)
{
    uint8_t sum[64];
    char name[64];
    enum tushead_sum kind;
    tushead_checksum(text, &kind, sum);
    if (tushead_metadata(text, "filename", name, sizeof name) == 1)
        assert(strlen(name) < sizeof name);
    tushead_number(text);
}

static void head(const char *text)
{
    struct head parsed;
    const char *why = NULL;
    const struct head_line lines[] = {
        {"Host",              "a" },
        {"Content-Length",    text},
        {"Connection",        text},
        {"Transfer-Encoding", text},
        {text,                text}
    };
    for (size_t count = 2; count <= 5; count++)
        if (head_check(lines, count, false, &parsed, &why) == 0)
            assert(parsed.length >= -1);
        else
            assert(why != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(const char *) = {path,   query, range, conditions,
                                                    wanted, host,  tus,   head};
    struct buf text;
    if (size == 0)
        return 0;
    buf_init(&text, 1 << 20);
    buf_put(&text, data + 1, size - 1);
    readers[data[0] % (sizeof readers / sizeof *readers)](buf_text(&text));
    buf_done(&text);
    return 0;
}
