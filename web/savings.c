/*
 * savings: what the mirror saved and what it is bringing, for the page, for curl, for Prometheus.
 */
#include "web/savings.h"
#include "web/html.h"
#include "web/web.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define SHOWN 8 /* archives on their way */

typedef void line_put(struct buf *out, const char *text);

static void put_html_line(struct buf *out, const char *text)
{
    buf_puts(out, "<li>");
    html_text(out, text);
    buf_puts(out, "</li>");
}

static void put_text_line(struct buf *out, const char *text)
{
    buf_printf(out, "        %s\n", text);
}

/* A line for each repository, if there are several. */
static void put_repositories(struct call *call, struct buf *out, line_put *put)
{
    const struct config *config = call->config;
    for (size_t i = 0; config->mirror_count > 1 && i < config->mirror_count; i++) {
        const char *name = config->mirror[i].name;
        struct mirror_savings savings;
        char text[MIRROR_SAY_MAX], line[MIRROR_SAY_MAX + 80];
        mirror_savings(call->store, name, &savings);
        mirror_savings_text(&savings, text);
        snprintf(line, sizeof line, "/opam%s%s: %s", *name ? "/" : "", name, text);
        put(out, line);
    }
}

/* A line for each archive on its way. */
static void put_flights(struct call *call, struct buf *out, line_put *put)
{
    struct mirror_progress flights[SHOWN];
    size_t count = mirror_progress(call->web->mirror, call->store, flights, SHOWN);
    for (size_t i = 0; i < count; i++) {
        char text[MIRROR_SAY_MAX];
        mirror_progress_text(&flights[i], text);
        put(out, text);
    }
}

static void put_html(struct call *call, struct buf *out, const char *title,
                     void (*fill)(struct call *call, struct buf *out, line_put *put))
{
    struct buf lines;
    buf_init(&lines, 16384);
    fill(call, &lines, put_html_line);
    if (lines.len > 0)
        buf_printf(out, "<p class=soft>%s</p><ul>%s</ul>", title, buf_text(&lines));
    buf_done(&lines);
}

void savings_html(struct call *call, struct buf *out)
{
    if (call->web->mirror == NULL)
        return;
    put_html(call, out, "By repository", put_repositories);
    put_html(call, out, "Coming across the link now", put_flights);
}

void savings_text(struct call *call, struct buf *out)
{
    struct buf lines;
    if (call->web->mirror == NULL)
        return;
    put_repositories(call, out, put_text_line);
    buf_init(&lines, 16384);
    put_flights(call, &lines, put_text_line);
    if (lines.len > 0)
        buf_printf(out, "\nComing: %s", buf_text(&lines) + strlen("        "));
    buf_done(&lines);
}

/* ---- for Prometheus ---- */

/* A label's value: archives and packages are named by strangers. */
static void put_label(struct buf *out, const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= ' ' && *text != '"' && *text != '\\')
            buf_putc(out, *text);
}

static void put_counter(struct call *call, struct buf *out, const char *name, const char *help,
                        size_t offset)
{
    const struct config *config = call->config;
    buf_printf(out, "# HELP riad_mirror_%s %s\n# TYPE riad_mirror_%s counter\n", name, help, name);
    for (size_t i = 0; i < config->mirror_count; i++) {
        struct mirror_savings savings;
        int64_t value;
        mirror_savings(call->store, config->mirror[i].name, &savings);
        memcpy(&value, (const char *)&savings + offset, sizeof value);
        buf_printf(out, "riad_mirror_%s{repository=\"/opam%s%s\"} %lld\n", name,
                   *config->mirror[i].name ? "/" : "", config->mirror[i].name, (long long)value);
    }
}

static void put_gauge(struct buf *out, const char *name, const char *help,
                      const struct mirror_progress *flights, size_t count, size_t offset)
{
    buf_printf(out, "# HELP riad_mirror_flight_%s %s\n# TYPE riad_mirror_flight_%s gauge\n", name,
               help, name);
    for (size_t i = 0; i < count; i++) {
        int64_t value;
        memcpy(&value, (const char *)&flights[i] + offset, sizeof value);
        buf_printf(out, "riad_mirror_flight_%s{package=\"", name);
        put_label(out, flights[i].package);
        buf_puts(out, "\",archive=\"");
        put_label(out, flights[i].name);
        buf_printf(out, "\"} %lld\n", (long long)value);
    }
}

void savings_metrics(struct call *call, struct buf *out)
{
    struct mirror_progress flights[SHOWN];
    size_t count;
    if (call->web->mirror == NULL)
        return;
    put_counter(call, out, "link_bytes_total", "Bytes across the link.",
                offsetof(struct mirror_savings, link_bytes));
    put_counter(call, out, "served_bytes_total", "Bytes to opam clients.",
                offsetof(struct mirror_savings, served_bytes));
    put_counter(call, out, "hits_total", "Answers from the cache.",
                offsetof(struct mirror_savings, hits));
    put_counter(call, out, "misses_total", "Answers that had to be fetched.",
                offsetof(struct mirror_savings, misses));
    count = mirror_progress(call->web->mirror, call->store, flights, SHOWN);
    put_gauge(out, "received_bytes", "Bytes that are here of an archive on its way.", flights,
              count, offsetof(struct mirror_progress, received));
    put_gauge(out, "length_bytes", "Bytes of the whole; -1 not known.", flights, count,
              offsetof(struct mirror_progress, length));
    put_gauge(out, "speed_bytes", "Bytes a second.", flights, count,
              offsetof(struct mirror_progress, speed));
    put_gauge(out, "seconds_left", "Until it is here; -1 not known.", flights, count,
              offsetof(struct mirror_progress, seconds_left));
}
