/* Commands for hosts. */
#include "base/text.h"
#include "base/when.h"
#include "chat/command.h"
#include "identity/event.h"

#include <stdio.h>
#include <string.h>

#define MUTE_USUAL_S 600

static void told(struct request *request, enum person_act act, const char *done, const char *name)
{
    if (act == ACT_DONE)
        command_say(request, "%s %s", name, done);
    else
        command_fail(request, 1, "%s", person_act_text(act));
}

/* The person that the first word names, and not the host's own. 0 or -1. */
static int other(struct store *store, struct request *request, struct person *person)
{
    char *name = command_word(&request->arguments);

    if (command_person(request, store, name, person) != 0)
        return -1;
    if (person->id != request->person.id)
        return 0;
    command_fail(request, 1, "that is you");
    return -1;
}

/* A duration at the front of the arguments, taken away; usual_s if there is none. */
static int64_t how_long(struct request *request, int64_t usual_s)
{
    char *rest = request->arguments;
    char word[16];
    size_t length = strcspn(rest, " ");
    int64_t seconds;

    if (length == 0 || length >= sizeof(word))
        return usual_s;
    memcpy(word, rest, length);
    word[length] = '\0';
    if (when_duration_parse(word, &seconds) != 0)
        return usual_s;
    request->arguments += length + strspn(rest + length, " ");
    return seconds;
}

static enum person_act end_sessions(struct store *store, int64_t id)
{
    if (store_begin(store, STORE_SOON) != 0)
        return ACT_FAILED;
    return store_end(store, event_append(store, EVENT_KICK, id)) == 0 ? ACT_DONE : ACT_FAILED;
}

void command_kick(struct store *store, struct request *request)
{
    struct person person;

    if (other(store, request, &person) == 0)
        told(request, end_sessions(store, person.id), "was sent out", person.name);
}

void command_ban(struct store *store, struct request *request)
{
    struct person person;
    struct buf reason;
    char subject[24];
    int64_t seconds, until;

    if (other(store, request, &person) != 0)
        return;
    seconds = how_long(request, 0);
    until = seconds > 0 ? when_wall_ms() + seconds * 1000 : 0;
    buf_init(&reason, 300);
    text_clean(&reason, request->arguments, strlen(request->arguments), TEXT_ONE_LINE);
    snprintf(subject, sizeof(subject), "%lld", (long long)person.id);
    told(request, ban_set(store, "person", subject, buf_text(&reason), request->person.id, until),
         "may not come in any more", person.name);
    buf_done(&reason);
}

void command_unban(struct store *store, struct request *request)
{
    struct person person;
    char subject[24];

    if (other(store, request, &person) != 0)
        return;
    snprintf(subject, sizeof(subject), "%lld", (long long)person.id);
    told(request, ban_lift(store, "person", subject), "may come in again", person.name);
}

void command_mute(struct store *store, struct request *request)
{
    struct person person;
    char done[64], length[WHEN_MAX];
    int64_t seconds;

    if (other(store, request, &person) != 0)
        return;
    seconds = how_long(request, MUTE_USUAL_S);
    when_duration_text(seconds, length);
    snprintf(done, sizeof(done), "may only read for %s", length);
    told(request, person_mute(store, person.id, when_wall_ms() + seconds * 1000), done,
         person.name);
}

void command_unmute(struct store *store, struct request *request)
{
    struct person person;

    if (other(store, request, &person) == 0)
        told(request, person_mute(store, person.id, 0), "may speak again", person.name);
}

void command_promote(struct store *store, struct request *request)
{
    struct person person;

    if (other(store, request, &person) == 0)
        told(request, person_set_role(store, person.id, ROLE_HOST), "is a host now", person.name);
}

void command_demote(struct store *store, struct request *request)
{
    struct person person;

    if (command_person(request, store, command_word(&request->arguments), &person) == 0)
        told(request, person_set_role(store, person.id, ROLE_PERSON), "is no host any more",
             person.name);
}

void command_admit(struct store *store, struct request *request)
{
    struct person person;

    if (other(store, request, &person) != 0)
        return;
    if (person.role != ROLE_WAITING)
        command_fail(request, 1, "%s is in already", person.name);
    else
        told(request, person_set_role(store, person.id, ROLE_PERSON), "is let in", person.name);
}
