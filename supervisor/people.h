/*
 * people: how `riad people` finds and shows them.
 *
 * JSON is one array (list, bans) or one object (show); its members are the store's columns. Which
 * device a session comes from is told here, to who holds the box, and to no participant.
 */
#ifndef SUPERVISOR_PEOPLE_H
#define SUPERVISOR_PEOPLE_H

#include "config/config.h"
#include "identity/person.h"

/* All print to standard output and return an exit status. */
int people_print_list(const struct config *config, struct store *store, bool json);
int people_print_one(const struct config *config, struct store *store, const struct person *person,
                     bool json);
int people_print_bans(struct store *store, bool json);

/* What a ban is about, in the words of ban_set. */
struct people_subject {
    const char *kind;
    char subject[2 * DIGEST_SHA256_SIZE + 1];
};

/* A name that somebody has, else an IP address, else a key's fingerprint as `ssh-keygen -l` prints
 * it. 1 found, 0 none of these, -1 failed. */
int people_subject_find(struct store *store, const char *word, struct people_subject *subject);

/* `SHA256:` and a digest in base 64 without padding; out has 52 bytes. And back: 0, or -1. */
#define FINGERPRINT_TEXT 52
void people_fingerprint(const uint8_t digest[DIGEST_SHA256_SIZE], char *out);
int people_fingerprint_parse(const char *text, uint8_t digest[DIGEST_SHA256_SIZE]);

#endif
