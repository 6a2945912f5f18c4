/*
 * hall: everybody who is here over SSH, and how news reach them.
 *
 * A person is here once (struct somebody), by however many clients. The worker's news come to
 * hall_news, which hands each message to those who may read it: everybody in its room who does not
 * ignore its author, or the two whose private message it is. A message is rendered once for each
 * style that occurs.
 *
 * Who comes and goes is told in the lobby, not by the session but by the person, and quietly: a
 * leave only when it has lasted a moment (most are a network that hiccups), and beyond a few a
 * minute they are gathered into one line.
 *
 * On the loop's thread only.
 */
#ifndef CHAT_HALL_H
#define CHAT_HALL_H

#include "chat/client.h"
#include "chat/worker.h"

#define HALL_MAX_ROOMS 64 /* one person keeps open */

struct joined {
    int64_t room_id;
    char name[NAME_MAX_BYTES];
    int64_t seen; /* the newest message shown there */
};

/* What sticks to a person, as the worker loads it. */
struct profile {
    char color[8], time[8], bell[8];
    bool plain;
    int64_t *ignored;
    size_t ignored_count;
    struct joined *rooms;
    size_t room_count;
};

struct somebody {
    struct somebody *next, **link;
    struct person person;
    struct profile profile;
    unsigned clients;
    int64_t reply_to;    /* who wrote to them last in private */
    int64_t window_from; /* monotonic ms; of the limit on messages */
    int64_t window_said;
    bool seen_changed;
};

struct hall {
    struct client *clients;
    struct somebody *people;
    struct worker *worker;
    const struct config *config;
    struct here *here; /* who is here by any door, by name */
    size_t here_count;
    bool here_known;
    struct leaving *leaving; /* gone for less than a moment */
    size_t leaving_count;
    int64_t told_at[8]; /* when the last lines about coming and going were told */
    size_t told_next;
    struct buf came, left; /* names gathered for one line */
    size_t came_count, left_count;
    int64_t gathering_since;
    int64_t kept_at; /* when what people have seen was kept */
};

void hall_init(struct hall *hall, const struct config *config, struct worker *worker);
void hall_done(struct hall *hall);

/* A news_handler; context is the hall. */
void hall_news(void *context, const struct news *news);

/* What was shown to people since the last time is kept. */
void hall_keep_seen(struct hall *hall);
/* Sends to the store who has typed: at once after a pause, then every now and then. now_ms is
 * monotonic. */
void hall_keep_active(struct hall *hall, int64_t now_ms);

/* Once a second. */
void hall_tick(struct hall *hall, int64_t now_ms);

/* The somebody of that person, made if need be from profile, which is taken over. */
struct somebody *hall_enter(struct hall *hall, const struct person *person,
                            struct profile *profile);
void hall_leave(struct hall *hall, struct somebody *somebody);
struct somebody *hall_find(struct hall *hall, int64_t person_id);

/* Reads what sticks to a person; on the worker's thread. */
void profile_load(struct store *store, int64_t person_id, struct profile *profile);
void profile_done(struct profile *profile);
/* Something that sticks to somebody who is here has changed: profile is taken over. */
void hall_change(struct hall *hall, struct somebody *somebody, struct profile *profile);

/* The limit on messages: whether one more is too many now, and that one was said. */
bool hall_must_wait(const struct hall *hall, struct somebody *somebody);
void hall_count_said(struct somebody *somebody, size_t length);

/* This client shows everything up to that message. */
void hall_shown(struct client *client, int64_t message_id);

/* A line of the box's own to every host at a terminal. */
void hall_tell_hosts(struct hall *hall, const char *sentence);

bool somebody_ignores(const struct somebody *somebody, int64_t person_id);
/* The room that they have open, or NULL. */
struct joined *somebody_room(struct somebody *somebody, int64_t room_id);

/* hall_doors.c: who comes and goes. */
void hall_here(struct hall *hall, const struct news *news);
void hall_doors_tick(struct hall *hall, int64_t now_ms);
#endif
