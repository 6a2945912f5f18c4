/* Who is it: libssh's questions, answered by login.h. */
#include "chat/server.h"

#include "base/text.h"
#include "base/when.h"
#include "chat/session_guard.h"
#include "identity/digest.h"

#include <libssh/libssh.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FAILURES 12 /* signatures that did not open, wrong codes */
#define MAX_TEXT     4096

#define LEAST_REQUEST 120 /* bytes of one with a key, on the wire */

static struct login_try attempt_of(const struct session *session, const char *user)
{
    return (struct login_try){.user = user, .address = session->address, .local = session->local};
}

/* Says it before the next answer, so that every client shows it; line ends as terminals like. */
static void say(struct session *session, const struct buf *text)
{
    struct buf lines;
    ssh_string banner;

    if (text->len == 0)
        return;
    buf_init(&lines, 2 * MAX_TEXT);
    buf_puts(&lines, "\r\n");
    screen_put(&lines, buf_text(text));
    banner = ssh_string_from_char(buf_text(&lines));
    if (banner != NULL)
        ssh_send_issue_banner(session->ssh, banner);
    ssh_string_free(banner);
    buf_done(&lines);
}

static void count_failure(struct session *session)
{
    if (++session->failures >= MAX_FAILURES)
        session->dead = true;
}

static void note_user(struct session *session, const char *user)
{
    snprintf(session->user, sizeof(session->user), "%s", user);
}

/* ---- none: everybody's first question ---- */

static int on_none(ssh_session ssh, const char *user, void *context)
{
    struct session *session = context;
    struct login_try attempt = attempt_of(session, user);
    struct buf text;

    (void)ssh;
    note_user(session, user);
    if (session->greeted) {
        count_failure(session);
        return SSH_AUTH_DENIED;
    }
    session->greeted = true;
    buf_init(&text, MAX_TEXT);
    session->hopeless = login_greet(session->server->login, &attempt, &text);
    say(session, &text);
    buf_done(&text);
    return SSH_AUTH_DENIED;
}

/* ---- public keys ---- */

/* 0, or -1 if it has no fingerprint. */
static int read_key(struct session *session, ssh_key key)
{
    unsigned char *hash = NULL;
    size_t length = 0;
    char *print;

    if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &length) != 0 ||
        length != DIGEST_SHA256_SIZE) {
        ssh_clean_pubkey_hash(&hash);
        return -1;
    }
    memcpy(session->key, hash, DIGEST_SHA256_SIZE);
    print = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, length);
    snprintf(session->label, sizeof(session->label), "%s %s",
             ssh_key_type_to_char(ssh_key_type(key)), print != NULL ? print : "");
    ssh_string_free_char(print);
    ssh_clean_pubkey_hash(&hash);
    return 0;
}

/* code: what was typed to make this key one of theirs, or "". */
static void come_in(struct session *session, const char *user, const char *code)
{
    struct client_facts *facts = &session->facts;

    session->authenticated = true;
    session->born = when_monotonic_ms();
    session->server->unauthenticated--;
    for (unsigned i = 0; i < session->foreign_count; i++)
        login_sibling(session->server->login, session->foreign[i]);
    name_check(user, facts->name);
    memcpy(facts->key, session->key, sizeof(facts->key));
    memcpy(facts->label, session->label, sizeof(facts->label));
    memcpy(facts->address, session->address, sizeof(facts->address));
    memcpy(facts->local, session->local, sizeof(facts->local));
    snprintf(facts->code, sizeof(facts->code), "%s", code);
    session->first = client_new(&session->server->hall, facts);
    facts->code[0] = '\0';
    session_ask_others(session);
}

static void note_foreign(struct session *session)
{
    for (unsigned i = 0; i < session->foreign_count; i++)
        if (memcmp(session->foreign[i], session->key, DIGEST_SHA256_SIZE) == 0)
            return;
    if (session->foreign_count < SESSION_FOREIGN)
        memcpy(session->foreign[session->foreign_count++], session->key, DIGEST_SHA256_SIZE);
}

/* Once a connection. */
static void explain(struct session *session, const struct buf *text)
{
    if (session->explained || session->hopeless || text->len == 0)
        return;
    session->explained = true;
    say(session, text);
}

static int refuse_key(struct session *session, const struct buf *text, bool verified)
{
    note_foreign(session);
    explain(session, text);
    if (verified)
        count_failure(session);
    return SSH_AUTH_DENIED;
}

static int on_key(ssh_session ssh, const char *user, struct ssh_key_struct *key, char state,
                  void *context)
{
    struct session *session = context;
    struct login_try attempt = attempt_of(session, user);
    bool verified = state == SSH_PUBLICKEY_STATE_VALID;
    enum login_verdict verdict;
    struct buf text;
    int answer = SSH_AUTH_DENIED;

    if (session->authenticated || session->dead)
        return SSH_AUTH_DENIED;
    note_user(session, user);
    if ((state != SSH_PUBLICKEY_STATE_NONE && !verified) || read_key(session, key) != 0) {
        count_failure(session);
        return SSH_AUTH_DENIED;
    }
    /* A key that a code was asked for already; the client goes on to its next one. */
    if (session->code_key && memcmp(session->key, session->coded, DIGEST_SHA256_SIZE) == 0)
        return SSH_AUTH_DENIED;
    attempt.key = session->key;
    attempt.verified = verified;
    buf_init(&text, MAX_TEXT);
    verdict = login_key(session->server->login, &attempt, &text);
    if (verdict == LOGIN_REFUSED) {
        answer = refuse_key(session, &text, verified);
    } else if (verdict == LOGIN_GOOD || !verified) {
        answer = SSH_AUTH_SUCCESS;
        if (verified)
            come_in(session, user, "");
    } else {
        /* Its owner is adding a key at this moment: ask for the code. */
        explain(session, &text);
        session->code_key = true;
        memcpy(session->coded, session->key, DIGEST_SHA256_SIZE);
        memcpy(session->coded_label, session->label, sizeof(session->label));
        ssh_set_auth_methods(ssh, SSH_AUTH_METHOD_INTERACTIVE);
        answer = SSH_AUTH_PARTIAL;
    }
    buf_done(&text);
    return answer;
}

