/*
 * editor: the line that a person is typing.
 *
 * Takes the bytes that a terminal sends and keeps a line of text, a cursor, a history, what was
 * cut, and, while somebody searches, what they search. It draws nothing (screen.c does) and knows
 * no chat. The keys are those of a shell: arrows, Home, End, Delete, Ctrl-A E B F P N D H K U W Y T
 * L R C, Alt-B F D and Alt-Backspace; Alt-Enter puts a line break into the line. What is pasted
 * (bracketed paste, mode 2004) is taken as it is: line breaks within it stay in the line, they
 * never send it. A terminal without bracketed paste that sends several lines at once gives several
 * lines.
 *
 * Everything passes text_clean before it enters the line: what is in it may be shown. The line
 * holds at most max bytes; what does not fit is left out, and editor_full says so once.
 *
 * Pure: bytes in, events out. Not for several threads.
 */
#ifndef CHAT_EDITOR_H
#define CHAT_EDITOR_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define EDITOR_HISTORY 100 /* lines remembered */

struct editor {
    struct buf line;
    size_t cursor; /* byte offset, between clusters */
    char *cut;     /* what Ctrl-Y puts back; NULL nothing */
    char **history;
    size_t history_count, history_at; /* at == count: the line being written */
    char *draft;                      /* the line being written while history is shown */
    bool searching;
    char words[64];      /* what is searched */
    size_t found;        /* the history entry shown; history_count: none */
    uint8_t pending[16]; /* a sequence or character of which the rest has not come yet */
    size_t pending_length;
    bool pasting, full, after_cr;
    struct buf paste;
};

enum editor_event {
    EDITOR_NOTHING,  /* all bytes are taken; the line may have changed */
    EDITOR_LINE,     /* Enter: editor_take has it */
    EDITOR_COMPLETE, /* Tab: the caller completes the word at the cursor (editor_replace) */
    EDITOR_END,      /* Ctrl-D on an empty line */
    EDITOR_CANCEL,   /* Ctrl-C */
    EDITOR_REDRAW,   /* Ctrl-L: clear the screen */
    EDITOR_BELL,     /* a key that could do nothing */
};

/* A line of at most max bytes. */
void editor_init(struct editor *editor, size_t max);
void editor_done(struct editor *editor);

/*
 * Takes bytes until one of them makes an event; *used says how many were taken. Call again with the
 * rest. EDITOR_NOTHING means that all were taken.
 */
enum editor_event editor_put(struct editor *editor, const void *bytes, size_t length, size_t *used);

/* The line that EDITOR_LINE announced, yours to free; it goes into the history unless it is blank
 * or the same as the one before. The editor is empty afterwards. */
char *editor_take(struct editor *editor);

/* Empties the line. */
void editor_clear(struct editor *editor);

/* Whether something did not fit since the last call. */
bool editor_full(struct editor *editor);

/* Puts text in place of the bytes from..cursor, the cursor behind it. */
void editor_replace(struct editor *editor, size_t from, const char *text);

/* The word at the cursor: where it begins. */
size_t editor_word(const struct editor *editor);

/* What stands before the line while somebody searches, or "". */
void editor_search_text(const struct editor *editor, char *out, size_t size);

#endif
