/* Multicast names: which questions are answered, how, and who else answers. */
#include "dhcp/mdns_packet.h"

#include "scratch.h"

static const struct mdns_facts facts = {
    .host = "riad",
    .instance = "Tea. House",
    .service = {{"_ssh._tcp", 22}, {"_http._tcp", 80}},
    .service_count = 2,
    .address = {0x0A4D0001                },
    .address_count = 1
};

static size_t put_question(uint8_t *out, const char *name, uint8_t type, uint8_t class_top)
{
    size_t at = 12;

    memset(out, 0, 12);
    out[5] = 1;
    while (*name != '\0') {
        size_t length = strcspn(name, "|");

        out[at++] = (uint8_t)length;
        memcpy(out + at, name, length);
        at += length;
        name += length + (name[length] == '|');
    }
    out[at++] = 0;
    memcpy(out + at, (uint8_t[]){0, type, class_top, 1}, 4);
    return at + 4;
}

static unsigned answers(const char *name, uint8_t type, bool legacy, struct buf *out,
                        struct mdns_heard *was)
{
    uint8_t bytes[512];
    size_t length = put_question(bytes, name, type, legacy ? 0 : 0x80);

    buf_clear(out);
    assert_int_equal(mdns_answer(bytes, length, &facts, legacy, was, out), 0);
    return out->len == 0 ? 0 : (unsigned)out->data[6] << 8 | out->data[7];
}

static void answers_for_its_names_only(void **state)
{
    struct mdns_heard was;
    struct buf out;

    (void)state;
    buf_init(&out, MDNS_MAX);
    assert_int_equal(answers("RIAD|local", 1, false, &out, &was), 1);
    assert_true(was.unicast && !was.response);
    assert_non_null(memmem(out.data, out.len, "\x0A\x4D\x00\x01", 4));
    assert_int_equal(answers("riad|local", 255, false, &out, &was), 1);
    assert_int_equal(answers("riad|local", 28, false, &out, &was), 1); /* only A, says NSEC */
    assert_int_equal(answers("riad|local", 12, false, &out, &was), 0);
    assert_int_equal(answers("_ssh|_tcp|local", 12, false, &out, &was), 1);
    assert_non_null(memmem(out.data, out.len, "Tea. House", 10));
    assert_int_equal(answers("_services|_dns-sd|_udp|local", 12, false, &out, &was), 2);
    assert_int_equal(answers("Tea. House|_http|_tcp|local", 33, false, &out, &was), 2);
    assert_int_equal(answers("other|local", 1, false, &out, &was), 0);
    assert_int_equal(answers("riad|local|x", 1, false, &out, &was), 0);
    assert_int_equal(answers("riad", 1, false, &out, &was), 0);
    assert_int_equal(answers("", 1, false, &out, &was), 0);
    /* Who is no mDNS client hears its question again, and nothing for long. */
    assert_int_equal(answers("riad|local", 1, true, &out, &was), 1);
    assert_int_equal(out.data[5], 1);
    assert_non_null(memmem(out.data, out.len, "\0\1\0\1\0\0\0\x0A\0\4\x0A\x4D", 12));
    buf_done(&out);
}

/* A question for a name, with our own announcement as what the asker knows already. */
static size_t put_known(uint8_t *out, const char *name, uint8_t type, uint32_t ttl)
{
    size_t length = put_question(out, name, type, 0);
    struct buf hello;

    buf_init(&hello, MDNS_MAX);
    mdns_announce(&hello, &facts, ttl);
    memcpy(out + length, hello.data + 12, hello.len - 12);
    length += hello.len - 12;
    out[7] = hello.data[7];
    buf_done(&hello);
    return length;
}

