#include "supervisor/command.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "config/reach.h"
#include "supervisor/figures.h"
#include "supervisor/published.h"
#include "supervisor/qr.h"
#include "supervisor/reload.h"
#include "supervisor/show.h"
#include "supervisor/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OUT_MAX        (256 * 1024)
#define SHOW_INCIDENTS 5

#define EXIT_SOME_DOWN   1
#define EXIT_NOT_RUNNING 3

/* All that is told. */
struct status {
    struct config *config;
    bool running;
    struct published box;
    bool has_figures; /* the store could be read */
    bool has_rights;  /* if it could not, then not for want of the caller's */
    bool has_store;   /* a box has run with this state, or that cannot be seen from here */
    struct figures figures;
    struct reach chat, web;
    int chat_port, web_port;
};

/* ---- finding out ---- */

static int read_box(struct status *status)
{
    pid_t pid = state_holder(status->config);

    if (pid < 0) {
        log_errno("cannot look into the state folder %s", status->config->box.state);
        return -1;
    }
    status->running = pid > 0;
    published_parse(&status->box, "{}");
    if (!status->running)
        return 0;
    /* The first moments of a box: it holds the lock and has published nothing yet. */
    if (published_read(&status->box, status->config) < 0 && errno != ENOENT) {
        log_errno("cannot read what the box has published in %s/run", status->config->box.state);
        return -1;
    }
    status->box.pid = pid;
    published_facts(&status->box, status->config);
    return 0;
}

static void read_figures(struct status *status)
{
    char *path = config_path(status->config, "store/riad.db");
    struct store *store = NULL;

    status->has_store = access(path, F_OK) == 0 || errno != ENOENT;
    status->has_rights = geteuid() == 0;
    if (command_become_user(status->config) == 0 && access(path, R_OK | W_OK) == 0) {
        status->has_rights = true;
        store = store_open(path);
    }
    if (store)
        status->has_figures = figures_read(&status->figures, status->config, store) == 0;
    store_close(store);
    free(path);
}

static void find_addresses(struct status *status)
{
    const struct config *config = status->config;

    if (!status->running)
        return;
    status->chat_port = config_ssh_port(config);
    status->web_port = config_web_port(config);
    reach_find(&status->chat, config, &config->facts.chat_listens, status->chat_port);
    reach_find(&status->web, config, &config->facts.web_listens, status->web_port);
}

static int exit_status(const struct status *status)
{
    if (!status->running)
        return EXIT_NOT_RUNNING;
    for (int id = 0; id < SERVICE_COUNT; id++)
        if (reload_wanted(status->config, (enum service_id)id) &&
            !published_serves(&status->box.services[id]))
            return EXIT_SOME_DOWN;
    return EXIT_SUCCESS;
}

/* What did not have to cross the link a second time. */
static int64_t saved_bytes(const struct figures *figures)
{
    return figures->served_bytes > figures->link_bytes ? figures->served_bytes - figures->link_bytes
                                                       : 0;
}

/* ---- as JSON ---- */

static void put_services(struct buf *out, const struct status *status)
{
    json_object(out, "services");
    for (int id = 0; id < SERVICE_COUNT; id++) {
        const struct published_service *service = &status->box.services[id];
        json_object(out, service_name((enum service_id)id));
        json_bool(out, "enabled", reload_wanted(status->config, (enum service_id)id));
        json_string(out, "state", service->state);
        if (service->pid)
            json_int(out, "pid", service->pid);
        else
            json_null(out, "pid");
        json_int(out, "restarts", service->restarts);
        json_int(out, "since_ms", service->since_ms);
        json_string(out, "text", service->text);
        json_close(out, '}');
    }
    json_close(out, '}');
}

static void put_addresses(struct buf *out, const struct status *status)
{
    json_array(out, "urls");
    for (size_t i = 0; i < status->web.count; i++) {
        char *url = reach_url(status->web.host[i], status->web_port);
        json_string(out, NULL, url);
        free(url);
    }
    json_close(out, ']');
    json_array(out, "ssh");
    for (size_t i = 0; i < status->chat.count; i++) {
        char *line = reach_ssh("NAME", status->chat.host[i], status->chat_port);
        json_string(out, NULL, line);
        free(line);
    }
    json_close(out, ']');
    json_int(out, "ssh_port", status->chat_port);
    json_int(out, "web_port", status->web_port);
    json_string(out, "host_key", status->box.host_key);
}

