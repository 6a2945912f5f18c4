#include "web/poster.h"

#include "web/address.h"
#include "web/asset.h"
#include "web/html.h"
#include "web/page.h"
#include "web/qr.h"
#include "web/template.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX (512 * 1024)

/* A field of the text that phones join a Wi-Fi by: what separates fields is escaped. */
static void put_wifi_field(struct buf *out, char name, const char *text)
{
    buf_printf(out, "%c:", name);
    for (; *text != '\0'; text++)
        buf_printf(out, "%s%c", strchr("\\;,:\"", *text) != NULL ? "\\" : "", *text);
    buf_putc(out, ';');
}

/* The QR code of the guests' Wi-Fi; nothing if none is configured. */
static void put_wifi(const struct config_lan *lan, struct buf *out)
{
    struct buf text;
    if (lan->wifi[0] == '\0')
        return;
    buf_init(&text, 1000);
    buf_puts(&text, lan->wifi_password[0] != '\0' ? "WIFI:T:WPA;" : "WIFI:T:nopass;");
    put_wifi_field(&text, 'S', lan->wifi);
    if (lan->wifi_password[0] != '\0')
        put_wifi_field(&text, 'P', lan->wifi_password);
    buf_putc(&text, ';');
    qr_svg(out, buf_text(&text), "QR code that joins the Wi-Fi");
    buf_done(&text);
}

/* A QR code and, since nobody reads one by eye, the address that it leads to. */
static void put_way(const char *way, struct buf *out)
{
    char label[ADDRESS_MAX + 32];
    snprintf(label, sizeof label, "QR code of %s", way);
    buf_puts(out, "<figure>");
    qr_svg(out, way, label);
    buf_puts(out, "<figcaption>");
    html_text(out, way);
    buf_puts(out, "</figcaption></figure>\n");
}

void poster_answer(struct call *call)
{
    struct address address;
    struct buf body, qr, wifi;
    char plain[ADDRESS_MAX + 1];
    buf_init(&body, BODY_MAX);
    buf_init(&qr, BODY_MAX);
    buf_init(&wifi, BODY_MAX);
    put_wifi(&call->config->lan, &wifi);
    struct call anybody = *call; /* a poster is for everybody: NAME rather than theirs */
    anybody.visitor.known = false;
    address_of(&anybody, &address);
    snprintf(plain, sizeof plain, "%s/", address.origin);
    put_way(plain, &qr);
    for (size_t i = 1; i < address.way_count; i++)
        put_way(address.way[i], &qr);
    const struct template_value values[] = {
        TEMPLATE_TEXT("title", call->config->box.title),
        TEMPLATE_TEXT("plain", plain),
        TEMPLATE_HTML("qr", buf_text(&qr)),
        TEMPLATE_TEXT("wifi", call->config->lan.wifi),
        TEMPLATE_TEXT("wifi_password", call->config->lan.wifi_password),
        TEMPLATE_HTML("wifi_qr", buf_text(&wifi)),
        TEMPLATE_TEXT("ssh", address.ssh),
        TEMPLATE_TEXT("origin", address.origin),
        TEMPLATE_TEXT("opam", call->config->mirror[0].enabled ? "1" : ""),
        TEMPLATE_TEXT("fingerprint", call->config->facts.host_key),
    };
    template_put(&body, asset_template("poster.html"), values, sizeof values / sizeof values[0]);
    page_reply(call, 200, "Poster", "poster", &body);
    buf_done(&body);
    buf_done(&qr);
    buf_done(&wifi);
}
