#include "web/media.h"

#include "scratch.h"

static void types(void **state)
{
    static const struct {
        const char *path, *type;
        bool shown, is_page;
    } cases[] = {
        {"a.png",     "image/png",                 true,  false},
        {"x.y/a.JPG", "image/jpeg",                true,  false},
        {"talk.pdf",  "application/pdf",           true,  false},
        {"a.ml",      "text/plain; charset=utf-8", true,  false},
        {"README",    "text/plain; charset=utf-8", true,  false},
        {"evil.html", "text/html; charset=utf-8",  false, true },
        {"evil.HTM",  "text/html; charset=utf-8",  false, true },
        {"evil.svg",  "image/svg+xml",             true,  true },
        {"a.tar.gz",  "application/gzip",          false, false},
        {"a",         "application/octet-stream",  false, false},
        {"a.",        "application/octet-stream",  false, false},
        {".png",      "application/octet-stream",  false, false},
        {"a.pn",      "application/octet-stream",  false, false},
        {"png",       "application/octet-stream",  false, false},
        {"film.mp4",  "video/mp4",                 true,  false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct media media = media_of(cases[i].path);
        assert_string_equal(media.type, cases[i].type);
        assert_int_equal(media.shown, cases[i].shown);
        assert_int_equal(media.is_page, cases[i].is_page);
    }
}

static void wanted(void **state)
{
    static const struct {
        const char *accept;
        enum media_form form;
    } cases[] = {
        {NULL,                                                              MEDIA_TEXT},
        {"",                                                                MEDIA_TEXT},
        {"*/*",                                                             MEDIA_TEXT},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", MEDIA_HTML},
        {"application/json",                                                MEDIA_JSON},
        {"Application/JSON; charset=utf-8",                                 MEDIA_JSON},
        {"application/json, text/plain, */*",                               MEDIA_JSON},
        {"text/html;q=0.5, application/json",                               MEDIA_JSON},
        {"text/html;q=0",                                                   MEDIA_TEXT},
        {"text/html; level=1; q=0.3, application/json;q=0.2",               MEDIA_HTML},
        {"text/plain, application/json;q=0.9",                              MEDIA_TEXT},
        {"text/*",                                                          MEDIA_TEXT},
        {"application/jsonx",                                               MEDIA_TEXT},
        {";;;,,,q=",                                                        MEDIA_TEXT},
        {"text/html;q=nan",                                                 MEDIA_TEXT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(media_wanted(cases[i].accept), cases[i].form);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(types), cmocka_unit_test(wanted)};
    return cmocka_run_group_tests_name("media", tests, NULL, NULL);
}