static void put_mirror(struct buf *out, const struct status *status)
{
    const struct figures *figures = &status->figures;

    json_array(out, "repositories");
    for (size_t i = 0; i < status->config->mirror_count; i++) {
        const struct mirror_savings *savings = &figures->repositories[i];
        json_object(out, NULL);
        json_string(out, "name", status->config->mirror[i].name);
        json_int(out, "link_bytes", savings->link_bytes);
        json_int(out, "served_bytes", savings->served_bytes);
        json_int(out, "saved_bytes", savings->saved_bytes);
        json_int(out, "hits", savings->hits);
        json_int(out, "misses", savings->misses);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_array(out, "flights");
    for (size_t i = 0; i < figures->flight_count; i++) {
        const struct mirror_progress *flight = &figures->flights[i];
        json_object(out, NULL);
        mirror_progress_json(out, flight);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void put_figures(struct buf *out, const struct status *status)
{
    const struct figures *figures = &status->figures;

    static const char *const members[] = {"people", "messages", "files",
                                          "mirror", "leases",   "disk"};

    for (size_t i = 0; !status->has_figures && i < sizeof members / sizeof *members; i++)
        json_null(out, members[i]);
    if (!status->has_figures)
        return;
    json_object(out, "people");
    json_int(out, "here", figures->here);
    json_int(out, "known", figures->people);
    json_int(out, "hosts", figures->hosts);
    json_close(out, '}');
    json_int(out, "messages", figures->messages);
    json_object(out, "files");
    json_int(out, "count", figures->files);
    json_int(out, "bytes", figures->file_bytes);
    json_close(out, '}');
    json_object(out, "mirror");
    json_string(out, "link", *figures->link ? figures->link : "unknown");
    json_int(out, "link_bytes", figures->link_bytes);
    json_int(out, "served_bytes", figures->served_bytes);
    json_int(out, "saved_bytes", saved_bytes(figures));
    json_int(out, "hits", figures->hits);
    json_int(out, "misses", figures->misses);
    put_mirror(out, status);
    json_close(out, '}');
    json_int(out, "leases", figures->leases);
    json_object(out, "disk");
    json_int(out, "free_bytes", figures->disk_free);
    json_int(out, "total_bytes", figures->disk_total);
    json_close(out, '}');
}

static void put_incidents(struct buf *out, const struct status *status)
{
    json_array(out, "incidents");
    for (size_t i = 0; i < status->box.incident_count; i++) {
        const struct published_incident *incident = &status->box.incidents[i];
        json_object(out, NULL);
        json_int(out, "at_ms", incident->at_ms);
        json_string(out, "service", incident->service);
        json_string(out, "text", incident->text);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void print_json(const struct status *status)
{
    int64_t uptime_ms = when_wall_ms() - status->box.started_ms;
    struct buf out;

    buf_init(&out, OUT_MAX);
    json_object(&out, NULL);
    json_bool(&out, "running", status->running);
    json_bool(&out, "ready", status->running && status->box.ready);
    json_string(&out, "version", status->running ? status->box.version : RIAD_VERSION);
    if (status->running)
        json_int(&out, "pid", status->box.pid);
    else
        json_null(&out, "pid");
    json_int(&out, "started_ms", status->box.started_ms);
    json_int(&out, "uptime_s", status->box.started_ms ? uptime_ms / 1000 : 0);
    put_services(&out, status);
    put_addresses(&out, status);
    put_figures(&out, status);
    put_incidents(&out, status);
    json_close(&out, '}');
    puts(buf_text(&out));
    buf_done(&out);
}

/* ---- for people ---- */

static enum show_style style_of(const struct published_service *service)
{
    if (published_serves(service))
        return SHOW_GOOD;
    return strcmp(service->state, "off") == 0 ? SHOW_PLAIN : SHOW_BAD;
}

static void show_services(const struct status *status)
{
    struct show_table table;

    show_table_init(&table, 6);
    show_table_row(&table, SHOW_DIM, "service", "state", "since", "pid", "restarts", "");
    for (int id = 0; id < SERVICE_COUNT; id++) {
        const struct published_service *service = &status->box.services[id];
        char since[WHEN_MAX] = "", pid[24] = "", restarts[24];
        if (service->since_ms)
            when_duration_text((when_wall_ms() - service->since_ms) / 1000, since);
        if (service->pid)
            snprintf(pid, sizeof pid, "%lld", (long long)service->pid);
        snprintf(restarts, sizeof restarts, "%lld", (long long)service->restarts);
        show_table_row(&table, style_of(service), service_name((enum service_id)id), service->state,
                       since, pid, restarts, service->text);
    }
    show_table_print(&table, 2);
}

/* Where other networks than the box's own find it, if that name is not somebody else's. */
static void show_local(const struct status *status)
{
    char *host, *url;

    if (!status->has_figures || !*status->figures.local || !status->web.count)
        return;
    host = mem_printf("%s.local", status->figures.local);
    url = reach_url(host, status->web_port);
    printf("%-10s%s\n", "", url);
    free(url);
    free(host);
}

static void show_addresses(const struct status *status)
{
    for (size_t i = 0; i < status->web.count; i++) {
        char *url = reach_url(status->web.host[i], status->web_port);
        printf("%-10s%s%s%s\n", i == 0 ? "page" : "", show_style(SHOW_BOLD), url,
               show_style(SHOW_PLAIN));
        free(url);
    }
    show_local(status);
    for (size_t i = 0; i < status->chat.count; i++) {
        char *line = reach_ssh("NAME", status->chat.host[i], status->chat_port);
        printf("%-10s%s%s%s\n", i == 0 ? "ssh" : "", show_style(SHOW_BOLD), line,
               show_style(SHOW_PLAIN));
        free(line);
    }
    if (status->chat.count)
        printf("%-10s%s\n", "host key", status->box.host_key);
}

/* The repositories, if there are several, and what is on its way. */
static void show_mirror(const struct status *status)
{
    const struct figures *figures = &status->figures;
    char text[MIRROR_SAY_MAX];

    for (size_t i = 0; status->config->mirror_count > 1 && i < status->config->mirror_count; i++) {
        const char *name = status->config->mirror[i].name;

        mirror_savings_text(&figures->repositories[i], text);
        printf("%-10s/opam%s%s: %s\n", "", *name ? "/" : "", name, text);
    }
    for (size_t i = 0; i < figures->flight_count; i++) {
        mirror_progress_text(&figures->flights[i], text);
        printf("%-10s%s\n", i ? "" : "coming", text);
    }
}

static void show_figures(const struct status *status)
{
    const struct figures *figures = &status->figures;
    char bytes[WHEN_MAX], free_bytes[WHEN_MAX], link[WHEN_MAX], served[WHEN_MAX], saved[WHEN_MAX];

    if (!status->has_figures) {
        if (status->has_store)
            puts(status->has_rights
                     ? "(people, files and savings: the store cannot be read; `riad check`)"
                     : "(people, files and savings: as root, or in the group of the box)");
        return;
    }
    when_size_text(figures->file_bytes, bytes);
    when_size_text(figures->disk_free, free_bytes);
    when_size_text(figures->link_bytes, link);
    when_size_text(figures->served_bytes, served);
    printf("%-10s%lld here, %lld known, %lld of them hosts; %lld message%s\n", "people",
           (long long)figures->here, (long long)figures->people, (long long)figures->hosts,
           (long long)figures->messages, figures->messages == 1 ? "" : "s");
    printf("%-10s%lld, %s; %s free on the disk\n", "files", (long long)figures->files, bytes,
           free_bytes);
    when_size_text(saved_bytes(figures), saved);
    printf("%-10s%s served, %s taken from the link: %s saved; the link is %s\n", "mirror", served,
           link, saved, *figures->link ? figures->link : "not tried yet");
    show_mirror(status);
    printf("%-10s%lld\n", "leases", (long long)figures->leases);
}

static void show_incidents(const struct status *status)
{
    struct show_table table;

    if (status->box.incident_count == 0)
        return;
    puts("\nlast incidents");
    show_table_init(&table, 3);
    for (size_t i = 0; i < status->box.incident_count && i < SHOW_INCIDENTS; i++) {
        const struct published_incident *incident = &status->box.incidents[i];
        char day[WHEN_MAX], clock[WHEN_MAX], at[2 * WHEN_MAX + 2];
        when_day(incident->at_ms, day);
        when_clock(incident->at_ms, clock);
        snprintf(at, sizeof at, "%s %s", day, clock);
        show_table_row(&table, SHOW_PLAIN, at, incident->service, incident->text);
    }
    show_table_print(&table, 2);
}

static void show_qr(const struct status *status)
{
    struct buf code;
    char *url;

    if (!show_terminal() || status->web.count == 0)
        return;
    url = reach_url(status->web.host[0], status->web_port);
    buf_init(&code, OUT_MAX);
    if (qr_put(&code, url, 2) == 0)
        printf("\n%s", buf_text(&code));
    buf_done(&code);
    free(url);
}

static void show(const struct status *status)
{
    char uptime[WHEN_MAX];

    if (!status->running) {
        printf("the box is not running (`riad run` starts it); its state is in %s\n",
               status->config->box.state);
        show_figures(status);
        return;
    }
    when_duration_text((when_wall_ms() - status->box.started_ms) / 1000, uptime);
    printf("%s%s%s: riad %s, pid %lld, up for %s\n\n", show_style(SHOW_BOLD),
           status->config->box.title, show_style(SHOW_PLAIN), status->box.version,
           (long long)status->box.pid, uptime);
    show_services(status);
    putchar('\n');
    show_addresses(status);
    show_figures(status);
    show_incidents(status);
    show_qr(status);
}

static int run(struct command_line *line)
{
    struct status status = {.config = &line->config};

    if (read_box(&status) < 0)
        return EXIT_FAILURE;
    read_figures(&status);
    find_addresses(&status);
    if (command_given(line, "json"))
        print_json(&status);
    else
        show(&status);
    return exit_status(&status);
}

const struct command command_status = {
    .name = "status",
    .summary = "services, people, files, savings, addresses, last incidents",
    .help =
        "Exit status: 0 all enabled services are up, 1 some are not, 3 the box is not running.\n",
    .options = {{.name = "json", .help = "as JSON, for programs; its members stay as they are"}},
    .run = run,
};
