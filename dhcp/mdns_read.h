/*
 * mdns_read: DNS packets of strangers, read piece by piece (RFC 1035, 4.1).
 *
 * Every read is bounded by the packet's length, names also in length and in how many pointers they
 * follow. Nothing is copied but names. Pure: for mdns_packet.
 */
#ifndef DHCP_MDNS_READ_H
#define DHCP_MDNS_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MDNS_NAME_MAX 256 /* a name as text, with its NUL */

enum {
    TYPE_A = 1,
    TYPE_PTR = 12,
    TYPE_TXT = 16,
    TYPE_AAAA = 28,
    TYPE_SRV = 33,
    TYPE_NSEC = 47,
    TYPE_ANY = 255
};

struct mdns_reader {
    const uint8_t *bytes;
    size_t length, at; /* at never exceeds length */
};

/* A record as it came; its data lies in the packet at data. */
struct mdns_record {
    char name[MDNS_NAME_MAX];
    unsigned type, class, ttl, size;
    size_t data;
};

/* Each reads what comes next and goes on behind it. 0, or -1: the packet ends before. */
int mdns_read16(struct mdns_reader *reader, unsigned *value);
int mdns_skip(struct mdns_reader *reader, size_t count);

/* A name in small letters, with dots between its labels. -1 also for one that is too long, or whose
 * pointers go round. */
int mdns_read_name(struct mdns_reader *reader, char name[MDNS_NAME_MAX]);
int mdns_read_record(struct mdns_reader *reader, struct mdns_record *record);

/* Appends one label to such a name. What is no text of ours (a dot or a NUL within a label) becomes
 * a byte that no name of ours has. 0, or -1: too long. */
int mdns_add_label(char name[MDNS_NAME_MAX], const uint8_t *label, size_t size);

/* Whether two records, each with the packet that it is in, say the same. A name in the data is
 * compared as a name: it may be compressed on one side, in capitals on the other. */
bool mdns_same_record(const struct mdns_reader *one, const struct mdns_record *a,
                      const struct mdns_reader *other, const struct mdns_record *b);

#endif
