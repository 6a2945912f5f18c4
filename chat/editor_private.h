/*
 * editor_private: between the editor's two files only: editor_bytes.c finds keys and characters in
 * what a terminal sends, editor.c acts on them.
 */
#ifndef CHAT_EDITOR_PRIVATE_H
#define CHAT_EDITOR_PRIVATE_H

#include "base/text.h"
#include "chat/editor.h"

/* Keys are control letters; the others have codes beyond ASCII. */
enum {
    KEY_WORD_LEFT = 256,
    KEY_WORD_RIGHT,
    KEY_WORD_DELETE,
    KEY_DELETE,
    KEY_WORD_CUT,
    KEY_BREAK,
    KEY_PASTE,
    KEY_IGNORED
};

#define CTRL(letter) ((letter)&0x1f)

/* Acts on one key. */
enum editor_event editor_act(struct editor *editor, int key);

/* Puts bytes at the cursor, cleaned. */
void editor_insert(struct editor *editor, const void *bytes, size_t length, enum text_lines lines);

/* Adds a character to what is searched. */
enum editor_event editor_search_more(struct editor *editor, const void *bytes, size_t length);

#endif
