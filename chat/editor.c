#include "base/mem.h"
#include "base/text.h"
#include "chat/editor_private.h"
#include "chat/width.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void editor_init(struct editor *editor, size_t max)
{
    *editor = (struct editor){0};
    buf_init(&editor->line, max);
    buf_init(&editor->paste, max);
}

void editor_done(struct editor *editor)
{
    buf_done(&editor->line);
    buf_done(&editor->paste);
    for (size_t i = 0; i < editor->history_count; i++)
        free(editor->history[i]);
    free(editor->history);
    free(editor->draft);
    free(editor->cut);
    *editor = (struct editor){0};
}

bool editor_full(struct editor *editor)
{
    bool full = editor->full;

    editor->full = false;
    return full;
}

/* ---- changing the line ---- */

/* Puts length bytes in place of those from..to. */
static bool splice(struct editor *editor, size_t from, size_t to, const void *bytes, size_t length)
{
    struct buf *line = &editor->line;
    char *tail = mem_dup_bytes(line->data + to, line->len - to);
    size_t tail_length = line->len - to;
    bool fits = from + length + tail_length <= line->max;

    if (fits) {
        buf_truncate(line, from);
        buf_put(line, bytes, length);
        buf_put(line, tail, tail_length);
        editor->cursor = from + length;
    } else {
        editor->full = true;
    }
    free(tail);
    return fits;
}

void editor_insert(struct editor *editor, const void *bytes, size_t length, enum text_lines lines)
{
    struct buf clean;

    buf_init(&clean, editor->line.max);
    if (text_clean(&clean, bytes, length, lines) != 0)
        editor->full = true;
    splice(editor, editor->cursor, editor->cursor, clean.data, clean.len);
    buf_done(&clean);
}

static void cut(struct editor *editor, size_t from, size_t to)
{
    if (from == to)
        return;
    free(editor->cut);
    editor->cut = mem_dup_bytes(editor->line.data + from, to - from);
    splice(editor, from, to, "", 0);
}

void editor_replace(struct editor *editor, size_t from, const char *text)
{
    splice(editor, from, editor->cursor, text, strlen(text));
}

void editor_clear(struct editor *editor)
{
    buf_clear(&editor->line);
    editor->cursor = 0;
    editor->history_at = editor->history_count;
    editor->searching = false;
}

/* ---- moving ---- */

static const char *text_of(const struct editor *editor)
{
    return (const char *)editor->line.data;
}

static size_t left_of(const struct editor *editor, size_t at)
{
    return at == 0 ? 0 : width_before(text_of(editor), at);
}

static size_t right_of(const struct editor *editor, size_t at)
{
    int columns;

    if (at >= editor->line.len)
        return editor->line.len;
    return at + width_cluster(text_of(editor) + at, editor->line.len - at, &columns);
}

/* Letters, digits and everything beyond ASCII make words for Alt-B, F and D. */
static bool in_word(char byte)
{
    return ((uint8_t)byte & 0x80) || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z');
}

static size_t word_left(const struct editor *editor, bool blanks_only)
{
    const char *text = text_of(editor);
    size_t at = editor->cursor;

#define SEPARATES(byte) (blanks_only ? (byte) == ' ' || (byte) == '\n' : !in_word(byte))
    while (at > 0 && SEPARATES(text[at - 1]))
        at--;
    while (at > 0 && !SEPARATES(text[at - 1]))
        at--;
#undef SEPARATES
    return at;
}

static size_t word_right(const struct editor *editor)
{
    const char *text = text_of(editor);
    size_t at = editor->cursor;

    while (at < editor->line.len && !in_word(text[at]))
        at++;
    while (at < editor->line.len && in_word(text[at]))
        at++;
    return at;
}

size_t editor_word(const struct editor *editor)
{
    const char *text = text_of(editor);
    size_t at = editor->cursor;

    while (at > 0 && text[at - 1] != ' ' && text[at - 1] != '\n')
        at--;
    return at;
}

