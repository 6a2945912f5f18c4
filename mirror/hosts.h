/*
 * hosts: what one flight learnt about a host, for all the others.
 *
 * A host that asked for a pause (429 or 503 with Retry-After) is left alone by everybody until
 * then; one that cannot be reached while others can is asked last for a while, so that not every
 * archive waits for the same dead host. Pure, bounded; what is forgotten costs one more attempt.
 */
#ifndef MIRROR_HOSTS_H
#define MIRROR_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#define HOSTS_MAX      32
#define HOSTS_NAME_MAX 128 /* scheme, name and port, with the NUL */

struct hosts {
    struct host {
        char name[HOSTS_NAME_MAX];
        int64_t pause_ms; /* monotonic: not before then */
        int64_t avoid_ms; /* not before then if there is another way */
        int failures;     /* attempts in a row that did not reach it */
    } list[HOSTS_MAX];
    unsigned next; /* the oldest, to be replaced */
};

/* Whether two URLs lead to the same host. */
bool hosts_same(const char *url, const char *other);

/* It answered. */
void hosts_answered(struct hosts *hosts, const char *url);

/* It asked to be left alone until until_ms. */
void hosts_pause(struct hosts *hosts, const char *url, int64_t until_ms);

/* It cannot be reached: avoided for longer each time. */
void hosts_unreachable(struct hosts *hosts, const char *url, int64_t now_ms);

/* When it may be asked again, 0 now; *avoid tells whether others should be asked first. */
int64_t hosts_look(const struct hosts *hosts, const char *url, int64_t now_ms, bool *avoid);

#endif
