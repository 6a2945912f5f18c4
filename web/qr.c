#include "web/qr.h"

#include "web/html.h"
#include "web/page.h"

#include <qrencode.h>

#define MARGIN  4 /* modules of white around it, as the standard asks */
#define SVG_MAX (256 * 1024)

/* One horizontal run of dark modules a time: `M x y h run v 1 h -run z`. */
static void runs_put(struct buf *out, const QRcode *code)
{
    int width = code->width;
    for (int y = 0; y < width; y++) {
        for (int x = 0; x < width;) {
            int run = 0;
            while (x + run < width && (code->data[y * width + x + run] & 1) != 0)
                run++;
            if (run > 0)
                buf_printf(out, "M%d %dh%dv1h-%dz", x + MARGIN, y + MARGIN, run, run);
            x += run + 1;
        }
    }
}

int qr_svg(struct buf *out, const char *text, const char *label)
{
    QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
    if (code == NULL)
        return -1;
    int side = code->width + 2 * MARGIN;
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"qr\" role=\"img\" "
               "viewBox=\"0 0 %d %d\" aria-label=\"",
               side, side);
    html_text(out, label);
    buf_printf(out,
               "\"><path fill=\"#fff\" d=\"M0 0h%dv%dh-%dz\"/>"
               "<path shape-rendering=\"crispEdges\" d=\"",
               side, side, side);
    runs_put(out, code);
    QRcode_free(code);
    return buf_puts(out, "\"/></svg>");
}

void page_qr(struct call *call, const char *address)
{
    struct buf svg;
    buf_init(&svg, SVG_MAX);
    if (qr_svg(&svg, address, address) == -1) {
        reply_error(call->http, 414, "This address is too long for a QR code.");
    } else {
        reply_begin(call->http, 200, "image/svg+xml");
        reply_end(call->http, svg.data, svg.len);
    }
    buf_done(&svg);
}
