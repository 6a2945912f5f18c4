#include "supervisor/qr.h"

#include <qrencode.h>

#define QUIET 2 /* modules of light around it; scanners manage with two */

static bool is_dark(const QRcode *code, int x, int y)
{
    if (x < 0 || y < 0 || x >= code->width || y >= code->width)
        return false;
    return code->data[y * code->width + x] & 1;
}

/* Two modules above each other are one character: its colour is the light one, its ground dark. */
static void put_line(struct buf *out, const QRcode *code, int y)
{
    static const char *const blocks[2][2] = {
        {"\u2588", "\u2580"},
        {"\u2584", " "     }
    };

    buf_puts(out, "\033[97;40m");
    for (int x = -QUIET; x < code->width + QUIET; x++)
        buf_puts(out, blocks[is_dark(code, x, y)][is_dark(code, x, y + 1)]);
    buf_puts(out, "\033[0m\n");
}

int qr_put(struct buf *out, const char *text, int indent)
{
    QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);

    if (!code)
        return -1;
    for (int y = -QUIET; y < code->width + QUIET; y += 2) {
        buf_printf(out, "%*s", indent, "");
        put_line(out, code, y);
    }
    QRcode_free(code);
    return 0;
}
