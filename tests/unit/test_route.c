#include "web/route.h"

#include "scratch.h"

static void one(struct call *call)
{
    (void)call;
}

static void rows(void **state)
{
    static const struct route table[] = {
        {ROUTE_READ,        "/",          one,  ROUTE_ANYBODY},
        {ROUTE_READ,        "/files/*",   one,  ROUTE_ANYBODY},
        {ROUTE(HTTP_PUT),   "/files/*",   one,  ROUTE_ANYBODY},
        {ROUTE(HTTP_PATCH), "/uploads/:", one,  ROUTE_ANYBODY},
        {0,                 NULL,         NULL, ROUTE_ANYBODY},
    };
    static const struct {
        enum http_method method;
        const char *path;
        int row; /* -1 none */
        const char *rest;
        unsigned allow;
    } cases[] = {
        {HTTP_GET,    "/",            0,  "",    0                           },
        {HTTP_HEAD,   "/files/",      1,  "",    0                           },
        {HTTP_GET,    "/files/a/b",   1,  "a/b", 0                           },
        {HTTP_PUT,    "/files/a",     2,  "a",   0                           },
        {HTTP_PATCH,  "/uploads/k",   3,  "k",   0                           },
        {HTTP_PATCH,  "/uploads/",    -1, "",    0                           },
        {HTTP_PATCH,  "/uploads/k/l", -1, "",    0                           },
        {HTTP_GET,    "/uploads/k",   -1, "",    ROUTE(HTTP_PATCH)           },
        {HTTP_DELETE, "/files/a",     -1, "",    ROUTE_READ | ROUTE(HTTP_PUT)},
        {HTTP_GET,    "/nothing",     -1, "",    0                           },
        {HTTP_GET,    "/files",       -1, "",    0                           },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *rest = "";
        unsigned allow = 0;
        const struct route *found =
            route_find(table, cases[i].method, cases[i].path, &rest, &allow);
        assert_ptr_equal(found, cases[i].row < 0 ? NULL : &table[cases[i].row]);
        assert_string_equal(rest, cases[i].rest);
        if (found == NULL)
            assert_int_equal(allow, cases[i].allow);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows)};
    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
