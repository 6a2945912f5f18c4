#include "dhcp/mdns_read.h"

#include <string.h>

#define POINTERS_MAX 16

int mdns_read16(struct mdns_reader *reader, unsigned *value)
{
    if (reader->length - reader->at < 2)
        return -1;
    *value = (unsigned)reader->bytes[reader->at] << 8 | reader->bytes[reader->at + 1];
    reader->at += 2;
    return 0;
}

int mdns_skip(struct mdns_reader *reader, size_t count)
{
    if (reader->length - reader->at < count)
        return -1;
    reader->at += count;
    return 0;
}

int mdns_add_label(char name[MDNS_NAME_MAX], const uint8_t *label, size_t size)
{
    size_t length = strlen(name);

    if (length + size + 2 > MDNS_NAME_MAX)
        return -1;
    if (length > 0)
        name[length++] = '.';
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = label[i];

        if (byte >= 'A' && byte <= 'Z')
            byte = (uint8_t)(byte - 'A' + 'a');
        name[length++] = byte == '.' || byte == '\0' ? '\x01' : (char)byte;
    }
    name[length] = '\0';
    return 0;
}

int mdns_read_name(struct mdns_reader *reader, char name[MDNS_NAME_MAX])
{
    size_t at = reader->at;
    int pointers = 0;

    name[0] = '\0';
    for (;;) {
        unsigned size;

        if (at >= reader->length)
            return -1;
        size = reader->bytes[at++];
        if (size == 0)
            break;
        if (size >= 0xC0) {
            if (at >= reader->length || ++pointers > POINTERS_MAX)
                return -1;
            if (pointers == 1)
                reader->at = at + 1;
            at = (size - 0xC0) << 8 | reader->bytes[at];
        } else if (size > 63 || reader->length - at < size ||
                   mdns_add_label(name, reader->bytes + at, size) < 0) {
            return -1;
        } else {
            at += size;
        }
    }
    if (pointers == 0)
        reader->at = at;
    return 0;
}

int mdns_read_record(struct mdns_reader *reader, struct mdns_record *record)
{
    unsigned high, low;

    if (mdns_read_name(reader, record->name) < 0 || mdns_read16(reader, &record->type) < 0 ||
        mdns_read16(reader, &record->class) < 0 || mdns_read16(reader, &high) < 0 ||
        mdns_read16(reader, &low) < 0 || mdns_read16(reader, &record->size) < 0)
        return -1;
    record->ttl = high << 16 | low;
    record->data = reader->at;
    return mdns_skip(reader, record->size);
}

bool mdns_same_record(const struct mdns_reader *one, const struct mdns_record *a,
                      const struct mdns_reader *other, const struct mdns_record *b)
{
    /* Before the name: nothing, or priority, weight and port. */
    size_t before = a->type == TYPE_SRV ? 6 : 0;
    struct mdns_reader left = *one, right = *other;
    char name[MDNS_NAME_MAX], same[MDNS_NAME_MAX];

    if (a->type != b->type || strcmp(a->name, b->name) != 0)
        return false;
    if (a->type != TYPE_PTR && a->type != TYPE_SRV)
        return a->size == b->size &&
               memcmp(one->bytes + a->data, other->bytes + b->data, a->size) == 0;
    left.at = a->data + before;
    right.at = b->data + before;
    return a->size > before && b->size > before &&
           memcmp(one->bytes + a->data, other->bytes + b->data, before) == 0 &&
           mdns_read_name(&left, name) == 0 && mdns_read_name(&right, same) == 0 &&
           strcmp(name, same) == 0;
}
