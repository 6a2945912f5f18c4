/*
 * qr: a QR code on a terminal.
 */
#ifndef SUPERVISOR_QR_H
#define SUPERVISOR_QR_H

#include "base/buf.h"

/* Appends text as a QR code of half blocks, dark on light whatever the terminal's colours, each
 * line after indent blanks. 0, or -1 if it is too long for one. */
int qr_put(struct buf *out, const char *text, int indent);

#endif
