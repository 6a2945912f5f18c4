#include "web/tushead.h"

#include "base/text.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const char *const tushead_sum_names[TUSHEAD_SUMS] = {[TUSHEAD_MD5] = "md5",
                                                     [TUSHEAD_SHA1] = "sha1",
                                                     [TUSHEAD_SHA256] = "sha256",
                                                     [TUSHEAD_SHA512] = "sha512"};
static const int sum_sizes[TUSHEAD_SUMS] = {16, 20, 32, 64};

int tushead_base64(const char *text, size_t length, void *out, size_t size)
{
    uint8_t *to = out;
    size_t used = 0;
    uint32_t bits = 0;
    if (length % 4 != 0)
        return -1;
    size_t padding =
        length == 0 ? 0 : (size_t)(text[length - 1] == '=') + (text[length - 2] == '=');
    for (size_t i = 0; i < length - padding; i++) {
        const char *found = text[i] == '\0' ? NULL : strchr(alphabet, text[i]);
        if (found == NULL)
            return -1;
        bits = bits << 6 | (uint32_t)(found - alphabet);
        if (i % 4 == 0)
            continue;
        if (used >= size)
            return -1;
        to[used++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    return (int)used;
}

void tushead_put_base64(struct buf *out, const void *bytes, size_t length)
{
    const uint8_t *from = bytes;
    for (size_t i = 0; i < length; i += 3) {
        uint32_t bits = (uint32_t)from[i] << 16;
        bits |= i + 1 < length ? (uint32_t)from[i + 1] << 8 : 0;
        bits |= i + 2 < length ? from[i + 2] : 0;
        buf_putc(out, (uint8_t)alphabet[bits >> 18]);
        buf_putc(out, (uint8_t)alphabet[bits >> 12 & 63]);
        buf_putc(out, i + 1 < length ? (uint8_t)alphabet[bits >> 6 & 63] : '=');
        buf_putc(out, i + 2 < length ? (uint8_t)alphabet[bits & 63] : '=');
    }
}

int64_t tushead_number(const char *value)
{
    int64_t number = 0;
    if (value == NULL || *value == '\0' || strlen(value) > 18)
        return -1;
    for (; *value != '\0'; value++) {
        if (*value < '0' || *value > '9')
            return -1;
        number = number * 10 + (*value - '0');
    }
    return number;
}

int tushead_metadata(const char *metadata, const char *key, char *out, size_t size)
{
    while (metadata != NULL && *metadata != '\0') {
        metadata += strspn(metadata, ", ");
        size_t pair = strcspn(metadata, ","), name = strcspn(metadata, ", ");
        if (strlen(key) == name && strncmp(metadata, key, name) == 0) {
            size_t value = name + strspn(metadata + name, " ");
            size_t length = strcspn(metadata + value, ", ");
            int got = tushead_base64(metadata + value, length, out, size - 1);
            if (got < 0 || memchr(out, '\0', (size_t)got) != NULL ||
                !text_is_utf8(out, (size_t)got))
                return -1;
            out[got] = '\0';
            return 1;
        }
        metadata += pair;
    }
    return 0;
}

int tushead_checksum(const char *value, enum tushead_sum *sum, uint8_t out[64])
{
    size_t name = strcspn(value, " ");
    const char *text = value + name + strspn(value + name, " ");
    for (int i = 0; i < TUSHEAD_SUMS; i++) {
        if (strlen(tushead_sum_names[i]) != name || strncmp(value, tushead_sum_names[i], name) != 0)
            continue;
        *sum = (enum tushead_sum)i;
        return tushead_base64(text, strcspn(text, " "), out, 64) == sum_sizes[i] ? sum_sizes[i]
                                                                                 : -1;
    }
    return -1;
}
