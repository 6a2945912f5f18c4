#include "web/visitor.h"

#include "base/log.h"
#include "identity/credential.h"
#include "web/head.h"
#include "web/host.h"

#include <string.h>
#include <strings.h>

#define GUEST_COOKIE_LIFE_S (30 * 24 * 3600)

/* What a request's head says of who sends it. */
enum proof { PROOF_NONE, PROOF_TOKEN, PROOF_GUEST };

/* The secret of that, "" if it cannot be one. A guest's is told from a person's by its form or by
 * its header, so that a person's token that has ended is never taken for a guest's. */
static enum proof proof_of(const struct http_request *request, char secret[SECRET_TEXT])
{
    const char *given = http_header(request, "Authorization");
    enum proof proof = PROOF_TOKEN;
    if (given == NULL || strncasecmp(given, "Bearer ", 7) != 0) {
        given = http_header(request, "Drop-Token");
        proof = PROOF_GUEST;
    }
    if (given == NULL)
        return PROOF_NONE;
    if (strncasecmp(given, "Bearer ", 7) == 0)
        given += 7;
    given += strspn(given, " ");
    if (strncmp(given, VISITOR_DROP_TOKEN, strlen(VISITOR_DROP_TOKEN)) == 0) {
        given += strlen(VISITOR_DROP_TOKEN);
        proof = PROOF_GUEST;
    }
    if (!head_bearer(given, secret, SECRET_TEXT))
        secret[0] = '\0';
    return proof;
}

static void is_guest(struct visitor *visitor, const char *secret)
{
    visitor->has_guest = visitor->actor.has_guest = true;
    memcpy(visitor->secret, secret, SECRET_TEXT);
    secret_digest(secret, visitor->actor.guest);
}

/* 1 it is somebody's, 0 nobody's, -1 failed. */
static int known_by(struct store *store, struct visitor *visitor, const char *kind,
                    const char *secret)
{
    uint8_t digest[DIGEST_SHA256_SIZE];
    secret_digest(secret, digest);
    int found = credential_person(store, kind, digest, visitor->address, &visitor->person,
                                  &visitor->credential_id);
    if (found != 1)
        return found;
    visitor->known = true;
    visitor->by_token = strcmp(kind, "token") == 0;
    visitor->actor.person_id = visitor->person.id;
    visitor->actor.host = visitor->person.role == ROLE_HOST;
    return 1;
}

/* Browsers say of every write where it comes from, and visitor_origin_ok has looked at that. A
 * write that does not say is no browser's: a sign-in's cookie does not count for it, but to end. */
static bool is_from_a_page(const struct http_request *request)
{
    return !http_is_write(request->method) || strcmp(request->path, "/leave") == 0 ||
           http_header(request, "Origin") != NULL || http_header(request, "Sec-Fetch-Site") != NULL;
}

int visitor_of(struct http_request *request, struct store *store, struct visitor *visitor)
{
    char secret[SECRET_TEXT];
    memset(visitor, 0, sizeof *visitor);
    visitor->address = request->address;
    enum proof proof = proof_of(request, secret);
    if (proof == PROOF_TOKEN) {
        int found = secret[0] == '\0' ? 0 : known_by(store, visitor, "token", secret);
        visitor->guessed = found == 0;
        return found < 0 ? -1 : 0;
    }
    if (proof == PROOF_GUEST && secret[0] != '\0') {
        is_guest(visitor, secret);
        return 0;
    }
    if (http_cookie(request, VISITOR_GUEST_COOKIE, secret, sizeof secret) == 1 &&
        strlen(secret) == SECRET_TEXT - 1)
        is_guest(visitor, secret);
    if (is_from_a_page(request) &&
        http_cookie(request, VISITOR_COOKIE, secret, sizeof secret) == 1 &&
        strlen(secret) == SECRET_TEXT - 1)
        return known_by(store, visitor, "browser", secret) < 0 ? -1 : 0;
    return 0;
}

int visitor_banned(struct http_request *request, struct store *store, char **reason)
{
    char secret[SECRET_TEXT];
    uint8_t digest[DIGEST_SHA256_SIZE];
    bool token = proof_of(request, secret) == PROOF_TOKEN;
    if (!token && (http_cookie(request, VISITOR_COOKIE, secret, sizeof secret) != 1 ||
                   strlen(secret) != SECRET_TEXT - 1))
        return 0;
    secret_digest(secret, digest);
    return credential_banned(store, token ? "token" : "browser", digest, request->address, reason);
}

/*
 * Whether a sign-in is being carried over from another of the box's names, by the same port. The
 * POST comes by a redirect, for which browsers say `Origin: null`: then the Referer counts, which
 * no page elsewhere can make up.
 */
static bool is_moving(const struct http_request *request, const struct config *config,
                      const char *origin)
{
    const char *from = origin;
    char host[HOST_MAX];
    if (from != NULL && strcmp(from, "null") == 0)
        from = http_header(request, "Referer");
    if (strncmp(request->path, "/join/", 6) != 0 || from == NULL ||
        strncasecmp(from, "http://", 7) != 0)
        return false;
    size_t length = strcspn(from + 7, "/?#");
    if (length == 0 || length >= sizeof host)
        return false;
    memcpy(host, from + 7, length);
    host[length] = '\0';
    const char *port = strchr(host, ':'), *our_port = strchr(request->host, ':');
    return strcmp(port ? port : "", our_port ? our_port : "") == 0 && host_is_ours(config, host);
}

bool visitor_origin_ok(const struct http_request *request, const struct config *config)
{
    const char *origin = http_header(request, "Origin");
    const char *site = http_header(request, "Sec-Fetch-Site");
    if (is_moving(request, config, origin))
        return true;
    if (origin != NULL && !head_same_origin(origin, request->host))
        return false;
    return site == NULL || strcasecmp(site, "same-origin") == 0 || strcasecmp(site, "none") == 0;
}

void visitor_greet(struct http_request *request, struct visitor *visitor)
{
    char secret[SECRET_TEXT];
    if (visitor->known || visitor->has_guest)
        return;
    secret_new(secret);
    is_guest(visitor, secret);
    reply_cookie(request, VISITOR_GUEST_COOKIE, secret, GUEST_COOKIE_LIFE_S);
}

bool visitor_may_listen(const struct visitor *visitor, const struct config *config)
{
    if (config->box.newcomers == NEWCOMERS_OPEN)
        return true;
    return visitor->known && visitor->person.role != ROLE_WAITING;
}
