/*
 * checksum: spellings of one digest.
 */
#include "mirror/checksum.h"
#include "base/fs.h"

#include <stdio.h>
#include <string.h>

/* The digits of a digest of that kind, and nothing else. */
static int parse_digits(enum digest_kind kind, const char *digits, struct checksum *sum)
{
    *sum = (struct checksum){.kind = kind};
    if (strlen(digits) != 2 * digest_size(kind))
        return -1;
    return fs_unhex(digits, sum->bytes, digest_size(kind));
}

/* `KIND<separator>REST` in any case: the kind and where the rest begins, -1 if it is none. */
static int parse_kind(const char *text, char separator, const char **rest)
{
    const char *end = strchr(text, separator);
    char word[8];
    size_t length = end ? (size_t)(end - text) : 0;

    if (length == 0 || length >= sizeof word)
        return -1;
    for (size_t i = 0; i < length; i++)
        word[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    word[length] = '\0';
    *rest = end + 1;
    return digest_kind_parse(word);
}

int checksum_parse(const char *text, struct checksum *sum)
{
    const char *digits;
    int kind;

    if (!strchr(text, '='))
        return parse_digits(DIGEST_MD5, text, sum);
    if ((kind = parse_kind(text, '=', &digits)) < 0)
        return -1;
    return parse_digits((enum digest_kind)kind, digits, sum);
}

int checksum_parse_name(const char *text, struct checksum *sum)
{
    const char *digits;
    int kind = parse_kind(text, ':', &digits);

    return kind < 0 ? -1 : parse_digits((enum digest_kind)kind, digits, sum);
}

int checksum_parse_path(const char *text, struct checksum *sum)
{
    const char *digits;
    int kind = parse_kind(text, '/', &digits);

    if (kind < 0 || strlen(digits) < 3 || digits[2] != '/' ||
        strncasecmp(digits, digits + 3, 2) != 0)
        return -1;
    return parse_digits((enum digest_kind)kind, digits + 3, sum);
}

void checksum_hex(const struct checksum *sum, char *out)
{
    fs_hex(sum->bytes, digest_size(sum->kind), out);
}

static void spell(const struct checksum *sum, char *out, char separator)
{
    int length = snprintf(out, CHECKSUM_TEXT, "%s%c", digest_kind_name(sum->kind), separator);

    checksum_hex(sum, out + length);
}

void checksum_text(const struct checksum *sum, char *out)
{
    spell(sum, out, '=');
}

void checksum_name(const struct checksum *sum, char *out)
{
    spell(sum, out, ':');
}

void checksum_path(const struct checksum *sum, char *out)
{
    char hex[2 * DIGEST_MAX + 1];

    checksum_hex(sum, hex);
    snprintf(out, CHECKSUM_TEXT, "%s/%.2s/%s", digest_kind_name(sum->kind), hex, hex);
}

bool checksum_equal(const struct checksum *one, const struct checksum *other)
{
    return one->kind == other->kind &&
           memcmp(one->bytes, other->bytes, digest_size(one->kind)) == 0;
}

const struct checksum *checksum_best(const struct checksum *sums, size_t count)
{
    const struct checksum *best = sums;

    for (size_t i = 1; i < count; i++)
        if (digest_size(sums[i].kind) > digest_size(best->kind))
            best = &sums[i];
    return best;
}
