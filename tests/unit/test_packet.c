/* What riad-dhcp sends and hears on the wire: offers, claims of an address, who takes what. */
#include "dhcp/packet.h"

#include "scratch.h"

static const uint8_t mac[PACKET_MAC] = {2, 0xAB, 0, 0, 0, 1};

/* Bytes written as text, without its NUL. */
static void set(uint8_t *to, const char *bytes, size_t length)
{
    memcpy(to, bytes, length);
}

/* The offer that answers a discover, made from the question itself. */
static size_t make_offer(uint8_t *out, uint8_t type)
{
    static const uint8_t options[] = {0, 53, 1, 0,   54,  4, 192, 168, 5,
                                      1, 3,  4, 192, 168, 5, 2,   255};
    struct buf packet;
    size_t length;

    buf_init(&packet, PACKET_MAX);
    packet_discover(&packet, mac, 0x01020304);
    length = packet.len;
    memcpy(out, packet.data, length);
    buf_done(&packet);
    out[20 + 3] = 68; /* to the client's port */
    out[28] = 2;      /* a reply */
    set(out + 28 + 16, "\x0A\x4D\x00\x3C", 4);
    memcpy(out + 28 + 240, options, sizeof(options));
    out[28 + 240 + 3] = type;
    return length;
}

static void knows_an_offer(void **state)
{
    uint8_t bytes[PACKET_MAX], copy[PACKET_MAX];
    size_t length = make_offer(bytes, 2);
    struct packet_offer offer;
    static const struct {
        size_t at;
        uint8_t value;
    } breaks[] = {
        {0,        0x65}, /* IPv6 */
        {0,        0x44}, /* a head too short */
        {9,        6   }, /* TCP */
        {2,        0xFF}, /* longer than it is */
        {6,        0x20}, /* a fragment */
        {23,       67  }, /* another port */
        {24,       0xFF}, /* UDP longer than IP */
        {28,       1   }, /* a request */
        {32,       9   }, /* another question */
        {56,       9   }, /* another device */
        {28 + 236, 0   }, /* no cookie */
        {28 + 243, 5   }, /* an acknowledgement */
    };

    (void)state;
    assert_true(packet_is_offer(bytes, length, mac, 0x01020304, &offer));
    assert_int_equal(offer.server, 0xC0A80501);
    assert_int_equal(offer.router, 0xC0A80502);
    assert_int_equal(offer.address, 0x0A4D003C);
    for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
        memcpy(copy, bytes, length);
        copy[breaks[i].at] = breaks[i].value;
        assert_false(packet_is_offer(copy, length, mac, 0x01020304, &offer));
    }
    for (size_t cut = 0; cut < length; cut++)
        assert_false(packet_is_offer(bytes, cut, mac, 0x01020304, &offer));
    /* An option that runs over the end; none that says the type. */
    memcpy(copy, bytes, length);
    memset(copy + 28 + 240, 0, length - 268);
    copy[length - 1] = 53;
    assert_false(packet_is_offer(copy, length, mac, 0x01020304, &offer));
    /* Without the server's option its source address says who it is. */
    memcpy(copy, bytes, length);
    copy[28 + 240 + 4] = 99;
    copy[28 + 240 + 10] = 98;
    set(copy + 12, "\x01\x02\x03\x04", 4);
    assert_true(packet_is_offer(copy, length, mac, 0x01020304, &offer));
    assert_int_equal(offer.server, 0x01020304);
    assert_int_equal(offer.router, 0);
}

static void knows_who_claims_an_address(void **state)
{
    struct buf probe;
    uint8_t who[PACKET_MAC], other[PACKET_MAC] = {2, 9, 9, 9, 9, 9};
    char text[PACKET_MAC_TEXT];

    (void)state;
    buf_init(&probe, PACKET_MAX);
    packet_arp_probe(&probe, other, 0x0A4D0001);
    assert_true(packet_arp_claims(probe.data, probe.len, mac, 0x0A4D0001, who));
    packet_mac_text(who, text);
    assert_string_equal(text, "02:09:09:09:09:09");
    assert_false(packet_arp_claims(probe.data, probe.len, other, 0x0A4D0001, who)); /* ourselves */
    assert_false(packet_arp_claims(probe.data, probe.len, mac, 0x0A4D0002, who));
    assert_false(packet_arp_claims(probe.data, probe.len - 1, mac, 0x0A4D0001, who));
    set(probe.data + 14, "\x0A\x4D\x00\x01", 4); /* the sender has it */
    memset(probe.data + 24, 0, 4);
    assert_true(packet_arp_claims(probe.data, probe.len, mac, 0x0A4D0001, who));
    set(probe.data + 14, "\x0A\x4D\x00\x09", 4); /* somebody asks for ours */
    set(probe.data + 24, "\x0A\x4D\x00\x01", 4);
    assert_false(packet_arp_claims(probe.data, probe.len, mac, 0x0A4D0001, who));
    probe.data[1] = 6;
    assert_false(packet_arp_claims(probe.data, probe.len, mac, 0x0A4D0001, who));
    buf_done(&probe);
}

static void hears_who_takes_what(void **state)
{
    struct buf discover;
    uint8_t copy[PACKET_MAX], who[PACKET_MAC];
    uint32_t address = 0;
    struct buf probe;
    size_t length;

    (void)state;
    buf_init(&discover, PACKET_MAX);
    packet_discover(&discover, mac, 1);
    length = discover.len;
    memcpy(copy, discover.data, length);
    assert_false(packet_is_taking(copy, length, &address)); /* nothing is taken yet */
    copy[28 + 240 + 2] = 3;
    assert_false(packet_is_taking(copy, length, &address)); /* a renewal names nobody */
    set(copy + 28 + 240 + 3, "\x36\x04\xC0\xA8\x05\x01\xFF", 7);
    assert_true(packet_is_taking(copy, length, &address));
    assert_int_equal(address, 0xC0A80501);
    for (size_t cut = 0; cut < length; cut++)
        assert_false(packet_is_taking(copy, cut, &address));
    buf_init(&probe, PACKET_MAX);
    packet_arp_probe(&probe, mac, 0x0A4D0009);
    assert_false(packet_arp_shows(probe.data, probe.len, &address, who)); /* has none yet */
    set(probe.data + 14, "\x0A\x4D\x00\x07", 4);
    assert_true(packet_arp_shows(probe.data, probe.len, &address, who));
    assert_int_equal(address, 0x0A4D0007);
    assert_memory_equal(who, mac, PACKET_MAC);
    assert_false(packet_arp_shows(probe.data, probe.len - 1, &address, who));
    buf_done(&probe);
    buf_done(&discover);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_an_offer),
        cmocka_unit_test(knows_who_claims_an_address),
        cmocka_unit_test(hears_who_takes_what),
    };
    return cmocka_run_group_tests_name("packets of the LAN", tests, NULL, NULL);
}
