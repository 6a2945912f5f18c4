#include "chat/editor.h"
#include "base/mem.h"
#include "base/text.h"
#include "chat/width.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PASTE_END "\033[201~"

/* Sequences as terminals send them, and the keys that they stand for: control letters, so that one
 * table acts for both. The others have codes beyond ASCII. */
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

static const struct {
    const char *bytes;
    int key;
} sequences[] = {
    {"[A",    CTRL('P')      },
    {"[B",    CTRL('N')      },
    {"[C",    CTRL('F')      },
    {"[D",    CTRL('B')      },
    {"OA",    CTRL('P')      },
    {"OB",    CTRL('N')      },
    {"OC",    CTRL('F')      },
    {"OD",    CTRL('B')      },
    {"[H",    CTRL('A')      },
    {"[F",    CTRL('E')      },
    {"OH",    CTRL('A')      },
    {"OF",    CTRL('E')      },
    {"[1~",   CTRL('A')      },
    {"[4~",   CTRL('E')      },
    {"[7~",   CTRL('A')      },
    {"[8~",   CTRL('E')      },
    {"[3~",   KEY_DELETE     },
    {"[1;5C", KEY_WORD_RIGHT },
    {"[1;5D", KEY_WORD_LEFT  },
    {"[1;3C", KEY_WORD_RIGHT },
    {"[1;3D", KEY_WORD_LEFT  },
    {"[200~", KEY_PASTE      },
    {"[201~", KEY_IGNORED    },
    {"b",     KEY_WORD_LEFT  },
    {"f",     KEY_WORD_RIGHT },
    {"d",     KEY_WORD_DELETE},
    {"B",     KEY_WORD_LEFT  },
    {"F",     KEY_WORD_RIGHT },
    {"D",     KEY_WORD_DELETE},
    {"\x7f",  KEY_WORD_CUT   },
    {"\b",    KEY_WORD_CUT   },
    {"\r",    KEY_BREAK      },
    {"\n",    KEY_BREAK      },
};

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

static void insert(struct editor *editor, const void *bytes, size_t length, enum text_lines lines)
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

static enum editor_event search_more(struct editor *editor, const void *bytes, size_t length)
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

static enum editor_event act(struct editor *editor, int key)
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

/* ---- bytes ---- */

/* How long the escape sequence in pending is, or 0 if its end has not come. */
static size_t sequence_length(const uint8_t *bytes, size_t length)
{
    if (length < 2)
        return 0;
    if (bytes[1] == 'O')
        return length < 3 ? 0 : 3;
    if (bytes[1] != '[')
        return 2;
    for (size_t i = 2; i < length; i++)
        if (bytes[i] >= 0x40 && bytes[i] <= 0x7e)
            return i + 1;
    return 0;
}

static int sequence_key(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++)
        if (strlen(sequences[i].bytes) == length - 1 &&
            memcmp(sequences[i].bytes, bytes + 1, length - 1) == 0)
            return sequences[i].key;
    return KEY_IGNORED;
}

static size_t character_length(uint8_t first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Takes one byte of a key or character. */
static enum editor_event put_byte(struct editor *editor, uint8_t byte)
{
    uint8_t *pending = editor->pending;
    size_t length;

    /* CR LF is one Enter. */
    if (byte == '\n' && editor->after_cr) {
        editor->after_cr = false;
        return EDITOR_NOTHING;
    }
    editor->after_cr = byte == '\r';
    /* What cannot go on a character that has begun ends it. */
    if (editor->pending_length > 0 && pending[0] >= 0xc0 && (byte & 0xc0) != 0x80)
        editor->pending_length = 0;
    pending[editor->pending_length++] = byte;
    if (pending[0] == '\033') {
        length = sequence_length(pending, editor->pending_length);
        if (length == 0 && editor->pending_length < sizeof(editor->pending))
            return EDITOR_NOTHING;
        editor->pending_length = 0;
        return length == 0 ? EDITOR_NOTHING : act(editor, sequence_key(pending, length));
    }
    if (pending[0] < 0x20 || pending[0] == 0x7f) {
        editor->pending_length = 0;
        return act(editor, pending[0]);
    }
    length = editor->pending_length;
    if (pending[0] >= 0xc0 && length < character_length(pending[0]))
        return EDITOR_NOTHING;
    editor->pending_length = 0;
    if (editor->searching)
        return search_more(editor, pending, length);
    insert(editor, pending, length, TEXT_ONE_LINE);
    return EDITOR_NOTHING;
}

static void put_paste(struct editor *editor, uint8_t byte)
{
    static const char end[] = PASTE_END;
    size_t length = sizeof(end) - 1;
    struct buf *paste = &editor->paste;

    /* The end is looked for among the last bytes, so that a paste longer than the line ends, too.
     */
    if (editor->pending_length == length) {
        if (buf_putc(paste, editor->pending[0]) != 0)
            editor->full = true;
        memmove(editor->pending, editor->pending + 1, --editor->pending_length);
    }
    editor->pending[editor->pending_length++] = byte;
    if (editor->pending_length < length || memcmp(editor->pending, end, length) != 0)
        return;
    editor->pending_length = 0;
    editor->pasting = false;
    editor->searching = false;
    while (paste->len > 0 &&
           (paste->data[paste->len - 1] == '\n' || paste->data[paste->len - 1] == '\r'))
        buf_truncate(paste, paste->len - 1);
    insert(editor, paste->data, paste->len, TEXT_MANY_LINES);
    buf_done(paste);
    buf_init(paste, editor->line.max);
}

/* How many bytes of whole characters without keys among them come first. They go in at once: a long
 * line is not spliced byte by byte, and the joiners within an emoji see their neighbours. */
static size_t plain_run(const uint8_t *bytes, size_t length)
{
    size_t at = 0;

    while (at < length && bytes[at] >= 0x20 && bytes[at] != 0x7f) {
        size_t more = character_length(bytes[at]);

        if (more > length - at)
            break;
        at += more;
    }
    return at;
}

enum editor_event editor_put(struct editor *editor, const void *bytes, size_t length, size_t *used)
{
    const uint8_t *text = bytes;
    size_t at = 0;
    enum editor_event event = EDITOR_NOTHING;

    while (at < length && event == EDITOR_NOTHING) {
        size_t run = editor->pasting || editor->searching || editor->pending_length > 0
                         ? 0
                         : plain_run(text + at, length - at);

        if (run > 0) {
            insert(editor, text + at, run, TEXT_ONE_LINE);
            editor->after_cr = false;
            at += run;
        } else if (editor->pasting) {
            put_paste(editor, text[at++]);
        } else {
            event = put_byte(editor, text[at++]);
        }
    }
    *used = at;
    return event;
}
