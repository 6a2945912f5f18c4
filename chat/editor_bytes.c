/* What a terminal sends: keys, characters, pastes. */
#include "chat/editor_private.h"

#include <string.h>

#define PASTE_END "\033[201~"

/* Sequences as terminals send them, without their escape. */
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
        return length == 0 ? EDITOR_NOTHING : editor_act(editor, sequence_key(pending, length));
    }
    if (pending[0] < 0x20 || pending[0] == 0x7f) {
        editor->pending_length = 0;
        return editor_act(editor, pending[0]);
    }
    length = editor->pending_length;
    if (pending[0] >= 0xc0 && length < character_length(pending[0]))
        return EDITOR_NOTHING;
    editor->pending_length = 0;
    if (editor->searching)
        return editor_search_more(editor, pending, length);
    editor_insert(editor, pending, length, TEXT_ONE_LINE);
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
    editor_insert(editor, paste->data, paste->len, TEXT_MANY_LINES);
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
            editor_insert(editor, text + at, run, TEXT_ONE_LINE);
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
