#include "dhcp/mdns_packet.h"
#include "dhcp/mdns_read.h"

#include <stdio.h>
#include <string.h>

enum { CLASS_IN = 1, CLASS_ANY = 255, TOP_BIT = 0x8000 };
enum { HEAD = 12, QUESTIONS_MAX = 32 };

/* ---- writing ---- */

struct writer {
    struct buf *out;
    unsigned answers, additional;
    uint32_t ttl;
    bool legacy;
    const struct mdns_reader *known; /* at the answers that the question says it knows; NULL none */
    unsigned known_count;
};

static void put16(struct buf *out, unsigned value)
{
    buf_putc(out, (uint8_t)(value >> 8));
    buf_putc(out, (uint8_t)value);
}

static void put32(struct buf *out, uint32_t value)
{
    put16(out, value >> 16);
    put16(out, value & 0xFFFF);
}

static void put_label(struct buf *out, const char *label, size_t length)
{
    buf_putc(out, (uint8_t)length);
    buf_put(out, label, length);
}

/* The labels of a name whose dots all separate. */
static void put_labels(struct buf *out, const char *name)
{
    while (*name != '\0') {
        size_t length = strcspn(name, ".");

        put_label(out, name, length);
        name += length + (name[length] == '.');
    }
}

/* first is one label, whatever it contains, or NULL; then the rest, then `local`. */
static void put_name(struct buf *out, const char *first, const char *rest)
{
    if (first != NULL)
        put_label(out, first, strlen(first));
    put_labels(out, rest);
    put_labels(out, "local");
    buf_putc(out, 0);
}

static void put_head(struct buf *out, unsigned id, unsigned flags)
{
    put16(out, id);
    put16(out, flags);
    put32(out, 0);
    put32(out, 0);
}

static void set_count(struct buf *out, size_t which, unsigned count)
{
    if (out->len >= HEAD) {
        out->data[4 + 2 * which] = (uint8_t)(count >> 8);
        out->data[5 + 2 * which] = (uint8_t)count;
    }
}

/* Behind a name: the head of a record. Returns where its length goes. */
static size_t begin_record(struct writer *w, unsigned type, bool unique)
{
    uint32_t ttl = w->legacy && w->ttl > 10 ? 10 : w->ttl;

    put16(w->out, type);
    put16(w->out, CLASS_IN | (unique && !w->legacy ? TOP_BIT : 0u));
    put32(w->out, ttl);
    put16(w->out, 0);
    return w->out->len;
}

static void end_record(struct writer *w, size_t data)
{
    size_t length = w->out->len - data;

    if (w->out->overflowed)
        return;
    w->out->data[data - 2] = (uint8_t)(length >> 8);
    w->out->data[data - 1] = (uint8_t)length;
}

/* ---- what the asker knows already ---- */

/* Ends the record that begins at start in the answer, or takes it out again if the asker knows it
 * for at least half of its time (RFC 6762, 7.1). */
static void end_answer(struct writer *w, size_t start, size_t data, unsigned *count)
{
    struct mdns_reader ours, theirs;
    struct mdns_record record, known;

    end_record(w, data);
    ++*count;
    if (w->known == NULL || w->out->overflowed)
        return;
    theirs = *w->known;
    ours = (struct mdns_reader){w->out->data, w->out->len, start};
    if (mdns_read_record(&ours, &record) < 0)
        return;
    for (unsigned i = 0; i < w->known_count && mdns_read_record(&theirs, &known) == 0; i++) {
        if (known.ttl < w->ttl / 2 || !mdns_same_record(&ours, &record, &theirs, &known))
            continue;
        buf_truncate(w->out, start);
        --*count;
        return;
    }
}

static void put_addresses(struct writer *w, const struct mdns_facts *facts, unsigned *count)
{
    for (size_t i = 0; i < facts->address_count; i++) {
        size_t start = w->out->len, data;

        put_name(w->out, facts->host, "");
        data = begin_record(w, TYPE_A, true);
        put32(w->out, facts->address[i]);
        end_answer(w, start, data, count);
    }
}

/* There are addresses of IPv4 and nothing else: nobody need wait for IPv6 (RFC 6762, 6.1). */
static void put_denial(struct writer *w, const struct mdns_facts *facts, unsigned *count)
{
    static const uint8_t only_a[] = {0, 1, 0x40};
    size_t start = w->out->len, data;

    put_name(w->out, facts->host, "");
    data = begin_record(w, TYPE_NSEC, true);
    put_name(w->out, facts->host, "");
    buf_put(w->out, only_a, sizeof(only_a));
    end_answer(w, start, data, count);
}

