#include "supervisor/hostkey.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "identity/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define KEY_TYPE "ssh-ed25519"
#define MAGIC    "openssh-key-v1" /* with its NUL */
#define HEAD     "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define FOOT     "-----END OPENSSH PRIVATE KEY-----\n"
#define FILE_MAX 16384
#define LINE     70 /* characters of base64 a line, as ssh-keygen writes */
#define BLOCK    8  /* the private part is padded to this */

/* ---- the wire format of RFC 4251: lengths of four bytes before strings ---- */

static void put_number(struct buf *out, uint32_t number)
{
    uint8_t bytes[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                        (uint8_t)number};

    buf_put(out, bytes, sizeof bytes);
}

static void put_string(struct buf *out, const void *bytes, size_t length)
{
    put_number(out, (uint32_t)length);
    buf_put(out, bytes, length);
}

static void put_text(struct buf *out, const char *text)
{
    put_string(out, text, strlen(text));
}

/* What is left to read. */
struct span {
    const uint8_t *bytes;
    size_t length;
};

static int get_number(struct span *in, uint32_t *number)
{
    if (in->length < 4)
        return -1;
    *number = (uint32_t)in->bytes[0] << 24 | (uint32_t)in->bytes[1] << 16 |
              (uint32_t)in->bytes[2] << 8 | in->bytes[3];
    in->bytes += 4;
    in->length -= 4;
    return 0;
}

static int get_string(struct span *in, struct span *string)
{
    uint32_t length;

    if (get_number(in, &length) < 0 || length > in->length)
        return -1;
    *string = (struct span){in->bytes, length};
    in->bytes += length;
    in->length -= length;
    return 0;
}

static bool span_is(const struct span *span, const char *text)
{
    return span->length == strlen(text) && memcmp(span->bytes, text, span->length) == 0;
}

/* ---- base64 ---- */

static char *base64(const void *bytes, size_t length)
{
    char *text = mem_alloc((length + 2) / 3 * 4 + 1);

    EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
    return text;
}

/* The bytes between head and foot, at most FILE_MAX. */
static int unarmour(const char *text, uint8_t *bytes, size_t *length)
{
    const char *from = strstr(text, HEAD);
    const char *to = from ? strstr(from, FOOT) : NULL;
    EVP_ENCODE_CTX *decoder = NULL;
    int result = -1, count = 0, more = 0;

    if (!to || to - from > FILE_MAX)
        return -1;
    from += strlen(HEAD);
    decoder = EVP_ENCODE_CTX_new();
    EVP_DecodeInit(decoder);
    if (EVP_DecodeUpdate(decoder, bytes, &count, (const unsigned char *)from, (int)(to - from)) >=
            0 &&
        EVP_DecodeFinal(decoder, bytes + count, &more) >= 0)
        result = 0;
    EVP_ENCODE_CTX_free(decoder);
    *length = (size_t)count + (size_t)more;
    return result;
}

/* ---- the file ---- */

static void put_public(struct buf *out, const uint8_t public[HOSTKEY_PUBLIC])
{
    put_text(out, KEY_TYPE);
    put_string(out, public, HOSTKEY_PUBLIC);
}

static void put_private(struct buf *out, const uint8_t *secret, const uint8_t *public,
                        uint32_t check)
{
    uint8_t both[HOSTKEY_SECRET + HOSTKEY_PUBLIC];

    memcpy(both, secret, HOSTKEY_SECRET);
    memcpy(both + HOSTKEY_SECRET, public, HOSTKEY_PUBLIC);
    put_number(out, check);
    put_number(out, check);
    put_public(out, public);
    put_string(out, both, sizeof both);
    put_text(out, "riad");
    for (uint8_t pad = 1; out->len % BLOCK != 0; pad++)
        buf_putc(out, pad);
    explicit_bzero(both, sizeof both);
}

void hostkey_put(struct buf *out, const uint8_t secret[HOSTKEY_SECRET],
                 const uint8_t public[HOSTKEY_PUBLIC], uint32_t check)
{
    struct buf whole, part;
    char *text = NULL;

    buf_init(&whole, FILE_MAX);
    buf_init(&part, FILE_MAX);
    buf_put(&whole, MAGIC, sizeof MAGIC);
    put_text(&whole, "none"); /* cipher */
    put_text(&whole, "none"); /* key derivation */
    put_text(&whole, "");     /* its options */
    put_number(&whole, 1);
    put_public(&part, public);
    put_string(&whole, part.data, part.len);
    buf_clear(&part);
    put_private(&part, secret, public, check);
    put_string(&whole, part.data, part.len);
    text = base64(whole.data, whole.len);
    buf_puts(out, HEAD);
    for (size_t at = 0; text[at]; at += strnlen(text + at, LINE))
        buf_printf(out, "%.*s\n", LINE, text + at);
    buf_puts(out, FOOT);
    explicit_bzero(whole.data, whole.len);
    explicit_bzero(part.data, part.len);
    explicit_bzero(text, strlen(text));
    free(text);
    buf_done(&part);
    buf_done(&whole);
}

