/*
 * credential: keys, browsers, tokens, and the one-time codes that add them.
 *
 * Secrets are 128 random bits (identity/digest.h); only their digests are kept. Looking up by
 * digest is also the comparison, so its time tells nothing about a secret.
 */
#ifndef IDENTITY_CREDENTIAL_H
#define IDENTITY_CREDENTIAL_H

#include "identity/person.h"

/* Browser sign-ins end after this long without use. */
#define CREDENTIAL_BROWSER_IDLE_S (30 * 24 * 3600)
#define CODE_LIFE_S               120
#define CODE_KEY_LIFE_S           600

struct credential {
    int64_t id, person_id; /* person_id 0: a guest's browser */
    char kind[8];
    uint8_t digest[DIGEST_SHA256_SIZE];
    char label[128], address[64];
    int64_t created_at, used_at, expires_at; /* expires_at 0 never */
};

/* `SHA256:` and a digest in base 64 without padding, as `ssh-keygen -l` prints it; out has
 * FINGERPRINT_TEXT bytes. And back: 0, or -1 if it is none. */
#define FINGERPRINT_TEXT 52
void credential_fingerprint(const uint8_t digest[DIGEST_SHA256_SIZE], char *out);
int credential_fingerprint_parse(const char *text, uint8_t digest[DIGEST_SHA256_SIZE]);

/* Whose it is. 1 found and valid (*person filled in, ROLE_WAITING too: the caller asks), 0 nobody's
 * (or expired, or banned), -1 failed. Marks its use, at most once a minute. Of several people with
 * that key it is the one who used it last. */
int credential_person(struct store *store, const char *kind, const uint8_t *digest,
                      const char *address, struct person *person, int64_t *credential_id);

/* Why a credential that credential_person finds nobody's opens nothing: 1 it is somebody's who is
 * banned (the reason, yours to free, in *reason), 0 not that, -1 failed. */
int credential_banned(struct store *store, const char *kind, const uint8_t *digest,
                      const char *address, char **reason);

/* The one that let this person in under their name: its id in *credential_id, its use marked as
 * above. A key may open several names, so that the key alone does not say whose it was. 1 found, 0
 * not theirs, -1 failed. */
int credential_entered(struct store *store, const char *kind, const uint8_t *digest,
                       const char *address, const struct person *person, int64_t *credential_id);

/* Adds one; STORE_EXISTS if they have it already. life_s 0: no end. */
int credential_add(struct store *store, int64_t person_id, const char *kind, const uint8_t *digest,
                   const char *label, const char *address, int64_t life_s);

typedef void credential_each(void *context, const struct credential *credential);
/* Those of one person and kind (NULL: all kinds), oldest first. 0 or -1. */
int credential_list(struct store *store, int64_t person_id, const char *kind, credential_each *each,
                    void *context);
/* Removes one of theirs by id; the last key of somebody without a browser is refused
 * (ACT_NOTHING_TO_DO). */
enum person_act credential_remove(struct store *store, int64_t person_id, int64_t id);

/* Expired credentials and codes go; for whoever keeps house, e.g. once an hour. 0 or -1. */
int credential_tidy(struct store *store);

/* Makes a code for person ("web", "key", "browser"); out has CODE_TEXT bytes for "key" and
 * "browser", SECRET_TEXT for "web". An earlier code of that kind ends. 0 or -1. */
int code_make(struct store *store, int64_t person_id, const char *kind, char *out);
/* Whether an unexpired code of that kind is open for person. 1, 0, -1. */
int code_is_open(struct store *store, int64_t person_id, const char *kind);
/* Whose code it is, without using it up: 1, 0, -1. */
int code_look(struct store *store, const char *kind, const char *code, struct person *person);
/* Uses it up: 1 it was good, 0 wrong, used or expired, -1 failed. Exactly one of several racers
 * gets 1. */
int code_use(struct store *store, const char *kind, const char *code, struct person *person);

/*
 * Wrong guesses are slowed down, per address and in all. Returns how long the caller must refuse to
 * look at a guess from that address, in milliseconds; 0 go on. guess_wrong reports one. Of this
 * process only; thread-safe. Five wrong ones of an address are free, each one more doubles a pause
 * from 1 s to a minute; ten minutes without one forgive. guess_forget is for tests.
 */
int64_t guess_wait_ms(const char *address);
void guess_wrong(const char *address);
void guess_forget(void);

#endif
