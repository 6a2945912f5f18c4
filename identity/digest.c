#include "identity/digest.h"

#include "base/fs.h"
#include "base/mem.h"

#include <assert.h>
#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
    const EVP_MD *(*algorithm)(void);
} kinds[DIGEST_KINDS] = {
    [DIGEST_MD5] = {"md5",    16, EVP_md5   },
    [DIGEST_SHA256] = {"sha256", 32, EVP_sha256},
    [DIGEST_SHA512] = {"sha512", 64, EVP_sha512},
};

const char *digest_kind_name(enum digest_kind kind)
{
    return kinds[kind].name;
}

int digest_kind_parse(const char *word)
{
    for (int kind = 0; kind < DIGEST_KINDS; kind++) {
        if (strcmp(word, kinds[kind].name) == 0)
            return kind;
    }
    return -1;
}

size_t digest_size(enum digest_kind kind)
{
    return kinds[kind].size;
}

struct digest {
    EVP_MD_CTX *state;
};

/* libcrypto fails here only without memory or with a policy that forbids the algorithm. */
static void must(int ok)
{
    assert(ok == 1);
}

static struct digest *digest_blank(void)
{
    struct digest *digest = mem_alloc(sizeof *digest);
    digest->state = EVP_MD_CTX_new();
    must(digest->state != NULL);
    return digest;
}

struct digest *digest_new(enum digest_kind kind)
{
    struct digest *digest = digest_blank();
    must(EVP_DigestInit_ex(digest->state, kinds[kind].algorithm(), NULL));
    return digest;
}

void digest_free(struct digest *digest)
{
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->state);
    free(digest);
}

void digest_put(struct digest *digest, const void *bytes, size_t length)
{
    must(EVP_DigestUpdate(digest->state, bytes, length));
}

struct digest *digest_dup(const struct digest *digest)
{
    struct digest *copy = digest_blank();
    must(EVP_MD_CTX_copy_ex(copy->state, digest->state));
    return copy;
}

void digest_end(struct digest *digest, uint8_t *out)
{
    must(EVP_DigestFinal_ex(digest->state, out, NULL));
}

void digest_of(enum digest_kind kind, const void *bytes, size_t length, uint8_t *out)
{
    must(EVP_Digest(bytes, length, out, NULL, kinds[kind].algorithm(), NULL));
}

bool digest_equal(const void *one, const void *other, size_t length)
{
    return CRYPTO_memcmp(one, other, length) == 0;
}

/* ---- secrets ---- */

#define SECRET_BYTES 16
#define CODE_LETTERS 8 /* of 5 bits */

void secret_new(char *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t bytes[SECRET_BYTES + 2] = {0}; /* 22 letters of 6 bits look at 132 bits */
    fs_random(bytes, SECRET_BYTES);
    for (size_t i = 0; i < SECRET_TEXT - 1; i++) {
        size_t bit = i * 6;
        unsigned pair = (unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];
        out[i] = letters[pair >> (10 - bit % 8) & 63];
    }
    out[SECRET_TEXT - 1] = '\0';
    OPENSSL_cleanse(bytes, sizeof bytes);
}

void secret_digest(const char *secret, uint8_t out[DIGEST_SHA256_SIZE])
{
    digest_of(DIGEST_SHA256, secret, strlen(secret), out);
}

/* Crockford's base 32: no I, L, O and U. */
static const char code_letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void code_new(char *out)
{
    uint8_t bytes[CODE_LETTERS];
    fs_random(bytes, sizeof bytes);
    for (size_t i = 0; i < CODE_LETTERS; i++) {
        if (i == CODE_LETTERS / 2)
            *out++ = '-';
        *out++ = code_letters[bytes[i] & 31];
    }
    *out = '\0';
}

/* What a typed letter stands for, 0 if nothing. */
static char code_letter(char typed)
{
    int letter = toupper((unsigned char)typed);
    if (letter == 'O')
        return '0';
    if (letter == 'I' || letter == 'L')
        return '1';
    return letter && strchr(code_letters, letter) ? (char)letter : 0;
}

int code_normalise(const char *typed, char *out)
{
    size_t count = 0;
    for (; *typed; typed++) {
        if (isspace((unsigned char)*typed) || *typed == '-')
            continue;
        char letter = code_letter(*typed);
        if (!letter || count == CODE_LETTERS)
            return -1;
        out[count + (count >= CODE_LETTERS / 2)] = letter;
        count++;
    }
    if (count != CODE_LETTERS)
        return -1;
    out[CODE_LETTERS / 2] = '-';
    out[CODE_TEXT - 1] = '\0';
    return 0;
}
