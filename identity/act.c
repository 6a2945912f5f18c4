#include "identity/act.h"

#include "base/fs.h"
#include "base/text.h"
#include "base/when.h"
#include "identity/credential.h"
#include "identity/event.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define MUTE_USUAL_MS (10 * 60 * 1000)

/* ---- who and until when ---- */

int act_until(const char *text, int64_t *until_ms)
{
    int64_t now = when_wall_ms(), seconds;
    if (when_duration_parse(text, &seconds) == 0)
        *until_ms = now + seconds * 1000;
    else if (when_parse(text, now, until_ms))
        return -1;
    return *until_ms > now ? 0 : -1;
}

int act_subject(struct store *store, const char *who, struct act_subject *subject)
{
    struct person person;
    uint8_t parsed[DIGEST_SHA256_SIZE];
    int found = person_by_name(store, who, &person);
    if (found == -1)
        return -1;
    if (found == 1) {
        subject->kind = "person";
        snprintf(subject->subject, sizeof subject->subject, "%lld", (long long)person.id);
    } else if (inet_pton(AF_INET, who, parsed) == 1 || inet_pton(AF_INET6, who, parsed) == 1) {
        subject->kind = "address";
        snprintf(subject->subject, sizeof subject->subject, "%s", who);
    } else if (credential_fingerprint_parse(who, parsed) == 0) {
        subject->kind = "key";
        fs_hex(parsed, sizeof parsed, subject->subject);
    } else {
        return 0;
    }
    return 1;
}

/* ---- the acts: told is what is added to the sentence ---- */

static enum person_act run_admit(struct store *store, const struct act_wish *wish,
                                 const struct person *person, struct buf *told)
{
    (void)wish, (void)told;
    return person->role == ROLE_WAITING ? person_set_role(store, person->id, ROLE_PERSON)
                                        : ACT_NOTHING_TO_DO;
}

static enum person_act run_kick(struct store *store, const struct act_wish *wish,
                                const struct person *person, struct buf *told)
{
    (void)wish, (void)told;
    if (store_begin(store, STORE_SOON))
        return ACT_FAILED;
    return store_end(store, event_append(store, EVENT_KICK, person->id)) ? ACT_FAILED : ACT_DONE;
}

static enum person_act run_mute(struct store *store, const struct act_wish *wish,
                                const struct person *person, struct buf *told)
{
    char length[WHEN_MAX];
    int64_t now = when_wall_ms(), until = wish->until_ms ? wish->until_ms : now + MUTE_USUAL_MS;
    when_duration_text((until - now + 999) / 1000, length);
    buf_printf(told, " for %s", length);
    return person_mute(store, person->id, until);
}

static enum person_act run_unmute(struct store *store, const struct act_wish *wish,
                                  const struct person *person, struct buf *told)
{
    (void)wish, (void)told;
    return person->muted_until <= when_wall_ms() ? ACT_NOTHING_TO_DO
                                                 : person_mute(store, person->id, 0);
}

static enum person_act run_ban(struct store *store, const struct act_wish *wish,
                               const struct person *person, struct buf *told)
{
    struct act_subject subject;
    char until[WHEN_MAX];
    (void)person;
    int found = act_subject(store, wish->who, &subject);
    if (found != 1)
        return found == 0 ? ACT_BAD_SUBJECT : ACT_FAILED;
    if (wish->until_ms) {
        when_rfc3339(wish->until_ms, until);
        buf_printf(told, " until %s", until);
    } else {
        buf_puts(told, " any more");
    }
    /* Which key made a sign-in is not kept. */
    if (strcmp(subject.kind, "key") == 0)
        buf_puts(told, "; browsers and tokens go on, unless you ban their person by name");
    return ban_set(store, subject.kind, subject.subject, wish->reason, wish->by_id, wish->until_ms);
}

static enum person_act run_unban(struct store *store, const struct act_wish *wish,
                                 const struct person *person, struct buf *told)
{
    struct act_subject subject;
    (void)person, (void)told;
    int found = act_subject(store, wish->who, &subject);
    if (found != 1)
        return found == 0 ? ACT_BAD_SUBJECT : ACT_FAILED;
    return ban_lift(store, subject.kind, subject.subject);
}

static enum person_act run_rename(struct store *store, const struct act_wish *wish,
                                  const struct person *person, struct buf *told)
{
    char folded[NAME_MAX_BYTES];
    if (name_check(wish->other, folded) == NAME_GOOD)
        buf_printf(told, " %s", folded);
    return person_rename(store, person->id, wish->other);
}

static enum person_act run_promote(struct store *store, const struct act_wish *wish,
                                   const struct person *person, struct buf *told)
{
    (void)wish, (void)told;
    return person_set_role(store, person->id, ROLE_HOST);
}

static enum person_act run_demote(struct store *store, const struct act_wish *wish,
                                  const struct person *person, struct buf *told)
{
    (void)wish, (void)told;
    return person->role == ROLE_HOST ? person_set_role(store, person->id, ROLE_PERSON)
                                     : ACT_NOTHING_TO_DO;
}

static enum person_act run_forget(struct store *store, const struct act_wish *wish,
                                  const struct person *person, struct buf *told)
{
    buf_puts(told,
             wish->words ? ", with all that they said" : "; what they said stays, under no name");
    return person_forget(store, person->id, wish->words);
}

static enum person_act run_merge(struct store *store, const struct act_wish *wish,
                                 const struct person *person, struct buf *told)
{
    struct person other;
    int found = person_by_name(store, wish->other, &other);
    if (found != 1)
        return found == 0 ? ACT_NOBODY : ACT_FAILED;
    buf_printf(told, " %s", other.name);
    return person_merge(store, person->id, other.id, wish->by_id == 0);
}

