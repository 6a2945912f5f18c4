/*
 * login: who may come in, and what those are told who may not.
 *
 * The answers come from the store, by reading only: a name is claimed afterwards, by the worker,
 * and what is read here may have changed by then (the client is told so). Until then the claim is
 * remembered here, so that of two who come at once for one name the second is refused in order.
 *
 * A person may hold many keys and an agent offers them one by one: a foreign key gets its
 * explanation once a connection, and none if that key is known to have stood beside one that fits.
 *
 * On the loop's thread only; no libssh.
 */
#ifndef CHAT_LOGIN_H
#define CHAT_LOGIN_H

#include "config/config.h"
#include "identity/credential.h"
#include "identity/person.h"

struct login;

/* Opens the store at path for reading. NULL, logged. */
struct login *login_open(const char *path, const struct config *config);
void login_close(struct login *login);
/* After a reload. */
void login_reconfigure(struct login *login, const struct config *config);

enum login_verdict {
    LOGIN_REFUSED,
    LOGIN_GOOD, /* the key opens this name (or may claim it) */
    LOGIN_CODE, /* a foreign key, while its owner's code for another key is open */
};

struct login_try {
    const char *user;            /* as the client sent it */
    const char *address, *local; /* the peer's, and the box's as it reached it */
    const uint8_t *key;          /* its digest */
    bool verified;               /* the signature was right; otherwise only a question */
};

/* What to say before any key was seen, appended to text: nothing for most. True: no key will help
 * under this name. */
bool login_greet(struct login *login, const struct login_try *attempt, struct buf *text);

/* Whether this key may come in under that name; why not is appended to text. */
enum login_verdict login_key(struct login *login, const struct login_try *attempt,
                             struct buf *text);

/* Who claimed with this key is in, or not: the store knows now. */
void login_settled(struct login *login, const uint8_t *key);

/* The connection that had offered these foreign keys came in with another: they are its own, and
 * need no explanation from now on. */
void login_sibling(struct login *login, const uint8_t *key);
bool login_is_sibling(const struct login *login, const uint8_t *key);

/* How long no code is looked at from that address, in ms. */
int64_t login_wait_ms(const struct login_try *attempt);

/* Whether that is the open code of attempt->user; code (CODE_TEXT bytes) is what is to be used up
 * when they come in, which exactly one can. */
bool login_code(struct login *login, const struct login_try *attempt, const char *typed,
                char *code);

#endif