/* ---- history and search ---- */

static void show(struct editor *editor, const char *text)
{
    buf_clear(&editor->line);
    buf_puts(&editor->line, text);
    editor->cursor = editor->line.len;
}

static enum editor_event go_history(struct editor *editor, int step)
{
    size_t at = editor->history_at + (size_t)step;

    if (at > editor->history_count) /* before the first: it wrapped */
        return EDITOR_BELL;
    if (editor->history_at == editor->history_count) {
        free(editor->draft);
        editor->draft = mem_dup(text_of(editor));
    }
    editor->history_at = at;
    show(editor, at == editor->history_count ? editor->draft : editor->history[at]);
    return EDITOR_NOTHING;
}

static void remember(struct editor *editor, const char *line)
{
    size_t count = editor->history_count;

    if (line[strspn(line, " \n")] == '\0' ||
        (count > 0 && strcmp(editor->history[count - 1], line) == 0))
        return;
    if (count == EDITOR_HISTORY) {
        free(editor->history[0]);
        memmove(editor->history, editor->history + 1, (count - 1) * sizeof(*editor->history));
        count--;
    } else if ((count & (count - 1)) == 0) { /* grows by powers of two */
        editor->history =
            mem_resize(editor->history, count == 0 ? 1 : 2 * count, sizeof(*editor->history));
    }
    editor->history[count] = mem_dup(line);
    editor->history_count = count + 1;
}

char *editor_take(struct editor *editor)
{
    size_t max = editor->line.max;
    char *line = buf_take(&editor->line);

    buf_done(&editor->line);
    buf_init(&editor->line, max);
    remember(editor, line);
    free(editor->draft);
    editor->draft = NULL;
    editor_clear(editor);
    return line;
}

/* Shows the newest line before number before that holds the words. */
static bool search(struct editor *editor, size_t before)
{
    for (size_t i = before; i-- > 0;) {
        if (strstr(editor->history[i], editor->words) == NULL)
            continue;
        editor->found = i;
        show(editor, editor->history[i]);
        return true;
    }
    return false;
}

void editor_search_text(const struct editor *editor, char *out, size_t size)
{
    if (editor->searching)
        snprintf(out, size, "(search: %s) ", editor->words);
    else
        snprintf(out, size, "%s", "");
}

static enum editor_event start_search(struct editor *editor)
{
    if (!editor->searching) {
        editor->searching = true;
        editor->words[0] = '\0';
        editor->found = editor->history_count;
        free(editor->draft);
        editor->draft = mem_dup(text_of(editor));
        return EDITOR_NOTHING;
    }
    return search(editor, editor->found) ? EDITOR_NOTHING : EDITOR_BELL;
}

enum editor_event editor_search_more(struct editor *editor, const void *bytes, size_t length)
{
    size_t have = strlen(editor->words);
    struct buf clean;

    buf_init(&clean, 64);
    text_clean(&clean, bytes, length, TEXT_ONE_LINE);
    if (have + clean.len < sizeof(editor->words))
        memcpy(editor->words + have, clean.data, clean.len + 1);
    buf_done(&clean);
    if (search(editor,
               editor->found < editor->history_count ? editor->found + 1 : editor->history_count))
        return EDITOR_NOTHING;
    return EDITOR_BELL;
}

static void search_less(struct editor *editor)
{
    size_t have = strlen(editor->words);

    if (have > 0)
        editor->words[width_before(editor->words, have)] = '\0';
    search(editor, editor->history_count);
}

/* Whether the key was one of the search's own; any other ends it and acts on what was found. */
static bool search_key(struct editor *editor, int key)
{
    switch (key) {
    case CTRL('R'):
        return false;
    case CTRL('H'):
    case 0x7f:
        search_less(editor);
        return true;
    case CTRL('G'):
    case CTRL('C'):
        show(editor, editor->draft);
        editor->searching = false;
        return true;
    default:
        editor->searching = false;
        return false;
    }
}

/* ---- keys ---- */

