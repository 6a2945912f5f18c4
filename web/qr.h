/*
 * qr: a text as a QR code (ISO/IEC 18004), drawn as SVG. qr.c alone includes qrencode.h.
 */
#ifndef WEB_QR_H
#define WEB_QR_H

#include "base/buf.h"

/* Appends `<svg class=qr>` with label as its name for who cannot see it (escaped here). 0, or -1 if
 * text is too long for a code. Usable within a page and as a file of its own. */
int qr_svg(struct buf *out, const char *text, const char *label);

#endif
