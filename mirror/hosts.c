/*
 * hosts: a short list, searched from the front.
 */
#include "mirror/hosts.h"

#include <string.h>

#define AVOID_MS     2000  /* after the first failure, doubled up to */
#define AVOID_MAX_MS 60000 /* this */

/* `http://host:port` of a URL, as far as it fits: what is longer is one host with its beginning. */
static void name_of(const char *url, char name[HOSTS_NAME_MAX])
{
    const char *host = strstr(url, "://");
    size_t length = host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : strlen(url);

    if (length >= HOSTS_NAME_MAX)
        length = HOSTS_NAME_MAX - 1;
    memcpy(name, url, length);
    name[length] = '\0';
}

bool hosts_same(const char *url, const char *other)
{
    char name[HOSTS_NAME_MAX], also[HOSTS_NAME_MAX];

    name_of(url, name);
    name_of(other, also);
    return strcmp(name, also) == 0;
}

static int find(const struct hosts *hosts, const char *url)
{
    char name[HOSTS_NAME_MAX];

    name_of(url, name);
    for (int i = 0; i < HOSTS_MAX; i++)
        if (strcmp(hosts->list[i].name, name) == 0)
            return i;
    return -1;
}

static struct host *find_or_make(struct hosts *hosts, const char *url)
{
    int at = find(hosts, url);

    if (at < 0) {
        at = (int)(hosts->next++ % HOSTS_MAX);
        hosts->list[at] = (struct host){0};
        name_of(url, hosts->list[at].name);
    }
    return &hosts->list[at];
}

void hosts_answered(struct hosts *hosts, const char *url)
{
    int at = find(hosts, url);

    if (at >= 0) {
        hosts->list[at].failures = 0;
        hosts->list[at].avoid_ms = 0;
    }
}

void hosts_pause(struct hosts *hosts, const char *url, int64_t until_ms)
{
    find_or_make(hosts, url)->pause_ms = until_ms;
}

void hosts_unreachable(struct hosts *hosts, const char *url, int64_t now_ms)
{
    struct host *host = find_or_make(hosts, url);
    int64_t pause = AVOID_MS;

    for (int i = 0; i < host->failures && pause < AVOID_MAX_MS; i++)
        pause *= 2;
    host->failures++;
    host->avoid_ms = now_ms + (pause < AVOID_MAX_MS ? pause : AVOID_MAX_MS);
}

int64_t hosts_look(const struct hosts *hosts, const char *url, int64_t now_ms, bool *avoid)
{
    int at = find(hosts, url);

    *avoid = at >= 0 && hosts->list[at].avoid_ms > now_ms;
    return at >= 0 && hosts->list[at].pause_ms > now_ms ? hosts->list[at].pause_ms : 0;
}
