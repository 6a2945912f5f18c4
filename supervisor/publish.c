#include "supervisor/publish.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "config/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATUS_MAX (256 * 1024)

static void put_list(struct buf *out, const char *key, const struct config_list *list)
{
    json_array(out, key);
    for (size_t i = 0; i < list->count; i++)
        json_string(out, NULL, list->item[i]);
    json_close(out, ']');
}

static void put_addresses(struct buf *out, const struct config *config)
{
    struct reach reach;

    reach_find(&reach, config, &config->facts.web_listens, config_web_port(config));
    if (reach.count == 0)
        reach_find(&reach, config, &config->facts.chat_listens, config_ssh_port(config));
    json_array(out, "addresses");
    for (size_t i = 0; i < reach.count; i++)
        json_string(out, NULL, reach.host[i]);
    json_close(out, ']');
}

static void put_service(struct buf *out, const struct kept *kept)
{
    json_object(out, service_name(kept->id));
    json_string(out, "state", kept_word(kept));
    if (kept->pid > 0)
        json_int(out, "pid", kept->pid);
    else
        json_null(out, "pid");
    json_int(out, "restarts", kept->restarts);
    json_int(out, "since_ms", kept->since_ms);
    json_string(out, "text", kept->text);
    json_close(out, '}');
}

static void put_incidents(struct buf *out, const struct keeping *keeping)
{
    size_t count = keeping->incident_count;

    json_array(out, "incidents");
    for (size_t i = 0; i < count && i < KEPT_INCIDENTS; i++) {
        const struct incident *incident = &keeping->incidents[(count - 1 - i) % KEPT_INCIDENTS];
        json_object(out, NULL);
        json_int(out, "at_ms", incident->at_ms);
        json_string(out, "service", incident->service);
        json_string(out, "text", incident->text);
        json_close(out, '}');
    }
    json_close(out, ']');
}

void publish_put(struct buf *out, const struct keeping *keeping, const struct kept *services,
                 bool ready)
{
    const struct config_facts *facts = &keeping->config.facts;

    json_object(out, NULL);
    json_int(out, "pid", getpid());
    json_string(out, "version", RIAD_VERSION);
    json_int(out, "started_ms", facts->started_ms);
    json_bool(out, "ready", ready);
    json_string(out, "host_key", facts->host_key);
    json_string(out, "host_key_line", facts->host_key_line);
    put_list(out, "chat_listens", &facts->chat_listens);
    put_list(out, "web_listens", &facts->web_listens);
    put_addresses(out, &keeping->config);
    json_object(out, "services");
    for (int id = 0; id < SERVICE_COUNT; id++)
        put_service(out, &services[id]);
    json_close(out, '}');
    put_incidents(out, keeping);
    json_close(out, '}');
    buf_putc(out, '\n');
}

/* Whole, but not synced: nothing in it matters after a power cut. */
static int replace(const char *path, const char *aside, const struct buf *text)
{
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    int result = fd < 0 ? -1 : fs_write_all(fd, text->data, text->len);

    if (result == 0)
        result = fchmod(fd, 0644);
    fs_close(fd);
    return result < 0 ? -1 : rename(aside, path);
}

/* Where there is no room for a second file: over the old one, which has its own. Whoever reads just
 * then may have to read again. */
static int overwrite(const char *path, const struct buf *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    int result = fd < 0 ? -1 : fallocate(fd, 0, 0, (off_t)text->len);

    if (result == 0)
        result = fs_write_all(fd, text->data, text->len);
    if (result == 0)
        result = ftruncate(fd, (off_t)text->len);
    fs_close(fd);
    return result;
}

int publish_write(const struct keeping *keeping, const struct kept *services, bool ready)
{
    char *path = config_path(&keeping->config, "run/status.json");
    char *aside = config_path(&keeping->config, "run/.status.json");
    struct buf text;
    int result;

    buf_init(&text, STATUS_MAX);
    publish_put(&text, keeping, services, ready);
    result = replace(path, aside, &text);
    if (result < 0)
        result = overwrite(path, &text);
    buf_done(&text);
    free(aside);
    free(path);
    return result;
}

void publish_remove(const struct keeping *keeping)
{
    char *path = config_path(&keeping->config, "run/status.json");

    if (unlink(path) < 0 && errno != ENOENT)
        log_errno("cannot remove %s", path);
    free(path);
}
