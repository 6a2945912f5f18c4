/* The editor and its screen: any bytes, in pieces, with the window changing; what is in the line is
 * always safe to show, and the cursor stands between characters. The first byte chooses. */
#include "base/text.h"
#include "chat/editor.h"
#include "chat/screen.h"
#include "chat/width.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct editor *editor)
{
    const struct buf *line = &editor->line;

    assert(editor->cursor <= line->len && line->len <= line->max);
    assert(text_is_utf8(line->data, line->len));
    for (size_t i = 0; i < line->len; i++)
        assert(line->data[i] >= 0x20 || line->data[i] == '\n');
    assert(editor->cursor == line->len || (line->data[editor->cursor] & 0xc0) != 0x80);
}

static void draw(struct screen *screen, struct editor *editor, struct buf *out)
{
    struct screen_line line = {.prompt = "lobby> ",
                               .color = "",
                               .text = buf_text(&editor->line),
                               .length = editor->line.len,
                               .cursor = editor->cursor};

    buf_clear(out);
    screen_draw(screen, out, &line);
    assert(!out->overflowed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct editor editor;
    struct screen screen;
    struct buf out;
    size_t at = 1, used;

    if (size == 0)
        return 0;
    editor_init(&editor, 300);
    screen_init(&screen, 300);
    buf_init(&out, 65536);
    screen.dumb = data[0] & 0x80;
    screen_resize(&screen, data[0] & 0x3f, (data[0] & 0x0f) + 1);
    while (at < size) {
        size_t piece = size - at < 9 ? size - at : 1 + data[at] % 9u;

        switch (editor_put(&editor, data + at, piece, &used)) {
        case EDITOR_LINE:
            free(editor_take(&editor));
            break;
        case EDITOR_COMPLETE:
            editor_replace(&editor, editor_word(&editor), "completed ");
            break;
        case EDITOR_CANCEL:
            screen_resize(&screen, (int)(data[at] % 90u), (int)(data[at] % 30u));
            editor_clear(&editor);
            break;
        default:
            break;
        }
        check(&editor);
        draw(&screen, &editor, &out);
        if (used % 3 == 0)
            screen_erase(&screen, &out);
        at += used;
    }
    editor_done(&editor);
    screen_done(&screen);
    buf_done(&out);
    return 0;
}
