/*
 * qr: a QR code for a terminal, two modules a character by half blocks.
 *
 * Dark on light, whatever the terminal's colours: with `color` the colours are set, otherwise light
 * modules are blocks, which suits the usual dark terminal. Only qr.c includes qrencode in this
 * room.
 */
#ifndef CHAT_QR_H
#define CHAT_QR_H

#include "base/buf.h"

#include <stdbool.h>

/* Appends the code of text, lines ending in LF. 0, or -1 if it cannot be made. */
int qr_put(struct buf *out, const char *text, bool color);

#endif
