/*
 * act: what hosts do about people, the same through every door.
 *
 * `riad people` on a command line, a host's command in the chat and a host's button in the browser
 * all fill in one wish and call act_do. A door reads the wish in its own way, asks once more before
 * an act that is final, and shows the sentence that comes back; who may act at all (hosts, and who
 * holds the box) has been asked by the door.
 */
#ifndef IDENTITY_ACT_H
#define IDENTITY_ACT_H

#include "identity/person.h"

/* What an act takes beside its first word. */
enum act_takes { ACT_OTHER = 1, ACT_UNTIL = 2, ACT_REASON = 4, ACT_WORDS = 8 };

struct act_wish {
    int64_t by_id;      /* whose wish it is; 0: of who holds the box */
    const char *who;    /* a name; for ban and unban an IP address or `SHA256:...`, too */
    const char *other;  /* ACT_OTHER: the new name, or who is merged into `who` */
    const char *reason; /* ACT_REASON: NULL none */
    int64_t until_ms;   /* ACT_UNTIL: 0 for ever (mute: ten minutes) */
    bool words;         /* ACT_WORDS: what they said goes, too */
};

struct act {
    const char *name;  /* the word for it at every door */
    const char *usage; /* `NAME`, `WHO`, `NAME NEW`, `NAME OTHER` */
    const char *help;  /* no capital, no full stop */
    unsigned takes;
    bool final;       /* cannot be undone: ask with act_question */
    bool oneself;     /* a host may do it to themselves */
    const char *done; /* what is said behind the name: `may speak again` */
    enum person_act (*run)(struct store *store, const struct act_wish *wish,
                           const struct person *person, struct buf *told);
};

/* The table, ended by a row without a name. */
extern const struct act acts[];

/* The act of that name; NULL. */
const struct act *act_find(const char *name);

/* Does it, in a transaction, and appends one sentence without a full stop that says what came of
 * it, to told. The people whom it is about are those who have the names at this moment. */
enum person_act act_do(struct store *store, const struct act *act, const struct act_wish *wish,
                       struct buf *told);

/* Appends what is asked before an act that is final. */
void act_question(const struct act *act, const struct act_wish *wish, struct buf *out);

/* Until when: a duration from now, or a time to come. 0, or -1 if it is neither. */
int act_until(const char *text, int64_t *until_ms);

/* Whom a ban is about, in the words of ban_set: a name that somebody has, else an IP address, else
 * a key's fingerprint. 1 found, 0 none of these, -1 failed. */
struct act_subject {
    const char *kind;
    char subject[2 * DIGEST_SHA256_SIZE + 1];
};
int act_subject(struct store *store, const char *who, struct act_subject *subject);

#endif
