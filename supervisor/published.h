/*
 * published: run/status.json read back, for `riad status`.
 *
 * Reads JSON of the shape that publish.h writes; members that it does not know are passed over, so
 * that a newer keeper and an older command understand each other.
 */
#ifndef SUPERVISOR_PUBLISHED_H
#define SUPERVISOR_PUBLISHED_H

#include "base/service.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PUBLISHED_INCIDENTS 20

struct published_service {
    char state[16];
    int64_t pid, restarts, since_ms; /* pid 0: no process */
    char text[SERVICE_SAY_MAX];
};

struct published_incident {
    int64_t at_ms;
    char service[16];
    char text[SERVICE_SAY_MAX];
};

struct published {
    int64_t pid, started_ms;
    char version[32];
    bool ready;
    char host_key[128], host_key_line[256];
    char chat_listens[LISTEN_MAX][LISTEN_TEXT_MAX], web_listens[LISTEN_MAX][LISTEN_TEXT_MAX];
    struct published_service services[SERVICE_COUNT];
    struct published_incident incidents[PUBLISHED_INCIDENTS]; /* newest first */
    size_t incident_count;
};

/* Reads the text. 0, or -1 if it is no JSON object. */
int published_parse(struct published *published, const char *text);

/* Reads the file of config's state folder. 0; -1 with errno. */
int published_read(struct published *published, const struct config *config);

/* Whether it is up, or stands by because somebody else does its work. */
bool published_serves(const struct published_service *service);

/* Puts what was found out at the box's start into config->facts. */
void published_facts(const struct published *published, struct config *config);

#endif
