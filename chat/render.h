/*
 * render: what was said, as a reader sees it.
 *
 * A message is rendered once for each kind of reader (struct render_style has no more in it than
 * makes a difference) and the bytes are shared. Lines end in LF; screen_put makes them a
 * terminal's.
 *
 *   on a terminal   14:32 ada: hello                 14:32 * ada waves
 *                   14:32 ada → you: psst            14:32 #ocaml ada: hello
 *   without         2026-11-22T14:32:05+01:00 ada hello
 *   as JSON         {"id":7,"at":…,"room":"lobby","name":"ada","to":"","kind":"say","text":"hello"}
 *
 * Texts are clean when they get here (base/text.h); right-to-left ones are isolated on a terminal.
 * Pure.
 */
#ifndef CHAT_RENDER_H
#define CHAT_RENDER_H

#include "base/buf.h"
#include "identity/conversation.h"

#include <stdbool.h>

enum render_form { RENDER_TERMINAL, RENDER_LINE, RENDER_JSON };
enum render_color { COLOR_NONE, COLOR_16, COLOR_256 };
enum render_time { TIME_OFF, TIME_SHORT, TIME_LONG };

struct render_style {
    enum render_form form;
    enum render_color color;
    enum render_time time;
    bool plain;   /* words rather than signs, for screen readers */
    bool mention; /* the reader is named in it */
    bool mine;    /* the reader said it */
    bool room;    /* say which room it is from */
};

bool render_style_same(const struct render_style *one, const struct render_style *other);

/* Appends the message with a line end. */
void render_message(struct buf *out, const struct message *message,
                    const struct render_style *style);

/* Appends a name in the person's colour. */
void render_name(struct buf *out, const char *name, const struct render_style *style);

/* A line of the chat's own between the others: `-- text`. It passes text_clean: it may quote
 * people. */
void render_notice(struct buf *out, const char *text, const struct render_style *style);

/* `--- Sunday 22 November 2026 ---`, with a line end. */
void render_day(struct buf *out, int64_t at, const struct render_style *style);
/* Whether two moments lie on different local days. */
bool render_days_differ(int64_t one, int64_t other);

/* Whether text names a person: as a whole word, any case, with or without @. */
bool render_mentions(const char *text, const char *name);

/* A style for quiet parts and back to normal; "" without colour. */
const char *render_dim(const struct render_style *style);
const char *render_bold(const struct render_style *style);
const char *render_reset(const struct render_style *style);

/* The colour settings by word: "off", "16", "256", "on" (what TERM can do); -1 for another. */
int render_color_parse(const char *word, const char *term);

#endif
