/*
 * say: what a browser or a script says in the conversation.
 */
#include "base/json.h"
#include "base/text.h"
#include "base/when.h"
#include "identity/presence.h"
#include "web/form.h"
#include "web/page.h"
#include "web/talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Why this visitor may not write now; NULL: they may. */
static const char *silence(const struct call *call, int *status)
{
    const struct person *person = &call->visitor.person;
    const struct config_chat *limits = &call->config->chat;
    int64_t now = when_wall_ms(), said = 0;
    *status = 403;
    if (person->role == ROLE_WAITING)
        return "A host has to let you in first.";
    if (person->muted_until > now)
        return "A host has muted you for a while.";
    store_int(call->store, &said,
              "SELECT sum(" MESSAGE_WEIGHT_SQL ") FROM message WHERE person_id = ? AND id > "
              "(SELECT max(id) FROM message) - 10000 AND at > ? AND kind IN ('say', 'me')",
              "ii", person->id, now - limits->rate_window * 1000);
    *status = 429;
    if (limits->rate > 0 && said >= limits->rate)
        return "That was a lot at once: wait a moment.";
    return NULL;
}

/* Whether whoever has the name now is whom a page that stood open meant: names become free. */
static bool is_still(const struct form *form, const struct person *person)
{
    const char *id = form_value(form, "to_id");
    return id[0] == '\0' || strtoll(id, NULL, 10) == person->id;
}

/* Where it goes: a room, or a person. Why not, or NULL. */
static const char *address_message(struct call *call, const struct form *form,
                                   struct message_new *message, struct room *room, int *status)
{
    const char *to = form_value(form, "to"), *name = form_value(form, "room");
    struct person person;
    message->person_id = call->visitor.person.id;
    *status = 404;
    if (to[0] != '\0') {
        if (person_by_name(call->store, to, &person) != 1)
            return "There is nobody of that name.";
        *status = 409;
        if (!is_still(form, &person))
            return "That name is somebody else's now: open the page again.";
        message->to_id = person.id;
        return NULL;
    }
    if (room_by_name(call->store, name[0] == '\0' ? "lobby" : name, room) != 1)
        return "There is no such room.";
    message->room_id = room->id;
    return NULL;
}

/* Cleans what was typed into text. Why it will not do, or NULL. */
static const char *clean(const struct call *call, const char *typed, struct buf *text,
                         enum message_kind *kind, int *status)
{
    *kind = MESSAGE_SAY;
    *status = 400;
    if (strncmp(typed, "/me ", 4) == 0) {
        *kind = MESSAGE_ME;
        typed += 4;
    }
    int64_t most = call->config->chat.max_message;
    *status = 413;
    if ((int64_t)strlen(typed) > most ||
        text_clean(text, typed, strlen(typed), TEXT_MANY_LINES) == -1)
        return "That is too long for one message.";
    char *trimmed = text_trim((char *)text->data);
    size_t length = strlen(trimmed);
    memmove(text->data, trimmed, length + 1);
    text->len = length;
    *status = 400;
    return length == 0 ? "There is nothing to say in that." : NULL;
}

/* Back to where it was said, or the new message's id to scripts. */
static void answer_said(struct call *call, const struct room *room, const char *to, int64_t id)
{
    if (page_wants_html(call)) {
        char back[NAME_MAX_BYTES + 16];
        snprintf(back, sizeof back, to[0] != '\0' ? "/chat?with=%s" : "/chat?room=%s",
                 to[0] != '\0' ? to : room->name);
        reply_redirect(call->http, 303, back);
        return;
    }
    struct buf json;
    buf_init(&json, 64);
    json_object(&json, NULL);
    json_int(&json, "id", id);
    json_close(&json, '}');
    reply_json(call->http, 201, &json);
    buf_done(&json);
}

static void say(struct call *call, const struct form *form)
{
    struct message_new message = {0};
    struct room room = {0};
    struct buf text;
    int status = 0;
    int64_t id = 0;
    buf_init(&text, MESSAGE_MAX_TEXT);
    /* Who may not write does not learn here either who is there to be written to. */
    const char *trouble = silence(call, &status);
    if (trouble == NULL)
        trouble = address_message(call, form, &message, &room, &status);
    if (trouble == NULL)
        trouble = clean(call, form_value(form, "text"), &text, &message.kind, &status);
    message.text = buf_text(&text);
    if (trouble == NULL &&
        (conversation_say(call->store, &message, 1, &id) == -1 || store_sync(call->store) == -1)) {
        trouble = "The box could not write that down.";
        status = 500;
    }
    if (trouble == NULL && !call->visitor.by_token)
        presence_active(call->store, "web", call->visitor.person.id, when_wall_ms());
    if (status == 429 && trouble != NULL)
        reply_extra(call->http, "Retry-After", "5");
    if (trouble != NULL)
        reply_error(call->http, status, "%s", trouble);
    else
        answer_said(call, &room, form_value(form, "to"), id);
    buf_done(&text);
}

void talk_say(struct call *call)
{
    struct form form = {0};
    if (form_read(call->http, &form) == -1)
        return;
    say(call, &form);
    form_done(&form);
}

/* ---- taking back ---- */

/* Whose words they are, and whose else to see. */
struct author {
    int64_t person_id, to_id;
    bool private;
};

static void note_author(void *context, const struct message *message)
{
    struct author *author = context;
    *author = (struct author){
        .person_id = message->person_id, .to_id = message->to_id, .private = message->room_id == 0};
}

/* Whether there is such a message for this person: what is private is there for two. */
static bool find_author(struct call *call, int64_t id, struct author *author)
{
    int64_t me = call->visitor.person.id;
    return conversation_get(call->store, id, note_author, author) == 1 &&
           (!author->private || author->person_id == me || author->to_id == me);
}

void talk_remove(struct call *call)
{
    struct form form = {0};
    struct author author = {0};
    long long id = 0;
    if (form_read(call->http, &form) == -1)
        return;
    sscanf(form_value(&form, "id"), "%lld", &id);
    form_done(&form);
    const struct person *person = &call->visitor.person;
    if (!find_author(call, id, &author))
        reply_error(call->http, 404, "There is no such message.");
    else if (author.person_id != person->id && (author.private || person->role != ROLE_HOST))
        reply_error(call->http, 403, "Only who said it, or a host, can take it back.");
    else if (conversation_remove(call->store, id, person->id) == ACT_FAILED)
        reply_error(call->http, 500, "The box could not take it back.");
    else if (page_wants_html(call))
        reply_redirect(call->http, 303, "/chat?edit");
    else
        reply_text(call->http, 200, "Taken back.");
}