static void does_not_repeat_what_is_known(void **state)
{
    static const struct {
        const char *name;
        uint8_t type;
    } questions[] = {
        {"riad|local",                   1  },
        {"_http|_tcp|local",             12 },
        {"_services|_dns-sd|_udp|local", 12 },
        {"Tea. House|_ssh|_tcp|local",   255},
        {"Tea. House|_ssh|_tcp|local",   16 },
    };
    uint8_t bytes[2 * MDNS_MAX];
    struct mdns_heard was;
    struct buf out;

    (void)state;
    buf_init(&out, MDNS_MAX);
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        size_t length = put_known(bytes, questions[i].name, questions[i].type, MDNS_TTL / 2);

        buf_clear(&out);
        assert_int_equal(mdns_answer(bytes, length, &facts, false, &was, &out), 0);
        assert_int_equal(out.len, 0);
        /* Whoever is no mDNS client, or knows it for a moment only, is told. */
        assert_int_equal(mdns_answer(bytes, length, &facts, true, &was, &out), 0);
        assert_true(out.len > 0);
        length = put_known(bytes, questions[i].name, questions[i].type, MDNS_TTL / 2 - 1);
        buf_clear(&out);
        assert_int_equal(mdns_answer(bytes, length, &facts, false, &was, &out), 0);
        assert_true(out.len > 0);
        for (size_t cut = 12; cut < length; cut++) {
            buf_clear(&out);
            mdns_answer(bytes, cut, &facts, false, &was, &out);
        }
    }
    /* Another address than ours is not what we would say. */
    size_t length = put_known(bytes, "riad|local", 1, MDNS_TTL);
    struct mdns_facts other = facts;
    other.address[0]++;
    buf_clear(&out);
    assert_int_equal(mdns_answer(bytes, length, &other, false, &was, &out), 0);
    assert_int_equal(out.data[7], 1);
    buf_done(&out);
}

static void hears_somebody_else(void **state)
{
    uint8_t bytes[18] = {[5] = 1, [12] = 0xC0, 0x0C, 0, 1, 0, 1};
    struct mdns_heard was;
    struct buf out, hello;

    (void)state;
    buf_init(&out, MDNS_MAX);
    buf_init(&hello, MDNS_MAX);
    mdns_announce(&hello, &facts, MDNS_TTL);
    assert_int_equal(mdns_answer(hello.data, hello.len, &facts, false, &was, &out), 0);
    assert_true(was.response && !was.conflict);
    struct mdns_facts other = facts;
    other.address[0] = 0x0A4D0009;
    assert_int_equal(mdns_answer(hello.data, hello.len, &other, false, &was, &out), 0);
    assert_true(was.conflict);
    for (size_t cut = 0; cut < hello.len; cut++)
        mdns_answer(hello.data, cut, &other, false, &was, &out);
    assert_int_equal(out.len, 0);
    buf_clear(&hello);
    mdns_probe(&hello, &facts);
    assert_int_equal(mdns_answer(hello.data, hello.len, &facts, false, &was, &out), 0);
    assert_true(out.len > 0 && was.unicast);
    /* Pointers that go round, labels beyond the end, a name too long. */
    assert_int_equal(mdns_answer(bytes, 18, &facts, true, &was, &out), -1);
    memcpy(bytes + 12, (const uint8_t[]){0x3F, 'h', 'i'}, 3);
    assert_int_equal(mdns_answer(bytes, 18, &facts, true, &was, &out), -1);
    bytes[12] = 0x80;
    assert_int_equal(mdns_answer(bytes, 18, &facts, true, &was, &out), -1);
    bytes[2] = 0x28; /* another kind of request */
    assert_int_equal(mdns_answer(bytes, 18, &facts, false, &was, &out), -1);
    assert_int_equal(mdns_answer(bytes, 11, &facts, false, &was, &out), -1);
    buf_done(&out);
    buf_done(&hello);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_for_its_names_only),
        cmocka_unit_test(does_not_repeat_what_is_known),
        cmocka_unit_test(hears_somebody_else),
    };
    return cmocka_run_group_tests_name("multicast names", tests, NULL, NULL);
}