static int parse_public(struct span *blob, uint8_t public[HOSTKEY_PUBLIC])
{
    struct span type, key;

    if (get_string(blob, &type) < 0 || !span_is(&type, KEY_TYPE) || get_string(blob, &key) < 0 ||
        key.length != HOSTKEY_PUBLIC)
        return -1;
    memcpy(public, key.bytes, HOSTKEY_PUBLIC);
    return 0;
}

int hostkey_parse(const char *text, uint8_t public[HOSTKEY_PUBLIC])
{
    uint8_t *bytes = mem_alloc(FILE_MAX);
    struct span in = {.bytes = bytes}, cipher, derivation, options, blob;
    uint32_t count;
    int result = -1;

    if (unarmour(text, bytes, &in.length) < 0 || in.length < sizeof MAGIC ||
        memcmp(in.bytes, MAGIC, sizeof MAGIC) != 0)
        goto out;
    in.bytes += sizeof MAGIC;
    in.length -= sizeof MAGIC;
    if (get_string(&in, &cipher) < 0 || !span_is(&cipher, "none") ||
        get_string(&in, &derivation) < 0 || get_string(&in, &options) < 0 ||
        get_number(&in, &count) < 0 || count != 1 || get_string(&in, &blob) < 0)
        goto out;
    result = parse_public(&blob, public);
out:
    explicit_bzero(bytes, FILE_MAX);
    free(bytes);
    return result;
}

void hostkey_describe(struct hostkey *key, const uint8_t public[HOSTKEY_PUBLIC])
{
    uint8_t digest[DIGEST_SHA256_SIZE];
    struct buf blob;
    char *text;

    buf_init(&blob, 256);
    put_public(&blob, public);
    text = base64(blob.data, blob.len);
    key->line = mem_printf(KEY_TYPE " %s", text);
    free(text);
    digest_of(DIGEST_SHA256, blob.data, blob.len, digest);
    text = base64(digest, sizeof digest);
    text[strcspn(text, "=")] = '\0';
    key->fingerprint = mem_printf("SHA256:%s", text);
    free(text);
    buf_done(&blob);
}

static int make_key(const char *path, struct buf *text)
{
    uint8_t secret[HOSTKEY_SECRET], public[HOSTKEY_PUBLIC];
    size_t secret_size = sizeof secret, public_size = sizeof public;
    EVP_PKEY *pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    uint32_t check;
    int result = -1;

    if (!pair || EVP_PKEY_get_raw_private_key(pair, secret, &secret_size) != 1 ||
        EVP_PKEY_get_raw_public_key(pair, public, &public_size) != 1) {
        log_error("cannot make a host key: libcrypto has no Ed25519");
        goto out;
    }
    fs_random(&check, sizeof check);
    hostkey_put(text, secret, public, check);
    result = fs_replace_file(path, text->data, text->len, 0600);
    if (result == 0)
        log_info("made the box's SSH host key, %s", path);
out:
    explicit_bzero(secret, sizeof secret);
    EVP_PKEY_free(pair);
    return result;
}

int hostkey_load(struct hostkey *key, const char *path)
{
    uint8_t public[HOSTKEY_PUBLIC];
    struct buf text;
    int result = -1;

    *key = (struct hostkey){0};
    buf_init(&text, FILE_MAX);
    if (fs_read_file(path, &text) < 0) {
        if (errno != ENOENT) {
            log_errno("cannot read the host key %s", path);
            goto out;
        }
        if (make_key(path, &text) < 0)
            goto out;
    }
    if (hostkey_parse(buf_text(&text), public) < 0) {
        log_error("%s is not an unencrypted Ed25519 key of OpenSSH's; put the right one back from "
                  "a backup, or remove it and a new one is made (people will be warned that the "
                  "box has changed)",
                  path);
        goto out;
    }
    hostkey_describe(key, public);
    result = 0;
out:
    explicit_bzero(text.data, text.len);
    buf_done(&text);
    return result;
}

void hostkey_done(struct hostkey *key)
{
    free(key->fingerprint);
    free(key->line);
    *key = (struct hostkey){0};
}