/* ---- the code for another key ---- */

static int ask_code(struct session *session, ssh_message message)
{
    static const char *prompt = "Code: ";
    char echo = 1;
    char text[256];

    if (!session->code_key || session->authenticated)
        return 1;
    if (!ssh_message_auth_kbdint_is_response(message)) {
        session->asked_code = true;
        snprintf(text, sizeof(text),
                 "This key is new for %.32s. Type the code that /key add shows, or nothing.",
                 session->user);
        ssh_message_auth_interactive_request(message, "", text, 1, &prompt, &echo);
        return 0;
    }
    if (!session->asked_code || ssh_userauth_kbdint_getnanswers(session->ssh) != 1)
        return 1;
    session->asked_code = false;
    char code[CODE_TEXT];
    struct login_try attempt = attempt_of(session, session->user);
    const char *typed = ssh_userauth_kbdint_getanswer(session->ssh, 0);

    attempt.key = session->coded;
    if (typed != NULL && typed[0] != '\0' &&
        login_code(session->server->login, &attempt, typed, code)) {
        memcpy(session->key, session->coded, DIGEST_SHA256_SIZE);
        memcpy(session->label, session->coded_label, sizeof(session->label));
        come_in(session, session->user, code);
        ssh_message_auth_reply_success(message, 0);
        return 0;
    }
    /* Another try, or another key. */
    ssh_set_auth_methods(session->ssh,
                         SSH_AUTH_METHOD_PUBLICKEY |
                             (typed != NULL && typed[0] != '\0' ? SSH_AUTH_METHOD_INTERACTIVE
                                                                : SSH_AUTH_METHOD_PUBLICKEY));
    count_failure(session);
    return 1;
}

/* ---- everything that has no callback of its own ---- */

static int on_message(ssh_session ssh, ssh_message message, void *context)
{
    struct session *session = context;

    (void)ssh;
    if (ssh_message_type(message) == SSH_REQUEST_CHANNEL_OPEN)
        return lane_open(session, message);
    if (ssh_message_type(message) == SSH_REQUEST_AUTH &&
        ssh_message_subtype(message) == (int)SSH_AUTH_METHOD_INTERACTIVE)
        return ask_code(session, message);
    if (ssh_message_type(message) == SSH_REQUEST_SERVICE)
        session->signing_in = true;
    if (ssh_message_type(message) == SSH_REQUEST_AUTH)
        count_failure(session);
    return 1;
}

/* What stands for keys that nobody can read: who offered them. */
static void note_unreadable(struct session *session)
{
    struct buf who;

    buf_init(&who, MAX_TEXT);
    buf_printf(&who, "%s %s", session->address, session->user);
    digest_of(DIGEST_SHA256, who.data, who.len, session->key);
    buf_done(&who);
    note_foreign(session);
}

static void refuse_unreadable(struct session *session)
{
    struct buf text;

    buf_init(&text, MAX_TEXT);
    note_unreadable(session);
    if (!login_is_sibling(session->server->login, session->key))
        buf_puts(&text,
                 "That key cannot be used here, or its signature is wrong. Ed25519, ECDSA and RSA "
                 "keys are\ntaken, and security keys (sk). Make one:\n\n"
                 "    ssh-keygen -t ed25519\n\n");
    explain(session, &text);
    buf_done(&text);
    count_failure(session);
    if (!session->server->guarded || guard_refuse(session->ssh) != 0)
        session->dead = true;
}

/*
 * libssh 0.10 drops a request whose key it cannot read (DSA, Ed448, kinds that are newer than it)
 * or whose signature is wrong, and answers nothing: the client would wait. Such a packet came and
 * none went out; smaller ones are the SSH_MSG_IGNORE of a client that keeps its connection alive.
 */
void session_auth_stepped(struct session *session, const struct ssh_counter_struct *before)
{
    const struct ssh_counter_struct *now = &session->counter;

    if (session->signing_in && now->out_packets == before->out_packets &&
        now->in_packets != before->in_packets && now->in_bytes - before->in_bytes >= LEAST_REQUEST)
        refuse_unreadable(session);
}

void session_auth_init(struct session *session)
{
    session->server_callbacks = (struct ssh_server_callbacks_struct){
        .userdata = session, .auth_none_function = on_none, .auth_pubkey_function = on_key};
    ssh_callbacks_init(&session->server_callbacks);
    ssh_set_server_callbacks(session->ssh, &session->server_callbacks);
    ssh_set_message_callback(session->ssh, on_message, session);
    ssh_set_auth_methods(session->ssh, SSH_AUTH_METHOD_PUBLICKEY);
    ssh_set_counters(session->ssh, NULL, &session->counter);
}
