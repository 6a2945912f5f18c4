#include "chat/qr.h"

#include <qrencode.h>

#define QUIET 2 /* modules around; four by the standard, two suffice on a screen */

static bool dark(const QRcode *code, int x, int y)
{
    if (x < 0 || y < 0 || x >= code->width || y >= code->width)
        return false;
    return code->data[y * code->width + x] & 1;
}

int qr_put(struct buf *out, const char *text, bool color)
{
    /* Light above and below, above only, below only, neither. */
    static const char *const blocks[] = {"\xe2\x96\x88", "\xe2\x96\x80", "\xe2\x96\x84", " "};
    QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);

    if (code == NULL)
        return -1;
    for (int y = -QUIET; y < code->width + QUIET; y += 2) {
        if (color)
            buf_puts(out, "\033[0;97;40m");
        for (int x = -QUIET; x < code->width + QUIET; x++)
            buf_puts(out, blocks[2 * dark(code, x, y) + dark(code, x, y + 1)]);
        buf_puts(out, color ? "\033[0m\n" : "\n");
    }
    QRcode_free(code);
    return 0;
}
