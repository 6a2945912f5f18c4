#include "web/page.h"

#include "web/asset.h"
#include "web/template.h"

#define PORTAL_MAX 8192

void portal_answer(struct call *call, const char *way)
{
    struct buf out;
    buf_init(&out, PORTAL_MAX);
    const struct template_value values[] = {
        TEMPLATE_TEXT("title", call->config->box.title),
        TEMPLATE_TEXT("way", way),
    };
    template_put(&out, asset_template("portal.html"), values, sizeof values / sizeof values[0]);
    reply_begin(call->http, 200, "text/html; charset=utf-8");
    reply_header(call->http, "Content-Security-Policy",
                 "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    reply_end(call->http, out.data, out.len);
    buf_done(&out);
}
