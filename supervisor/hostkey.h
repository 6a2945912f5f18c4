/*
 * hostkey: by what the box is recognised.
 *
 * One Ed25519 key, made at the first start and kept over restarts, backups and resets: people are
 * asked for it once. It lies in OpenSSH's own format (PROTOCOL.key), unencrypted, readable by its
 * owner only; a key that ssh-keygen made may be put in its place. Only the keeper reads it; the
 * chat gets it as a descriptor.
 */
#ifndef SUPERVISOR_HOSTKEY_H
#define SUPERVISOR_HOSTKEY_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

#define HOSTKEY_PUBLIC 32
#define HOSTKEY_SECRET 32

struct hostkey {
    char *fingerprint; /* SHA256:... */
    char *line;        /* ssh-ed25519 AAAA... */
};

/* Reads the key at path, or makes one there if there is none. 0, or -1, logged with what to do. */
int hostkey_load(struct hostkey *key, const char *path);
void hostkey_done(struct hostkey *key);

/* Writes a new key as the text of an OpenSSH private key file. check is any number: it stands in
 * the file twice so that a wrong passphrase would show. */
void hostkey_put(struct buf *out, const uint8_t secret[HOSTKEY_SECRET],
                 const uint8_t public[HOSTKEY_PUBLIC], uint32_t check);

/* Takes the public half from the text of a private key file. 0, or -1 if it is not the text of an
 * unencrypted Ed25519 key. */
int hostkey_parse(const char *text, uint8_t public[HOSTKEY_PUBLIC]);

/* The fingerprint and the line for a public half. */
void hostkey_describe(struct hostkey *key, const uint8_t public[HOSTKEY_PUBLIC]);

#endif
