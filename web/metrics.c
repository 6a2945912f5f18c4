/*
 * metrics: what Prometheus reads.
 */
#include "identity/presence.h"
#include "web/door.h"
#include "web/hot.h"
#include "web/savings.h"
#include "web/web.h"

#include <stdatomic.h>

static atomic_llong answered[6]; /* by the hundreds of their status */

void metrics_count(const struct http_request *request)
{
    int hundreds = reply_status(request) / 100;
    if (hundreds >= 1 && hundreds <= 5)
        atomic_fetch_add(&answered[hundreds], 1);
}

static void put(struct buf *out, const char *name, const char *kind, const char *help,
                int64_t value)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", name, help, name, kind, name,
               (long long)value);
}

static void put_counters(struct store *store, struct buf *out)
{
    struct rows rows;
    rows_open(&rows, store, "SELECT name, value FROM counter ORDER BY name", "");
    buf_puts(out, "# HELP riad_counter What the box counts, by its name in the store.\n"
                  "# TYPE riad_counter counter\n");
    while (rows_next(&rows) == 1)
        buf_printf(out, "riad_counter{name=\"%s\"} %lld\n", rows_text(&rows, 0),
                   (long long)rows_int(&rows, 1));
    rows_close(&rows);
}

static void put_answers(struct buf *out)
{
    buf_puts(out, "# HELP riad_http_responses_total Answers by the class of their status.\n"
                  "# TYPE riad_http_responses_total counter\n");
    for (int i = 1; i <= 5; i++)
        buf_printf(out, "riad_http_responses_total{class=\"%dxx\"} %lld\n", i,
                   (long long)answered[i]);
}

void metrics_answer(struct call *call)
{
    struct buf out;
    int64_t files = 0, bytes = 0;
    drop_totals(call->drop, &files, &bytes);
    buf_init(&out, 256 * 1024);
    buf_printf(&out,
               "# HELP riad_info The version of riad.\n# TYPE riad_info gauge\n"
               "riad_info{version=\"%s\"} 1\n",
               RIAD_VERSION);
    put(&out, "riad_people", "gauge", "People who are here.", presence_count(call->store));
    put(&out, "riad_drop_files", "gauge", "Files in the drop.", files);
    put(&out, "riad_drop_bytes", "gauge", "Bytes in the drop.", bytes);
    put(&out, "riad_drop_space_bytes", "gauge", "Bytes that may still be uploaded.",
        drop_space(call->drop));
    put(&out, "riad_http_requests", "gauge", "Requests being answered.",
        http_busy(call->web->http));
    put(&out, "riad_http_threads", "gauge", "Requests that can be answered at once.",
        http_threads(call->web->http));
    put(&out, "riad_http_hot_total", "counter", "Answers sent again without the store.",
        hot_answers());
    put_answers(&out);
    savings_metrics(call, &out);
    put_counters(call->store, &out);
    reply_begin(call->http, 200, "text/plain; version=0.0.4; charset=utf-8");
    reply_end(call->http, out.data, out.len);
    buf_done(&out);
}
