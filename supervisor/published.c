#include "supervisor/published.h"

#include "base/fs.h"
#include "base/mem.h"
#include "supervisor/walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (1024 * 1024)

static void set(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
}

static int64_t number(const char *text)
{
    return strtoll(text, NULL, 10); /* null is 0 */
}

/* Whether path is `PREFIX.REST`; then *rest is REST. */
static bool below(const char *path, const char *prefix, const char **rest)
{
    size_t length = strlen(prefix);

    if (strncmp(path, prefix, length) != 0 || path[length] != '.')
        return false;
    *rest = path + length + 1;
    return true;
}

static void take_service(struct published_service *service, const char *member, const char *text)
{
    if (strcmp(member, "state") == 0)
        set(service->state, sizeof service->state, text);
    else if (strcmp(member, "pid") == 0)
        service->pid = number(text);
    else if (strcmp(member, "restarts") == 0)
        service->restarts = number(text);
    else if (strcmp(member, "since_ms") == 0)
        service->since_ms = number(text);
    else if (strcmp(member, "text") == 0)
        set(service->text, sizeof service->text, text);
}

static void take_services(struct published *published, const char *path, const char *text)
{
    const char *member;

    for (int id = 0; id < SERVICE_COUNT; id++)
        if (below(path, service_name((enum service_id)id), &member))
            take_service(&published->services[id], member, text);
}

static void take_incident(struct published *published, const char *path, const char *text)
{
    struct published_incident *incident;
    char *member;
    size_t which = strtoul(path, &member, 10);

    if (which >= PUBLISHED_INCIDENTS || *member != '.')
        return;
    if (which >= published->incident_count)
        published->incident_count = which + 1;
    incident = &published->incidents[which];
    member++;
    if (strcmp(member, "at_ms") == 0)
        incident->at_ms = number(text);
    else if (strcmp(member, "service") == 0)
        set(incident->service, sizeof incident->service, text);
    else if (strcmp(member, "text") == 0)
        set(incident->text, sizeof incident->text, text);
}

static void take_listen(char listens[LISTEN_MAX][LISTEN_TEXT_MAX], const char *which,
                        const char *text)
{
    size_t at = strtoul(which, NULL, 10);

    if (at < LISTEN_MAX)
        set(listens[at], LISTEN_TEXT_MAX, text);
}

static void take_top(struct published *published, const char *name, const char *text)
{
    if (strcmp(name, "pid") == 0)
        published->pid = number(text);
    else if (strcmp(name, "started_ms") == 0)
        published->started_ms = number(text);
    else if (strcmp(name, "version") == 0)
        set(published->version, sizeof published->version, text);
    else if (strcmp(name, "ready") == 0)
        published->ready = strcmp(text, "true") == 0;
    else if (strcmp(name, "host_key") == 0)
        set(published->host_key, sizeof published->host_key, text);
    else if (strcmp(name, "host_key_line") == 0)
        set(published->host_key_line, sizeof published->host_key_line, text);
}

static void take(void *context, const char *path, const char *text)
{
    struct published *published = context;
    const char *rest;

    if (below(path, "services", &rest))
        take_services(published, rest, text);
    else if (below(path, "incidents", &rest))
        take_incident(published, rest, text);
    else if (below(path, "chat_listens", &rest))
        take_listen(published->chat_listens, rest, text);
    else if (below(path, "web_listens", &rest))
        take_listen(published->web_listens, rest, text);
    else
        take_top(published, path, text);
}

int published_parse(struct published *published, const char *text)
{
    memset(published, 0, sizeof *published);
    for (int id = 0; id < SERVICE_COUNT; id++)
        set(published->services[id].state, sizeof published->services[id].state, "off");
    return *text == '{' ? walk(text, take, published) : -1;
}

int published_read(struct published *published, const struct config *config)
{
    char *path = config_path(config, "run/status.json");
    struct buf text;
    int result;

    buf_init(&text, FILE_MAX);
    result = fs_read_file(path, &text);
    if (result == 0 && (result = published_parse(published, buf_text(&text))) < 0)
        errno = EBADMSG;
    buf_done(&text);
    free(path);
    return result;
}

static void set_list(struct config_list *list, const char items[LISTEN_MAX][LISTEN_TEXT_MAX])
{
    for (size_t i = 0; i < list->count; i++)
        free(list->item[i]);
    *list = (struct config_list){0};
    for (size_t i = 0; i < LISTEN_MAX && *items[i]; i++)
        list->item[list->count++] = mem_dup(items[i]);
}

bool published_serves(const struct published_service *service)
{
    return strcmp(service->state, "up") == 0 || strcmp(service->state, "standing by") == 0;
}

void published_facts(const struct published *published, struct config *config)
{
    free(config->facts.host_key);
    free(config->facts.host_key_line);
    config->facts.host_key = mem_dup(published->host_key);
    config->facts.host_key_line = mem_dup(published->host_key_line);
    config->facts.started_ms = published->started_ms;
    set_list(&config->facts.chat_listens, published->chat_listens);
    set_list(&config->facts.web_listens, published->web_listens);
}
