/*
 * screen: the line being typed, drawn under the conversation.
 *
 * A terminal scrolls the conversation by itself; riad keeps only the last rows, those of the line,
 * in order. Whatever is printed goes between screen_erase and screen_draw, which remember where
 * they left the cursor: so what arrives while somebody types never garbles their line. Long lines
 * run over several rows by the terminal's own wrapping, so that a terminal that reflows does so; a
 * line higher than the window shows the rows around the cursor.
 *
 * A dumb terminal gets no sequences: what is typed is echoed, Backspace takes back, and a message
 * that arrives goes to a line of its own, with the line so far after it.
 *
 * Pure: appends to a buffer what is to be sent.
 */
#ifndef CHAT_SCREEN_H
#define CHAT_SCREEN_H

#include "base/buf.h"

#include <stdbool.h>

#define SCREEN_COLUMNS 80 /* of a terminal that does not say */
#define SCREEN_ROWS    24

struct screen {
    int columns, rows;
    bool dumb;
    struct buf shown;  /* what was drawn, as one text */
    size_t shown_from; /* the byte of shown at which the drawn rows begin */
    size_t shown_cursor;
    size_t cursor_row; /* below the first drawn row */
    bool drawn;
};

struct screen_line {
    const char *prompt;
    const char *color; /* a sequence before the prompt, or "" */
    const char *text;
    size_t length, cursor;
};

void screen_init(struct screen *screen, size_t max);
void screen_done(struct screen *screen);

/* The size that the terminal says, 0 or nonsense being 80×24; what is drawn is taken to have
 * reflowed. */
void screen_resize(struct screen *screen, int columns, int rows);

/* Takes the drawn line away; the cursor stands where the next line of conversation goes. */
void screen_erase(struct screen *screen, struct buf *out);

/* Draws the line anew, in place of what is drawn. */
void screen_draw(struct screen *screen, struct buf *out, const struct screen_line *line);

/* Appends text whose line ends are LF, as a terminal wants it. */
void screen_put(struct buf *out, const char *text);

#endif