static void put_pointer(struct writer *w, const struct mdns_facts *facts,
                        const struct mdns_service *service, unsigned *count)
{
    size_t start = w->out->len, data;

    put_name(w->out, NULL, service->type);
    data = begin_record(w, TYPE_PTR, false);
    put_name(w->out, facts->instance, service->type);
    end_answer(w, start, data, count);
}

static void put_type(struct writer *w, const struct mdns_service *service, unsigned *count)
{
    size_t start = w->out->len, data;

    put_name(w->out, NULL, "_services._dns-sd._udp");
    data = begin_record(w, TYPE_PTR, false);
    put_name(w->out, NULL, service->type);
    end_answer(w, start, data, count);
}

static void put_instance(struct writer *w, const struct mdns_facts *facts,
                         const struct mdns_service *service, unsigned *count)
{
    size_t start = w->out->len, data;

    put_name(w->out, facts->instance, service->type);
    data = begin_record(w, TYPE_SRV, true);
    put32(w->out, 0); /* priority and weight */
    put16(w->out, (unsigned)service->port);
    put_name(w->out, facts->host, "");
    end_answer(w, start, data, count);
    start = w->out->len;
    put_name(w->out, facts->instance, service->type);
    data = begin_record(w, TYPE_TXT, true);
    buf_putc(w->out, 0);
    end_answer(w, start, data, count);
}

/* ---- answering ---- */

/* A question, and what of ours it asks for. */
struct question {
    char name[MDNS_NAME_MAX];
    unsigned type;
};

static bool asks(const struct question *question, unsigned type)
{
    return question->type == type || question->type == TYPE_ANY;
}

/* name is FIRST.REST.local, in small letters; first may be NULL. */
static bool is_name(const char *name, const char *first, const char *rest)
{
    char ours[MDNS_NAME_MAX] = "", local[] = "local";

    if (first != NULL && mdns_add_label(ours, (const uint8_t *)first, strlen(first)) < 0)
        return false;
    if (strlen(ours) + strlen(rest) + 8 > sizeof(ours))
        return false;
    if (*rest != '\0') {
        if (*ours != '\0')
            strcat(ours, ".");
        strcat(ours, rest);
    }
    strcat(strcat(ours, "."), local);
    return strcmp(name, ours) == 0;
}

static void answer_host(struct writer *w, const struct mdns_facts *facts,
                        const struct question *question)
{
    if (facts->address_count == 0 || !is_name(question->name, facts->host, ""))
        return;
    if (asks(question, TYPE_A))
        put_addresses(w, facts, &w->answers);
    else if (question->type == TYPE_AAAA)
        put_denial(w, facts, &w->answers);
}

static void answer_service(struct writer *w, const struct mdns_facts *facts,
                           const struct mdns_service *service, const struct question *question)
{
    if (is_name(question->name, NULL, "_services._dns-sd._udp") && asks(question, TYPE_PTR))
        put_type(w, service, &w->answers);
    if (is_name(question->name, NULL, service->type) && asks(question, TYPE_PTR))
        put_pointer(w, facts, service, &w->answers);
    if (is_name(question->name, facts->instance, service->type) &&
        (asks(question, TYPE_SRV) || question->type == TYPE_TXT))
        put_instance(w, facts, service, &w->answers);
}

/* What whoever got these answers will ask next. Behind all answers. */
static void add_rest(struct writer *w, const struct mdns_facts *facts,
                     const struct question *question)
{
    for (size_t i = 0; i < facts->service_count; i++)
        if (is_name(question->name, NULL, facts->service[i].type))
            put_instance(w, facts, &facts->service[i], &w->additional);
    if (!is_name(question->name, facts->host, ""))
        put_addresses(w, facts, &w->additional);
    put_denial(w, facts, &w->additional);
}

static int read_question(struct mdns_reader *reader, struct question *question, bool *unicast)
{
    unsigned class;

    if (mdns_read_name(reader, question->name) < 0 || mdns_read16(reader, &question->type) < 0 ||
        mdns_read16(reader, &class) < 0)
        return -1;
    *unicast = class & TOP_BIT;
    class &= ~(unsigned)TOP_BIT;
    if (class != CLASS_IN && class != CLASS_ANY)
        question->type = 0;
    return 0;
}

/* Where the answers begin that a question says it knows. 0, or -1: the packet ends before. */
static int find_known(const struct mdns_reader *reader, unsigned questions,
                      struct mdns_reader *known)
{
    struct question ignored;
    bool unicast;

