#include "mirror/hosts.h"
#include "tests/unit/scratch.h"

#include <stdio.h>

static void a_pause_is_for_the_whole_host(void **state)
{
    struct hosts hosts = {0};
    bool avoid;
    (void)state;
    hosts_pause(&hosts, "http://a/one", 5000);
    assert_int_equal(hosts_look(&hosts, "http://a/two?x", 1000, &avoid), 5000);
    assert_false(avoid);
    assert_int_equal(hosts_look(&hosts, "http://a:81/one", 1000, &avoid), 0);
    assert_int_equal(hosts_look(&hosts, "https://a/one", 1000, &avoid), 0);
    assert_true(hosts_same("http://a/one", "http://a/two?x"));
    assert_false(hosts_same("http://a/one", "http://a:81/one"));
    hosts_answered(&hosts, "http://a/one");
    assert_int_equal(hosts_look(&hosts, "http://a", 1000, &avoid), 5000);
    assert_int_equal(hosts_look(&hosts, "http://a", 5000, &avoid), 0);
}

static void who_cannot_be_reached_is_avoided_for_longer_each_time(void **state)
{
    struct hosts hosts = {0};
    bool avoid;
    (void)state;
    hosts_unreachable(&hosts, "http://a/1", 0);
    assert_int_equal(hosts_look(&hosts, "http://a/2", 1999, &avoid), 0);
    assert_true(avoid);
    hosts_look(&hosts, "http://a/2", 2000, &avoid);
    assert_false(avoid);
    for (int i = 0; i < 10; i++)
        hosts_unreachable(&hosts, "http://a/1", 10000);
    hosts_look(&hosts, "http://a/2", 69999, &avoid);
    assert_true(avoid);
    hosts_look(&hosts, "http://a/2", 70000, &avoid);
    assert_false(avoid);
    hosts_unreachable(&hosts, "http://a/1", 10000);
    hosts_answered(&hosts, "http://a/3");
    hosts_look(&hosts, "http://a/2", 10000, &avoid);
    assert_false(avoid);
}

static void the_oldest_is_forgotten(void **state)
{
    struct hosts hosts = {0};
    char url[HOSTS_NAME_MAX * 2];
    bool avoid;
    (void)state;
    for (int i = 0; i <= HOSTS_MAX; i++) {
        snprintf(url, sizeof url, "http://host%d/x", i);
        hosts_pause(&hosts, url, 9);
    }
    assert_int_equal(hosts_look(&hosts, "http://host0/y", 1, &avoid), 0);
    assert_int_equal(hosts_look(&hosts, "http://host1/y", 1, &avoid), 9);
    assert_int_equal(hosts_look(&hosts, url, 1, &avoid), 9);
    memset(url, 'a', sizeof url - 1); /* longer than a name may be */
    url[sizeof url - 1] = '\0';
    hosts_pause(&hosts, url, 7);
    assert_int_equal(hosts_look(&hosts, url, 1, &avoid), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_is_for_the_whole_host),
        cmocka_unit_test(who_cannot_be_reached_is_avoided_for_longer_each_time),
        cmocka_unit_test(the_oldest_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
