/*
 * person: who somebody is, and what they may do.
 *
 * Every function reads or writes the store that it is given; those that change it run in one
 * transaction of their own, append the events that others need, and are durable when they return.
 * Administrative commands, the chat's slash commands and the browser's buttons all end here.
 */
#ifndef IDENTITY_PERSON_H
#define IDENTITY_PERSON_H

#include "base/buf.h"
#include "config/config.h"
#include "identity/digest.h"
#include "identity/name.h"
#include "identity/store.h"

enum person_role { ROLE_WAITING, ROLE_PERSON, ROLE_HOST };

const char *person_role_name(enum person_role role);

struct person {
    int64_t id;
    char name[NAME_MAX_BYTES];
    enum person_role role;
    int64_t created_at, seen_at, muted_until;
};

/* An id that nobody has: a stranger who asks for what somebody said or dropped, by a name that is
 * nobody's, finds as little as by the name of somebody silent. */
#define PERSON_NOBODY (-1)

/* 1 found, 0 nobody, -1 failed; *person is zeroed unless found. name is folded first. */
int person_by_name(struct store *store, const char *name, struct person *person);
int person_by_id(struct store *store, int64_t id, struct person *person);

/* What came of an attempt to be somebody. */
enum person_claim {
    CLAIM_FAILED = -1,
    CLAIM_IS_YOURS,   /* the credential is one of this person's */
    CLAIM_MADE,       /* the name was free and is theirs now */
    CLAIM_TAKEN,      /* somebody else's: *person is who */
    CLAIM_LOOKS_LIKE, /* free, but looks like that of *person */
    CLAIM_BAD_NAME,
    CLAIM_CLOSED, /* no newcomers now */
    CLAIM_BANNED,
};

/*
 * Enters under name with a credential whose digest is given. claim = false only asks (an SSH
 * probe): nothing is written, and a free name answers CLAIM_MADE. Newcomers are admitted as box
 * says: ROLE_WAITING when a host has to let them in. *person is filled in for IS_YOURS, MADE (not
 * when it only asked), TAKEN, LOOKS_LIKE; for BANNED if the name is theirs, else its id is 0:
 * ban_holds has the reason.
 *
 * A key may hold several names, as in `ssh ada@box` and `ssh ada-bot@box`; a browser is one person:
 * one that is signed in already gets IS_YOURS with who it is, whatever the name.
 */
struct person_attempt {
    const char *name;
    const char *kind; /* "key" or "browser" */
    uint8_t digest[DIGEST_SHA256_SIZE];
    const char *label;
    const char *address; /* "" if unknown */
    enum config_newcomers newcomers;
    bool claim;
    bool later; /* the caller syncs the store, for many at a time, before anybody is told */
};
enum person_claim person_enter(struct store *store, const struct person_attempt *attempt,
                               struct person *person);

/* What an administrative act came to; person_act_text puts it as a sentence. */
enum person_act {
    ACT_FAILED = -1,
    ACT_DONE,
    ACT_NOBODY,
    ACT_BAD_NAME,
    ACT_TAKEN,
    ACT_NOTHING_TO_DO,
    ACT_BAD_SUBJECT /* of a ban: no such person, no digest, no address */
};
const char *person_act_text(enum person_act act);

enum person_act person_rename(struct store *store, int64_t id, const char *name);
enum person_act person_set_role(struct store *store, int64_t id, enum person_role role);
enum person_act person_mute(struct store *store, int64_t id, int64_t until_ms);
/* Everything that is theirs goes; what they said stays under no name, or goes too. Their files
 * stay, without an owner. */
enum person_act person_forget(struct store *store, int64_t id, bool words_too);
/* other's credentials, words and files become id's; other's name is free again. Who merges two
 * could read by the keys of one what the other was told: unless it is kept, what was told either in
 * private goes, and what they told others stays with those under no name. */
enum person_act person_merge(struct store *store, int64_t id, int64_t other, bool keep_private);

typedef void person_each(void *context, const struct person *person);
/* Everybody, or those of one role, by name. role -1: all. 0 or -1. */
int person_list(struct store *store, int role, person_each *each, void *context);

/* What belongs to somebody, for `show`. */
struct person_holdings {
    int64_t keys, browsers, tokens, messages, files, file_bytes;
};
int person_holdings(struct store *store, int64_t id, struct person_holdings *holdings);

/* Bans. kind "person" (subject: the id), "key" (digest in hexadecimal) or "address" (IPv4 or IPv6).
 * until_ms 0: for ever. by_id 0: from the command line. A new ban replaces an older one. */
struct ban {
    int64_t id;
    char kind[8];
    char subject[2 * DIGEST_SHA256_SIZE + 1];
    const char *name, *by; /* of a person; "" */
    const char *reason;
    int64_t created_at, until; /* 0 for ever */
};
enum person_act ban_set(struct store *store, const char *kind, const char *subject,
                        const char *reason, int64_t by_id, int64_t until_ms);
enum person_act ban_lift(struct store *store, const char *kind, const char *subject);
typedef void ban_each(void *context, const struct ban *ban);
/* Those that hold now, oldest first. 0 or -1. */
int ban_list(struct store *store, ban_each *each, void *context);
/* 1 banned (the reason, yours to free, in *reason unless NULL), 0 not, -1 failed. Any of the
 * arguments may be 0 or NULL. A key is banned, too, while somebody banned holds it. */
int ban_holds(struct store *store, int64_t person_id, const uint8_t *key_digest,
              const char *address, char **reason);

/* Remembers that they were here, at most once a minute. */
void person_seen(struct store *store, int64_t id, int64_t now_ms);

/* Settings that stick to a person: "color", "bell", "time", "plain". Yours to free; NULL: not set.
 */
char *setting_get(struct store *store, int64_t person_id, const char *name);
int setting_set(struct store *store, int64_t person_id, const char *name, const char *value);

/* Whom a person does not want to read. 1, 0, -1 for ignore_is; 0 or -1 otherwise. */
int ignore_is(struct store *store, int64_t person_id, int64_t other);
int ignore_set(struct store *store, int64_t person_id, int64_t other, bool yes);

/* How many people there are, and how many hosts. */
int64_t person_count(struct store *store);
int64_t person_host_count(struct store *store);

#endif