    *known = *reader;
    for (unsigned i = 0; i < questions; i++)
        if (read_question(known, &ignored, &unicast) < 0)
            return -1;
    return 0;
}

static int answer_questions(struct mdns_reader *reader, unsigned count,
                            const struct mdns_facts *facts, struct writer *w,
                            struct mdns_heard *heard)
{
    struct question question, last = {.name = ""};

    heard->unicast = count > 0;
    for (unsigned i = 0; i < count && i < QUESTIONS_MAX; i++) {
        unsigned before = w->answers;
        bool unicast;

        if (read_question(reader, &question, &unicast) < 0)
            return -1;
        heard->unicast &= unicast;
        answer_host(w, facts, &question);
        for (size_t k = 0; k < facts->service_count; k++)
            answer_service(w, facts, &facts->service[k], &question);
        if (w->answers > before)
            last = question;
    }
    if (w->answers > 0)
        add_rest(w, facts, &last);
    return 0;
}

static bool is_ours(const struct mdns_facts *facts, uint32_t address)
{
    for (size_t i = 0; i < facts->address_count; i++)
        if (facts->address[i] == address)
            return true;
    return false;
}

/* Looks in a response for somebody else under our host name. */
static int look_for_conflict(struct mdns_reader *reader, unsigned questions, unsigned answers,
                             const struct mdns_facts *facts, struct mdns_heard *heard)
{
    if (find_known(reader, questions, reader) < 0)
        return -1;
    for (unsigned i = 0; i < answers; i++) {
        struct mdns_record record;
        const uint8_t *data;

        if (mdns_read_record(reader, &record) < 0)
            return -1;
        data = reader->bytes + record.data;
        if (record.type == TYPE_A && record.size == 4 && is_name(record.name, facts->host, "") &&
            !is_ours(facts, (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 |
                                (uint32_t)data[2] << 8 | data[3]))
            heard->conflict = true;
    }
    return 0;
}

int mdns_answer(const uint8_t *bytes, size_t length, const struct mdns_facts *facts, bool legacy,
                struct mdns_heard *heard, struct buf *out)
{
    struct mdns_reader reader = {bytes, length, 0};
    struct writer w = {.out = out, .ttl = MDNS_TTL, .legacy = legacy};
    unsigned id, flags, questions, answers, more[2];
    struct mdns_reader known;
    size_t behind;

    *heard = (struct mdns_heard){0};
    if (mdns_read16(&reader, &id) < 0 || mdns_read16(&reader, &flags) < 0 ||
        mdns_read16(&reader, &questions) < 0 || mdns_read16(&reader, &answers) < 0 ||
        mdns_read16(&reader, &more[0]) < 0 || mdns_read16(&reader, &more[1]) < 0 ||
        (flags & 0x7800) != 0)
        return -1;
    heard->response = flags & 0x8000;
    if (heard->response)
        return look_for_conflict(&reader, questions, answers, facts, heard);
    put_head(out, legacy ? id : 0, 0x8400);
    if (legacy) {
        /* Repeats the first question as it stands. */
        struct question question;
        bool unicast;

        if (questions == 0 || read_question(&reader, &question, &unicast) < 0)
            return -1;
        behind = reader.at;
        buf_put(out, bytes + HEAD, behind - HEAD);
        set_count(out, 0, 1);
        reader.at = HEAD;
        questions = 1;
    } else if (find_known(&reader, questions, &known) == 0) {
        w.known = &known;
        w.known_count = answers;
    }
    if (answer_questions(&reader, questions, facts, &w, heard) < 0 || w.answers == 0 ||
        out->overflowed) {
        buf_clear(out);
        return 0;
    }
    set_count(out, 1, w.answers);
    set_count(out, 3, w.additional);
    return 0;
}

void mdns_announce(struct buf *out, const struct mdns_facts *facts, uint32_t ttl)
{
    struct writer w = {.out = out, .ttl = ttl};

    put_head(out, 0, 0x8400);
    put_addresses(&w, facts, &w.answers);
    for (size_t i = 0; i < facts->service_count; i++) {
        put_type(&w, &facts->service[i], &w.answers);
        put_pointer(&w, facts, &facts->service[i], &w.answers);
        put_instance(&w, facts, &facts->service[i], &w.answers);
    }
    set_count(out, 1, w.answers);
}

void mdns_probe(struct buf *out, const struct mdns_facts *facts)
{
    put_head(out, 0, 0);
    put_name(out, facts->host, "");
    put16(out, TYPE_ANY);
    put16(out, CLASS_IN | TOP_BIT);
    set_count(out, 0, 1);
}
