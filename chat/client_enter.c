/* How a client comes in: the store says who it is. */
#include "chat/client.h"
#include "chat/hall.h"

#include "base/mem.h"
#include "base/when.h"
#include "identity/credential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct enter_job {
    struct job job;
    struct client *client;
    struct client_facts facts;
    enum config_newcomers newcomers;
    enum person_claim claim;
    struct person person;
    int64_t credential_id;
    struct profile profile;
};

/* The code is used up, and the key becomes theirs. 0; -1: somebody else was faster, or it ended. */
static int take_code(const struct client_facts *facts, struct store *store)
{
    struct person owner;
    int added;

    if (code_use(store, "key", facts->code, &owner) != 1)
        return -1;
    added = credential_add(store, owner.id, "key", facts->key, facts->label, facts->address, 0);
    return added == STORE_EXISTS ? 0 : added;
}

static void run_enter(struct job *job, struct store *store)
{
    struct enter_job *enter = (struct enter_job *)job;
    struct person known;
    struct person_attempt attempt = {.name = enter->facts.name,
                                     .kind = "key",
                                     .label = enter->facts.label,
                                     .address = enter->facts.address,
                                     .newcomers = enter->newcomers,
                                     .claim = enter->facts.person_id == 0,
                                     .later = true};

    if (enter->facts.code[0] != '\0' && take_code(&enter->facts, store) != 0) {
        enter->claim = CLAIM_TAKEN;
        return;
    }
    /* The name may be another now, and the old one free; it is not claimed unawares. */
    if (enter->facts.person_id != 0) {
        enter->claim = CLAIM_TAKEN;
        if (person_by_id(store, enter->facts.person_id, &known) != 1)
            return;
        attempt.name = known.name;
    }
    memcpy(attempt.digest, enter->facts.key, sizeof(attempt.digest));
    enter->claim = person_enter(store, &attempt, &enter->person);
    if (enter->claim != CLAIM_IS_YOURS && enter->claim != CLAIM_MADE)
        return;
    job->sync = enter->claim == CLAIM_MADE;
    credential_entered(store, "key", enter->facts.key, enter->facts.address, &enter->person,
                       &enter->credential_id);
    person_seen(store, enter->person.id, when_wall_ms());
    profile_load(store, enter->person.id, &enter->profile);
}

static const char *refused(const struct enter_job *enter)
{
    if (enter->facts.code[0] != '\0' && enter->claim == CLAIM_TAKEN)
        return "that code has ended; type /key add again where you are signed in";
    if (enter->facts.person_id != 0 && enter->claim != CLAIM_BANNED)
        return "this key opens nothing any more";
    switch (enter->claim) {
    case CLAIM_TAKEN:
    case CLAIM_LOOKS_LIKE:
        return "somebody was faster and has that name, or one that looks like it, since a moment "
               "ago; take another";
    case CLAIM_CLOSED:
        return "no newcomers are let in now";
    case CLAIM_BANNED:
        return "you are banned";
    default:
        return "the store does not answer; try again";
    }
}

static void done_enter(struct job *job)
{
    struct enter_job *enter = (struct enter_job *)job;
    struct client *client = enter->client;

    if (client_job_done(client)) {
        if (enter->claim == CLAIM_IS_YOURS || enter->claim == CLAIM_MADE) {
            client->somebody = hall_enter(client->hall, &enter->person, &enter->profile);
            client->credential_id = enter->credential_id;
            client->newcomer = enter->claim == CLAIM_MADE;
            client->step = CLIENT_ENTERED;
            if (client->asked)
                client_begin(client);
        } else {
            client_end(client, 1, refused(enter));
        }
    }
    profile_done(&enter->profile);
    free(enter);
}

struct appear_job {
    struct job job;
    struct client *client;
    char door[8], address[64];
    int64_t person_id, session_id;
};

static void run_appear(struct job *job, struct store *store)
{
    struct appear_job *appear = (struct appear_job *)job;

    presence_enter(store, appear->door, appear->person_id, appear->address, &appear->session_id);
}

static void done_appear(struct job *job)
{
    struct appear_job *appear = (struct appear_job *)job;

    appear->client->session_id = appear->session_id;
    client_job_done(appear->client);
    free(appear);
}

void client_appear(struct client *client, const char *door)
{
    struct appear_job *appear = mem_alloc(sizeof(*appear));

    appear->job = (struct job){.run = run_appear, .done = done_appear};
    appear->client = client;
    appear->person_id = client->somebody->person.id;
    snprintf(appear->door, sizeof(appear->door), "%s", door);
    snprintf(appear->address, sizeof(appear->address), "%s", client->facts.address);
    client->jobs++;
    worker_put(client->hall->worker, &appear->job);
}

struct client *client_new(struct hall *hall, const struct client_facts *facts)
{
    struct client *client = mem_alloc(sizeof(*client));
    struct enter_job *enter = mem_alloc(sizeof(*enter));

    client->hall = hall;
    client->facts = *facts;
    client->since = -1;
    client->room = (struct room){.id = ROOM_LOBBY, .name = "lobby"};
    client->key_at = client->key_kept = when_monotonic_ms();
    buf_init(&client->in, CLIENT_MAX_IN);
    buf_init(&client->out, CLIENT_MAX_OUT);
    buf_init(&client->err, CLIENT_MAX_OUT);
    client->next = hall->clients;
    client->link = &hall->clients;
    if (client->next != NULL)
        client->next->link = &client->next;
    hall->clients = client;
    enter->job = (struct job){.run = run_enter, .done = done_enter};
    enter->client = client;
    enter->facts = *facts;
    enter->newcomers = hall->config->box.newcomers;
    client->jobs++;
    worker_put(hall->worker, &enter->job);
    return client;
}
