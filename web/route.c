#include "web/route.h"

#include "base/log.h"
#include "identity/credential.h"
#include "web/door.h"
#include "web/host.h"
#include "web/hot.h"
#include "web/page.h"
#include "web/turn.h"
#include "web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct route web_routes[] = {
    {ROUTE_READ,          "/healthz",    api_health,     ROUTE_ANYBODY },
    {ROUTE_READ,          "/metrics",    metrics_answer, ROUTE_ANYBODY },
    {ROUTE_READ,          "/api/status", api_status,     ROUTE_ANYBODY },
    {ROUTE_READ,          "/api/people", api_people,     ROUTE_LISTENER},
    {ROUTE_READ,          "/api/files",  api_files,      ROUTE_ANYBODY },
    {ROUTE_READ,          "/api/leases", api_leases,     ROUTE_HOST    },
    {ROUTE_READ,          "/files",      files_slash,    ROUTE_ANYBODY },
    {ROUTE_READ,          "/files/*",    files_answer,   ROUTE_ANYBODY },
    {ROUTE(HTTP_PUT),     "/files/*",    upload_put,     ROUTE_ADMITTED},
    {ROUTE(HTTP_POST),    "/files/*",    post_form,      ROUTE_ADMITTED},
    {ROUTE(HTTP_DELETE),  "/files/*",    files_delete,   ROUTE_ADMITTED},
    {ROUTE(HTTP_OPTIONS), "/uploads",    tus_options,    ROUTE_ANYBODY },
    {ROUTE(HTTP_OPTIONS), "/uploads/*",  tus_options,    ROUTE_ANYBODY },
    {ROUTE(HTTP_POST),    "/uploads/",   tus_create,     ROUTE_ADMITTED},
    {ROUTE(HTTP_POST),    "/uploads",    tus_create,     ROUTE_ADMITTED},
    {ROUTE(HTTP_HEAD),    "/uploads/:",  tus_head,       ROUTE_ANYBODY },
    {ROUTE(HTTP_PATCH),   "/uploads/:",  tus_patch,      ROUTE_ADMITTED},
    {ROUTE(HTTP_POST),    "/uploads/:",  tus_override,   ROUTE_ADMITTED},
    {ROUTE(HTTP_DELETE),  "/uploads/:",  tus_delete,     ROUTE_ADMITTED},
    {ROUTE_READ,          "/opam",       opam_answer,    ROUTE_ANYBODY },
    {ROUTE_READ,          "/opam/*",     opam_answer,    ROUTE_ANYBODY },
    {0,                   NULL,          NULL,           ROUTE_ANYBODY },
};

/* After the pages': what is dropped straight onto the box. */
static const struct route last_routes[] = {
    {ROUTE(HTTP_PUT),  "/:", upload_bare, ROUTE_ADMITTED},
    {ROUTE(HTTP_PUT),  "/",  upload_bare, ROUTE_ADMITTED}, /* a pipe without a name: 400 */
    {ROUTE_READ,       "/:", files_bare,  ROUTE_ANYBODY },
    {ROUTE(HTTP_POST), "/",  post_form,   ROUTE_ADMITTED},
    {0,                NULL, NULL,        ROUTE_ANYBODY },
};

/* Whether path fits pattern; *rest is what the pattern's end stood for. */
static bool fits(const char *pattern, const char *path, const char **rest)
{
    size_t length = strlen(pattern);
    char end = pattern[length - 1];
    *rest = path + strlen(path);
    if (end != '*' && end != ':')
        return strcmp(pattern, path) == 0;
    if (strncmp(pattern, path, length - 1) != 0)
        return false;
    *rest = path + length - 1;
    return end == '*' || (**rest != '\0' && strchr(*rest, '/') == NULL);
}

const struct route *route_find(const struct route *table, enum http_method method, const char *path,
                               const char **rest, unsigned *allow)
{
    for (const struct route *row = table; row->pattern != NULL; row++) {
        const char *end;
        if (!fits(row->pattern, path, &end))
            continue;
        *allow |= row->methods;
        if ((row->methods & ROUTE(method)) != 0) {
            *rest = end;
            return row;
        }
    }
    return NULL;
}