static enum editor_event delete_range(struct editor *editor, size_t from, size_t to)
{
    if (from == to)
        return EDITOR_BELL;
    splice(editor, from, to, "", 0);
    editor->cursor = from;
    return EDITOR_NOTHING;
}

static enum editor_event transpose(struct editor *editor)
{
    size_t middle =
        editor->cursor == editor->line.len ? left_of(editor, editor->cursor) : editor->cursor;
    size_t from = left_of(editor, middle), to = right_of(editor, middle);
    char *swapped;

    if (from == middle || to == middle)
        return EDITOR_BELL;
    swapped = mem_printf("%.*s%.*s", (int)(to - middle), text_of(editor) + middle,
                         (int)(middle - from), text_of(editor) + from);
    splice(editor, from, to, swapped, to - from);
    free(swapped);
    return EDITOR_NOTHING;
}

static enum editor_event move_to(struct editor *editor, size_t at)
{
    if (at == editor->cursor)
        return EDITOR_BELL;
    editor->cursor = at;
    return EDITOR_NOTHING;
}

static enum editor_event edit_key(struct editor *editor, int key)
{
    size_t cursor = editor->cursor, end = editor->line.len;

    switch (key) {
    case CTRL('H'):
    case 0x7f:
        return delete_range(editor, left_of(editor, cursor), cursor);
    case KEY_DELETE:
        return delete_range(editor, cursor, right_of(editor, cursor));
    case KEY_WORD_DELETE:
        cut(editor, cursor, word_right(editor));
        editor->cursor = cursor;
        return EDITOR_NOTHING;
    case CTRL('W'):
        cut(editor, word_left(editor, true), cursor);
        return EDITOR_NOTHING;
    case KEY_WORD_CUT:
        cut(editor, word_left(editor, false), cursor);
        return EDITOR_NOTHING;
    case CTRL('K'):
        cut(editor, cursor, end);
        return EDITOR_NOTHING;
    case CTRL('U'):
        cut(editor, 0, cursor);
        return EDITOR_NOTHING;
    case CTRL('Y'):
        if (editor->cut == NULL)
            return EDITOR_BELL;
        splice(editor, cursor, cursor, editor->cut, strlen(editor->cut));
        return EDITOR_NOTHING;
    case CTRL('T'):
        return transpose(editor);
    case KEY_BREAK:
        splice(editor, cursor, cursor, "\n", 1);
        return EDITOR_NOTHING;
    default:
        return EDITOR_BELL;
    }
}

enum editor_event editor_act(struct editor *editor, int key)
{
    if (editor->searching && search_key(editor, key))
        return EDITOR_NOTHING;
    switch (key) {
    case CTRL('A'):
        return move_to(editor, 0);
    case CTRL('E'):
        return move_to(editor, editor->line.len);
    case CTRL('B'):
        return move_to(editor, left_of(editor, editor->cursor));
    case CTRL('F'):
        return move_to(editor, right_of(editor, editor->cursor));
    case KEY_WORD_LEFT:
        return move_to(editor, word_left(editor, false));
    case KEY_WORD_RIGHT:
        return move_to(editor, word_right(editor));
    case CTRL('P'):
        return go_history(editor, -1);
    case CTRL('N'):
        return go_history(editor, 1);
    case CTRL('R'):
        return start_search(editor);
    case CTRL('D'):
        return editor->line.len == 0 ? EDITOR_END : edit_key(editor, KEY_DELETE);
    case CTRL('C'):
        return EDITOR_CANCEL;
    case CTRL('L'):
        return EDITOR_REDRAW;
    case '\t':
        return EDITOR_COMPLETE;
    case '\r':
    case '\n':
        return EDITOR_LINE;
    case KEY_PASTE:
        editor->pasting = true;
        buf_clear(&editor->paste);
        return EDITOR_NOTHING;
    case KEY_IGNORED:
        return EDITOR_NOTHING;
    default:
        return edit_key(editor, key);
    }
}
