#include "base/when.h"
#include "identity/conversation.h"
#include "identity/event.h"
#include "identity/lease.h"
#include "identity/presence.h"
#include "tests/unit/people.h"

static void line(void *context, const struct presence *presence)
{
    char *out = context;
    sprintf(out + strlen(out), "%s/%s/%s/%s|", presence->name, presence->door, presence->room,
            presence->away);
}

static const char *listed(struct store *store)
{
    static char lines[1024];
    lines[0] = '\0';
    assert_int_equal(presence_list(store, line, lines), 0);
    return lines;
}

static void doors_open_move_and_close(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), bob = claim(store, "bob"), one, two, three, guest;
    assert_int_equal(presence_enter(store, "web", bob, "10.77.0.3", &three), 0);
    assert_int_equal(presence_enter(store, "ssh", ada, "10.77.0.2", &one), 0);
    assert_int_equal(presence_enter(store, "web", ada, "10.77.0.2", &two), 0);
    assert_int_equal(presence_enter(store, "web", 0, "10.77.0.4", &guest), 0);
    assert_int_equal(presence_move(store, one, ROOM_LOBBY), 0);
    assert_int_equal(presence_away(store, one, "lunch\x1b[0m"), 0);
    assert_string_equal(listed(store), "ada/ssh/lobby/lunch[0m|ada/web//|bob/web//|/web//|");
    assert_int_equal(presence_count(store), 2);
    struct room room;
    assert_int_equal(room_by_id(store, ROOM_LOBBY, &room), 1);
    assert_int_equal(room.members, 1);
    int64_t before = event_last(store);
    assert_int_equal(presence_touch(store, one, when_wall_ms() + 5), 0);
    assert_int_equal(event_last(store), before);
    assert_int_equal(presence_leave(store, one), 0);
    assert_int_equal(event_last(store), before + 1);
    assert_int_equal(presence_leave(store, one), 0); /* nothing left: nobody is told */
    assert_int_equal(event_last(store), before + 1);
    assert_int_equal(presence_clear(store, "web"), 0);
    assert_string_equal(listed(store), "");
    assert_int_equal(presence_enter(store, "teleport", ada, "", &one), -1);
}

static void put(struct store *store, const struct lease *lease, int expected)
{
    assert_int_equal(store_begin(store, STORE_SYNCED), 0);
    assert_int_equal(lease_put(store, lease), expected);
    store_end(store, expected);
}

static void hosts(void *context, const struct lease *lease)
{
    strcat(context, lease->ip);
    strcat(context, "=");
    strcat(context, lease->host);
    strcat(context, "|");
}

static void leases_are_checked_kept_and_end(void **state)
{
    struct store *store = *state;
    int64_t now = when_wall_ms();
    struct lease lease = {.ip = "10.77.0.50",
                          .mac = "02:00:00:00:00:01",
                          .host = "phone",
                          .client_id = "01:02:00:00:00:00:01",
                          .started_at = now,
                          .expires_at = now + 10000};
    put(store, &lease, 0);
    lease.started_at = now + 5000; /* renewed: the same lease goes on */
    lease.expires_at = now + 20000;
    put(store, &lease, 0);
    struct lease found;
    assert_int_equal(lease_by_ip(store, "10.77.0.50", &found), 1);
    assert_true(found.started_at == now && found.expires_at == now + 20000);
    assert_string_equal(found.client_id, "01:02:00:00:00:00:01");
    strcpy(lease.mac, "06-02:00:00:00:00:02");
    strcpy(lease.host, "evil;$(reboot)");
    put(store, &lease, 0);
    assert_int_equal(lease_by_ip(store, "10.77.0.50", &found), 1);
    assert_true(found.started_at == now + 5000);
    assert_string_equal(found.host, ""); /* not a label */
    struct lease bad = lease;
    strcpy(bad.ip, "10.77.0.500");
    put(store, &bad, -1);
    bad = lease;
    strcpy(bad.mac, "02:00:0");
    put(store, &bad, -1);
    bad = lease;
    strcpy(bad.client_id, "nonsense");
    put(store, &bad, -1);
    strcpy(lease.ip, "10.77.0.51");
    strcpy(lease.host, "laptop-7");
    lease.expires_at = now - 1;
    put(store, &lease, 0);
    assert_int_equal(lease_by_ip(store, "10.77.0.51", &found), 0);
    char text[256] = "";
    assert_int_equal(lease_list(store, hosts, text), 0);
    assert_string_equal(text, "10.77.0.50=|10.77.0.51=laptop-7|");
    assert_int_equal(store_begin(store, STORE_SYNCED), 0);
    assert_int_equal(lease_expire(store, now), 0);
    assert_int_equal(lease_drop(store, "10.77.0.50"), 0);
    assert_int_equal(lease_drop(store, "10.77.0.50"), 0);
    assert_int_equal(store_end(store, 0), 0);
    text[0] = '\0';
    assert_int_equal(lease_list(store, hosts, text), 0);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(doors_open_move_and_close),
        STORE_TEST(leases_are_checked_kept_and_end),
    };
    return cmocka_run_group_tests_name("presence", tests, NULL, NULL);
}
