/*
 * digest: SHA-256, SHA-512 and MD5 of bytes as they come, and secrets by their digest.
 *
 * digest.c alone includes OpenSSL's libcrypto for this (EVP_Digest*, EVP(7)).
 */
#ifndef IDENTITY_DIGEST_H
#define IDENTITY_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum digest_kind { DIGEST_MD5, DIGEST_SHA256, DIGEST_SHA512, DIGEST_KINDS };

#define DIGEST_MAX         64 /* bytes of the longest */
#define DIGEST_SHA256_SIZE 32

/* "md5", "sha256", "sha512"; and back: -1 for another word. */
const char *digest_kind_name(enum digest_kind kind);
int digest_kind_parse(const char *word);
size_t digest_size(enum digest_kind kind);

struct digest;

struct digest *digest_new(enum digest_kind kind);
void digest_free(struct digest *digest);
void digest_put(struct digest *digest, const void *bytes, size_t length);
/* A digest in the same state, to look at the end without ending. */
struct digest *digest_dup(const struct digest *digest);
/* Writes digest_size bytes; nothing may be put afterwards. */
void digest_end(struct digest *digest, uint8_t *out);

/* All at once. */
void digest_of(enum digest_kind kind, const void *bytes, size_t length, uint8_t *out);

/* Whether length bytes are equal, in a time that does not depend on where they differ. */
bool digest_equal(const void *one, const void *other, size_t length);

/* A new secret of 128 bits as 22 characters of A-Z a-z 0-9 - _ and a NUL. */
#define SECRET_TEXT 23
void secret_new(char *out);
/* What the store keeps of a secret: the SHA-256 of its text. */
void secret_digest(const char *secret, uint8_t out[DIGEST_SHA256_SIZE]);
/* A code that people can type: `ABCD-EFGH`, without letters that look alike (40 bits). */
#define CODE_TEXT 10
void code_new(char *out);
/* The same code however it was typed (case, blanks, hyphens, O for 0); out has CODE_TEXT bytes. 0,
 * -1 if it cannot be one. */
int code_normalise(const char *typed, char *out);

#endif
