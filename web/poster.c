#include "web/poster.h"

#include "web/address.h"
#include "web/asset.h"
#include "web/page.h"
#include "web/qr.h"
#include "web/template.h"

#include <stdio.h>

#define BODY_MAX (512 * 1024)

void poster_answer(struct call *call)
{
    struct address address;
    struct buf body, qr;
    char plain[ADDRESS_MAX + 1], label[ADDRESS_MAX + 32];
    buf_init(&body, BODY_MAX);
    buf_init(&qr, BODY_MAX);
    struct call anybody = *call; /* a poster is for everybody: NAME rather than theirs */
    anybody.visitor.known = false;
    address_of(&anybody, &address);
    snprintf(plain, sizeof plain, "%s/", address.origin);
    snprintf(label, sizeof label, "QR code of %s", plain);
    qr_svg(&qr, plain, label);
    for (size_t i = 1; i < address.way_count; i++) {
        snprintf(label, sizeof label, "QR code of %s", address.way[i]);
        qr_svg(&qr, address.way[i], label);
    }
    const struct template_value values[] = {
        TEMPLATE_TEXT("title", call->config->box.title),
        TEMPLATE_TEXT("plain", plain),
        TEMPLATE_HTML("qr", buf_text(&qr)),
        TEMPLATE_TEXT("names", address.names),
        TEMPLATE_TEXT("ssh", address.ssh),
        TEMPLATE_TEXT("origin", address.origin),
        TEMPLATE_TEXT("opam", call->config->mirror[0].enabled ? "1" : ""),
        TEMPLATE_TEXT("fingerprint", call->config->facts.host_key),
    };
    template_put(&body, asset_template("poster.html"), values, sizeof values / sizeof values[0]);
    page_reply(call, 200, "Poster", "poster", &body);
    buf_done(&body);
    buf_done(&qr);
}