static void wrong_method(struct call *call, unsigned allow)
{
    char list[64] = "OPTIONS";
    for (int i = 0; i < HTTP_METHODS; i++)
        if ((allow & ROUTE(i)) != 0 && i != HTTP_OPTIONS) {
            strcat(list, ", ");
            strcat(list, http_method_name((enum http_method)i));
        }
    reply_extra(call->http, "Allow", "%s", list);
    if (call->http->method != HTTP_OPTIONS) {
        reply_error(call->http, 405, "That cannot be done with this address; allowed are %s.",
                    list);
        return;
    }
    reply_begin(call->http, 204, NULL);
    reply_end(call->http, NULL, 0);
}

static const struct route *find(struct call *call, unsigned *allow)
{
    const struct route *const tables[] = {web_routes, page_routes, last_routes};
    const struct route *found = NULL;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && found == NULL; i++)
        found = route_find(tables[i], call->http->method, call->http->path, &call->rest, allow);
    return found;
}

/* The address of ours that this client reaches, as `http://ADDRESS`. out: WEB_BASE_MAX bytes. */
static void own_base(struct call *call, char *out)
{
    char host[HOST_MAX];
    host_for(call->config, call->visitor.address, host);
    if (call->http->port == 80)
        snprintf(out, WEB_BASE_MAX, "http://%s", host);
    else
        snprintf(out, WEB_BASE_MAX, "http://%s:%d", host, call->http->port);
}

/* A phone asks whether it is online, and opens what it gets in a small browser of its own, which
 * can neither choose files nor stay open: it is told the address, and sends nobody on. */
static void portal(struct call *call)
{
    char base[WEB_BASE_MAX], way[WEB_BASE_MAX + 1];
    own_base(call, base);
    snprintf(way, sizeof way, "%s/", base);
    portal_answer(call, way);
}

/* Whoever came by a name that is not ours is sent to our address; the address is ours to say. */
static void elsewhere(struct call *call)
{
    char base[WEB_BASE_MAX];
    struct buf location;
    own_base(call, base);
    buf_init(&location, WEB_BASE_MAX + 4 * HTTP_PATH_MAX);
    buf_puts(&location, base);
    web_encoded_target(call->http, &location);
    reply_redirect(call->http, http_is_write(call->http->method) ? 307 : 302, buf_text(&location));
    buf_done(&location);
}

void route_say_banned(struct call *call, const char *reason)
{
    reply_error(call->http, 403, "You are banned here%s%s.", *reason == '\0' ? "" : ": ", reason);
}

