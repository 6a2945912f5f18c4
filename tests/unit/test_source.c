#include "mirror/range.h"
#include "mirror/renew.h"
#include "mirror/source.h"
#include "tests/unit/scratch.h"

static struct sources two(void)
{
    struct sources sources = {0};
    sources_put(&sources, "http://a");
    sources_put(&sources, "http://b");
    sources_put(&sources, "http://a");
    assert_int_equal(sources.count, 2);
    return sources;
}

static void the_first_that_may_is_next(void **state)
{
    struct sources sources = two();
    struct source *a, *b;
    int64_t wake;
    (void)state;
    a = sources_next(&sources, false, 1000, &wake);
    assert_string_equal(a->url, "http://a");
    source_note(a, SOURCE_BROKE, true, -1, 8, 1000);
    assert_ptr_equal(sources_next(&sources, false, 1000, &wake), a); /* it brings bytes: go on */
    source_note(a, SOURCE_BROKE, false, -1, 8, 1000);
    b = sources_next(&sources, false, 1000, &wake);
    assert_string_equal(b->url, "http://b");
    source_note(b, SOURCE_BUSY, false, 5000, 8, 1000);
    assert_null(sources_next(&sources, false, 1000, &wake));
    assert_int_equal(wake, 1250);
    assert_ptr_equal(sources_next(&sources, false, 1250, &wake), a);
    source_note(a, SOURCE_LACKS, false, -1, 8, 1250);
    assert_null(sources_next(&sources, false, 1250, &wake));
    assert_int_equal(wake, 6000); /* Retry-After is honoured exactly */
    source_note(b, SOURCE_LACKS, false, -1, 8, 6000);
    assert_null(sources_next(&sources, false, 9000, &wake));
    assert_int_equal(wake, -1);
    assert_false(sources_may_return(&sources));
    sources_done(&sources);
}

static void wrong_bytes_are_forgiven_once_and_come_last(void **state)
{
    struct sources sources = two();
    struct source *a = &sources.list[0], *b = &sources.list[1];
    int64_t wake;
    (void)state;
    source_note(a, SOURCE_WRONG, true, -1, 8, 0);
    assert_ptr_equal(sources_next(&sources, false, 0, &wake), b);
    source_note(b, SOURCE_LACKS, false, -1, 8, 0);
    assert_ptr_equal(sources_next(&sources, false, 0, &wake), a);
    source_note(a, SOURCE_WRONG, false, -1, 8, 0);
    assert_null(sources_next(&sources, false, 0, &wake));
    assert_int_equal(wake, -1);
    sources_done(&sources);
}

static void who_can_go_on_comes_before_who_begins_anew(void **state)
{
    struct sources sources = two();
    struct source *a = &sources.list[0], *b = &sources.list[1];
    int64_t wake;
    (void)state;
    a->no_range = true;
    assert_ptr_equal(sources_next(&sources, false, 0, &wake), a);
    assert_ptr_equal(sources_next(&sources, true, 0, &wake), b);
    assert_true(sources_can_resume(&sources, a, 0));
    assert_false(sources_can_resume(&sources, b, 0));
    source_note(a, SOURCE_FROM_START, false, -1, 8, 0); /* costs nothing */
    assert_int_equal(a->tries, 0);
    assert_int_equal(a->not_before_ms, 0);
    b->avoid = true; /* better from the start than from a host that cannot be reached */
    assert_ptr_equal(sources_next(&sources, true, 0, &wake), a);
    assert_false(sources_can_resume(&sources, a, 0));
    a->wrong = 1; /* and wrong bytes come last */
    assert_ptr_equal(sources_next(&sources, true, 0, &wake), b);
    sources_done(&sources);
}

/* Who brings next to nothing comes behind all others, and is asked at once when they have it not.
 */
static void who_is_slow_gives_way(void **state)
{
    struct sources sources = two();
    struct source *a = &sources.list[0], *b = &sources.list[1];
    int64_t wake;
    (void)state;
    assert_true(sources_can_resume(&sources, a, 0));
    source_note(a, SOURCE_SLOW, true, -1, 8, 0);
    assert_ptr_equal(sources_next(&sources, true, 0, &wake), b);
    assert_false(sources_can_resume(&sources, b, 0)); /* no way back to the slow one */
    source_note(b, SOURCE_LACKS, false, -1, 8, 0);
    assert_ptr_equal(sources_next(&sources, true, 0, &wake), a);
    sources_done(&sources);
}

static void patience_ends_but_not_for_the_link(void **state)
{
    struct sources sources = two();
    struct source *a = &sources.list[0], *b = &sources.list[1];
    (void)state;
    for (int i = 0; i < 100; i++)
        source_note(a, SOURCE_LINK, false, -1, 8, i);
    assert_false(a->gone);
    for (int i = 0; i < 8; i++)
        source_note(a, SOURCE_BROKE, false, -1, 8, 0);
    assert_false(a->gone);
    assert_int_equal(a->not_before_ms, 8000);
    source_note(a, SOURCE_BROKE, true, -1, 8, 0); /* progress: all is forgiven */
    assert_int_equal(a->tries, 0);
    for (int i = 0; i < 9; i++)
        source_note(a, SOURCE_BUSY, false, -1, 8, 0);
    assert_true(a->gone);
    for (int i = 0; i < 3; i++)
        source_note(b, SOURCE_UNREACHABLE, false, -1, 8, 0);
    assert_true(b->gone);
    assert_true(sources_may_return(&sources));
    sources_done(&sources);
}