/* clang-format off */
const struct act acts[] = {
    {.name = "admit", .usage = "NAME", .run = run_admit, .done = "is let in",
     .help = "let somebody in who waits"},
    {.name = "kick", .usage = "NAME", .run = run_kick, .done = "was sent out",
     .help = "end somebody's sessions, streams and uploads; they may come back"},
    {.name = "mute", .usage = "NAME", .takes = ACT_UNTIL, .run = run_mute, .done = "may only read",
     .help = "let somebody read but not speak (10 minutes, if not said)"},
    {.name = "unmute", .usage = "NAME", .run = run_unmute, .done = "may speak again",
     .help = "let somebody speak again"},
    {.name = "ban", .usage = "WHO", .takes = ACT_UNTIL | ACT_REASON, .run = run_ban,
     .done = "may not come in",
     .help = "keep out a person, a key (its fingerprint SHA256:...) or an IP address; every open door closes within a second"},
    {.name = "unban", .usage = "WHO", .run = run_unban, .done = "may come in again",
     .help = "let them in again"},
    {.name = "rename", .usage = "NAME NEW", .takes = ACT_OTHER, .oneself = true, .run = run_rename,
     .done = "is now", .help = "give somebody another name; their history follows"},
    {.name = "promote", .usage = "NAME", .run = run_promote, .done = "is a host now",
     .help = "make somebody a host, who may do all of this"},
    {.name = "demote", .usage = "NAME", .oneself = true, .run = run_demote,
     .done = "is no host any more", .help = "make a host a person like others"},
    {.name = "forget", .usage = "NAME", .takes = ACT_WORDS, .final = true, .run = run_forget,
     .done = "is forgotten",
     .help = "what is theirs goes; their words stay under no name (or go, too), their files without an owner"},
    {.name = "merge", .usage = "NAME OTHER", .takes = ACT_OTHER, .final = true, .run = run_merge,
     .done = "has now the keys, words and files of",
     .help = "OTHER's keys, words and files become NAME's; OTHER's name is free again"},
    {0},
};
/* clang-format on */

const struct act *act_find(const char *name)
{
    for (const struct act *act = acts; act->name; act++) {
        if (strcmp(act->name, name) == 0)
            return act;
    }
    return NULL;
}

/* ---- doing ---- */

/* What a stranger typed, fit for a sentence. */
static void quote(struct buf *out, const char *typed)
{
    struct buf clean;
    buf_init(&clean, 128);
    text_clean(&clean, typed, strnlen(typed, 80), TEXT_ONE_LINE);
    buf_printf(out, "`%s`", buf_text(&clean));
    buf_done(&clean);
}

static void tell_nobody(const char *name, struct buf *told)
{
    buf_puts(told, "nobody is called ");
    quote(told, name);
}

/* Why it could not be, as a sentence. */
static void tell_why_not(const struct act *act, const struct act_wish *wish, enum person_act result,
                         struct buf *told)
{
    char folded[NAME_MAX_BYTES];
    buf_clear(told);
    switch (result) {
    case ACT_NOBODY:
        tell_nobody(act->run == run_merge ? wish->other : wish->who, told);
        break;
    case ACT_BAD_NAME:
        quote(told, wish->other);
        buf_printf(told, ": %s", name_rule(name_check(wish->other, folded)));
        break;
    case ACT_TAKEN:
        quote(told, wish->other);
        buf_puts(told, " is taken, or looks like a name that is");
        break;
    case ACT_BAD_SUBJECT:
        quote(told, wish->who);
        buf_puts(told, " is nobody's name, no IP address and no fingerprint `SHA256:...` of a key");
        break;
    case ACT_NOTHING_TO_DO:
        buf_printf(told, "%s: nothing to do", wish->who);
        break;
    default:
        buf_puts(told, person_act_text(result));
    }
}

enum person_act act_do(struct store *store, const struct act *act, const struct act_wish *wish,
                       struct buf *told)
{
    bool anything = act->run == run_ban || act->run == run_unban;
    struct person person;
    struct buf more;
    int found = person_by_name(store, wish->who, &person);
    if (found == -1 || (found == 0 && !anything)) {
        if (found == 0)
            tell_nobody(wish->who, told);
        else
            buf_puts(told, person_act_text(ACT_FAILED));
        return found == 0 ? ACT_NOBODY : ACT_FAILED;
    }
    if (found == 1 && wish->by_id == person.id && !act->oneself) {
        buf_puts(told, "that is you");
        return ACT_BAD_SUBJECT;
    }
    buf_init(&more, 256);
    enum person_act result = act->run(store, wish, &person, &more);
    if (result == ACT_DONE)
        buf_printf(told, "%s %s%s", found == 1 ? person.name : wish->who, act->done,
                   buf_text(&more));
    else
        tell_why_not(act, wish, result, told);
    buf_done(&more);
    return result;
}

void act_question(const struct act *act, const struct act_wish *wish, struct buf *out)
{
    if (act->run == run_merge)
        buf_printf(out,
                   "Merge %s into %s? %s's keys, sign-ins, words and files become %s's, for "
                   "good.%s",
                   wish->other, wish->who, wish->other, wish->who,
                   wish->by_id ? " What either was told in private is removed, so that nobody "
                                 "else ever reads it."
                               : "");
    else
        buf_printf(out,
                   "Forget %s? Their keys, sign-ins and settings go, for good; their files stay, "
                   "without an owner; what %s said %s.",
                   wish->who, wish->who, wish->words ? "goes, too" : "stays, under no name");
}