static void say_bad_token(struct call *call)
{
    reply_extra(call->http, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
    reply_error(call->http, 401,
                "This token is not good: it has been revoked, has expired or was mistyped. "
                "Make another: ssh in and type /token.");
}

/* Whether somebody there, or this person, may write at all; else the answer has been given. A
 * browser or a token of somebody who is banned makes no guest and no new name either. */
static bool is_welcome(struct call *call)
{
    char *reason = NULL;
    int banned =
        ban_holds(call->store, call->visitor.actor.person_id, NULL, call->visitor.address, &reason);
    if (banned == 0 && !call->visitor.known)
        banned = visitor_banned(call->http, call->store, &reason);
    if (banned == 1)
        route_say_banned(call, reason);
    else if (banned < 0)
        reply_error(call->http, 503, "The box cannot read its store just now; the log says why.");
    else if (call->visitor.guessed)
        say_bad_token(call);
    free(reason);
    return banned == 0 && !call->visitor.guessed;
}

/* Whether the row is for this visitor; else the answer has been given. */
static bool is_for(struct call *call, enum route_who who)
{
    const struct visitor *visitor = &call->visitor;
    bool yes =
        who == ROUTE_ANYBODY ||
        (who == ROUTE_ADMITTED && (!visitor->known || visitor->person.role != ROLE_WAITING)) ||
        (who == ROUTE_LISTENER && visitor_may_listen(visitor, call->config)) ||
        (who == ROUTE_PERSON && visitor->known) || (who == ROUTE_HOST && visitor->actor.host);
    if (yes)
        return true;
    char *reason = NULL;
    if (visitor->known)
        reply_error(call->http, 403,
                    who == ROUTE_HOST ? "That is for hosts." : "A host has to let you in first.");
    else if (visitor_banned(call->http, call->store, &reason) == 1)
        route_say_banned(call, reason);
    else if (visitor->guessed)
        say_bad_token(call);
    else {
        reply_extra(call->http, "WWW-Authenticate", "Bearer");
        reply_error(call->http, 401,
                    "Sign in first: ssh in and type /web, or ask a host to let you in.");
    }
    free(reason);
    return false;
}

/* Notes who sends a body, so that it ends when they are sent out. */
static void note_sender(struct call *call)
{
    struct http_sender sender = {.person_id = call->visitor.actor.person_id,
                                 .credential_id = call->visitor.credential_id};
    if (call->http->length == 0)
        return;
    snprintf(sender.address, sizeof sender.address, "%s", call->visitor.address);
    http_sends(call->http, &sender);
}

/* Whether this address has sent so many wrong tokens that another is not even looked at; then that
 * has been answered. Good ones always pass: 128 bits are not guessed, and nobody shall shut out
 * others by guessing. */
static bool guesses_too_much(struct call *call)
{
    int64_t wait_ms = call->visitor.guessed ? guess_wait_ms(call->visitor.address) : 0;
    if (wait_ms <= 0)
        return false;
    reply_extra(call->http, "Retry-After", "%lld", (long long)(wait_ms + 999) / 1000);
    reply_error(call->http, 429, "Too many wrong tokens came from here: wait a moment.");
    return true;
}

/* A token that opened nothing counts as a guess; that of somebody who is banned (403) is none. */
static void count_guess(struct call *call)
{
    if (call->visitor.guessed && reply_status(call->http) == 401)
        guess_wrong(call->visitor.address);
}

static void answer_row(struct call *call, const struct route *row)
{
    bool closed = row->who != ROUTE_ANYBODY || http_is_write(call->http->method);
    if (!is_for(call, row->who) || (closed && !is_welcome(call)))
        return;
    note_sender(call);
    row->handler(call);
}

/* Whoever sends a body comes at their own pace, and who asks whether the web works is the keeper:
 * neither waits for a turn. false: the answer has been given. */
static bool take_turn(struct call *call)
{
    if (call->http->length != 0 || strcmp(call->http->path, "/healthz") == 0)
        return true;
    call->turn = turn_take(call->http->address);
    if (!call->turn) {
        reply_extra(call->http, "Retry-After", "5");
        reply_error(call->http, 503,
                    "The box has very much to do just now; try again in a moment.");
    }
    return call->turn;
}

static void dispatch(struct call *call)
{
    unsigned allow = 0;
    const struct route *row = find(call, &allow);
    if (row == NULL && allow != 0)
        wrong_method(call, allow);
    else if (row == NULL)
        reply_error(call->http, 404, "There is nothing at this address.");
    else if (!take_turn(call))
        return;
    else if (call_acquire(call) < 0 || visitor_of(call->http, call->store, &call->visitor) < 0)
        reply_error(call->http, 503, "The box cannot read its store just now; the log says why.");
    else if (!guesses_too_much(call)) {
        call_name_owners(call);
        answer_row(call, row);
        count_guess(call);
    }
}

void route_answer(struct call *call)
{
    call->visitor.address = call->http->address;
    call->rest = "";
    bool ours = host_is_ours(call->config, call->http->host);
    if (!ours && call->config->dhcp.portal && !http_is_write(call->http->method) &&
        host_is_probe(call->http->host))
        portal(call);
    else if (!ours)
        elsewhere(call);
    else if (http_is_write(call->http->method) && !visitor_origin_ok(call->http, call->config))
        reply_error(call->http, 403,
                    "A page from elsewhere may not do that here. Open the box's own page.");
    else if (!hot_answer(call))
        dispatch(call);
    call_release(call);
}