/* An outage ends: whoever waits long for a host that answers others again is sent there at once,
 * but not again and again, and not where the host itself asked for the pause. */
static void a_pause_ends_when_the_host_answers_others(void **state)
{
    struct sources sources = two();
    struct source *a = &sources.list[0], *b = &sources.list[1];
    int64_t wake;
    (void)state;
    for (int i = 0; i < 5; i++)
        source_note(a, SOURCE_BROKE, false, -1, 8, 1000);
    source_note(b, SOURCE_BUSY, false, 9000, 8, 1000);
    a->unanswered = true;
    assert_null(sources_next(&sources, false, 2000, &wake));
    assert_true(source_hurry(a, 2000));
    assert_false(source_hurry(b, 2000));
    assert_ptr_equal(sources_next(&sources, false, 2000, &wake), a);
    source_note(a, SOURCE_BROKE, false, -1, 8, 2000);
    assert_false(source_hurry(a, 2001));
    source_note(a, SOURCE_BROKE, true, -1, 8, 9000); /* it brought something */
    source_note(a, SOURCE_BROKE, false, -1, 8, 9000);
    assert_true(source_hurry(a, 9001));
    sources_done(&sources);
}

static void say(struct response *response, const char *line)
{
    response_line(response, line, strlen(line), 1000000);
}

static void headers_are_read(void **state)
{
    struct response response;
    (void)state;
    response_init(&response);
    say(&response, "HTTP/1.1 206 Partial Content\r\n");
    say(&response, "Content-Length: 90\r\n");
    say(&response, "CONTENT-RANGE:bytes 10-99/100\r\n");
    say(&response, "ETag: \"abc\"\r\n");
    say(&response, "Last-Modified: Sun, 22 Nov 2026 16:11:24 GMT\r\n");
    say(&response, "Retry-After: 7\r\n");
    say(&response, "\r\n");
    assert_int_equal(response.status, 206);
    assert_int_equal(response.range_from, 10);
    assert_int_equal(response_whole(&response), 100);
    assert_int_equal(response.retry_after, 7);
    assert_true(response_etag_is_strong(&response));
    say(&response, "HTTP/2 200");
    assert_int_equal(response.status, 200);
    assert_int_equal(response_whole(&response), -1);
    say(&response, "content-length: 12");
    say(&response, "etag: W/\"x\"");
    say(&response, "content-encoding: gzip");
    say(&response, "retry-after: Thu, 01 Jan 1970 00:16:50 GMT");
    assert_int_equal(response_whole(&response), 12);
    assert_false(response_etag_is_strong(&response));
    assert_true(response.encoded);
    assert_int_equal(response.retry_after, 10);
}

static void odd_headers_say_nothing(void **state)
{
    static const char *const lines[] = {"Content-Length: -1",
                                        "Content-Length: 12x",
                                        "Content-Length: 99999999999999999999",
                                        "Content-Range: bytes 5-4/10",
                                        "Content-Range: bytes 5-10/10",
                                        "Content-Range: 5-6/10",
                                        "Content-Range: bytes */10",
                                        "Content-Range: bytes 5-",
                                        "Retry-After: soon",
                                        "Content-Length",
                                        "HTTP",
                                        ":",
                                        "HTTP/1.1"};
    struct response response;
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        response_init(&response);
        response.status = 206;
        say(&response, lines[i]);
        assert_int_equal(response.content_length, -1);
        assert_int_equal(response.range_from, -1);
        assert_int_equal(response.retry_after, -1);
    }
    say(&response, "HTTP/1.1 999 x");
    assert_int_equal(response.status, 0);
    response_init(&response);
    say(&response, "Retry-After: 100000");
    assert_int_equal(response.retry_after, RESPONSE_WAIT_MAX);
}

static void an_index_has_an_address(void **state)
{
    static const char *const cells[][2] = {
        {"https://opam.ocaml.org",          "https://opam.ocaml.org/index.tar.gz"},
        {"https://opam.ocaml.org/",         "https://opam.ocaml.org/index.tar.gz"},
        {"https://f/x/archive/main.tar.gz", "https://f/x/archive/main.tar.gz"    },
        {"https://f/main.tgz?token=1",      "https://f/main.tgz?token=1"         },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        char *url = renew_url(cells[i][0]);
        assert_string_equal(url, cells[i][1]);
        free(url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_may_is_next),
        cmocka_unit_test(wrong_bytes_are_forgiven_once_and_come_last),
        cmocka_unit_test(who_can_go_on_comes_before_who_begins_anew),
        cmocka_unit_test(who_is_slow_gives_way),
        cmocka_unit_test(patience_ends_but_not_for_the_link),
        cmocka_unit_test(a_pause_ends_when_the_host_answers_others),
        cmocka_unit_test(headers_are_read),
        cmocka_unit_test(odd_headers_say_nothing),
        cmocka_unit_test(an_index_has_an_address),
    };
    return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
