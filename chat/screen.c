#include "chat/screen.h"
#include "chat/width.h"

#include <string.h>

#define BREAK       "\xe2\x86\xb5" /* ↵ stands for a line break within the line */
#define MAX_COLUMNS 1000

void screen_init(struct screen *screen, size_t max)
{
    *screen = (struct screen){.columns = SCREEN_COLUMNS, .rows = SCREEN_ROWS};
    buf_init(&screen->shown, 3 * max + 256); /* a line break becomes three bytes */
}

void screen_done(struct screen *screen)
{
    buf_done(&screen->shown);
}

/* ---- where things stand ---- */

struct place {
    size_t row, column;
};

/* Steps over one cluster; a wide one that does not fit goes to the next row whole. */
static size_t step(const struct screen *screen, size_t at, struct place *place)
{
    const char *text = (const char *)screen->shown.data;
    int columns;
    size_t taken = width_cluster(text + at, screen->shown.len - at, &columns);

    if (place->column + (size_t)columns > (size_t)screen->columns) {
        place->row++;
        place->column = 0;
    }
    place->column += (size_t)columns;
    return at + taken;
}

/* The place of byte `to` when drawing begins at byte `from`. */
static struct place place_of(const struct screen *screen, size_t from, size_t to)
{
    struct place place = {0, 0};

    while (from < to)
        from = step(screen, from, &place);
    if (place.column >= (size_t)screen->columns) {
        place.row++;
        place.column = 0;
    }
    return place;
}

/* The byte with which row number row begins. */
static size_t row_start(const struct screen *screen, size_t row)
{
    struct place place = {0, 0};
    size_t at = 0;

    while (at < screen->shown.len) {
        struct place before = place;
        size_t next = step(screen, at, &place);

        if (place.row >= row && before.row < row)
            return at;
        at = next;
    }
    return row == 0 ? 0 : at;
}

void screen_resize(struct screen *screen, int columns, int rows)
{
    screen->columns = columns <= 0 || columns > MAX_COLUMNS ? SCREEN_COLUMNS : columns;
    screen->rows = rows <= 0 || rows > MAX_COLUMNS ? SCREEN_ROWS : rows;
    /* Narrower than a wide character nothing can be drawn. */
    if (screen->columns < 4)
        screen->columns = 4;
    if (screen->drawn)
        screen->cursor_row = place_of(screen, screen->shown_from, screen->shown_cursor).row;
}

/* ---- drawing ---- */

static void put_shown(struct screen *screen, const struct screen_line *line)
{
    struct buf *shown = &screen->shown;

    buf_clear(shown);
    buf_puts(shown, line->prompt);
    for (size_t i = 0; i < line->length; i++) {
        if (i == line->cursor)
            screen->shown_cursor = shown->len;
        if (line->text[i] == '\n')
            buf_puts(shown, BREAK);
        else
            buf_putc(shown, (uint8_t)line->text[i]);
    }
    if (line->cursor >= line->length)
        screen->shown_cursor = shown->len;
}

static void go_first(struct screen *screen, struct buf *out)
{
    if (screen->cursor_row > 0)
        buf_printf(out, "\033[%zuA", screen->cursor_row);
    buf_puts(out, "\r\033[J");
}

void screen_erase(struct screen *screen, struct buf *out)
{
    if (!screen->drawn)
        return;
    screen->drawn = false;
    if (screen->dumb) {
        /* An empty line needs no new one. */
        if (screen->shown.len > 0)
            buf_puts(out, "\r\n");
        buf_clear(&screen->shown);
        return;
    }
    go_first(screen, out);
    screen->cursor_row = 0;
}

/* The part of shown that fits into the window, with the cursor in it. */
static void choose_rows(struct screen *screen, size_t *from, size_t *to)
{
    size_t most = screen->rows > 2 ? (size_t)screen->rows - 1 : 1;
    size_t rows = place_of(screen, 0, screen->shown.len).row + 1;
    size_t cursor = place_of(screen, 0, screen->shown_cursor).row;
    size_t top;

    *from = 0;
    *to = screen->shown.len;
    if (rows <= most)
        return;
    top = cursor + 1 > most ? cursor + 1 - most : 0;
    *from = row_start(screen, top);
    if (top + most < rows)
        *to = row_start(screen, top + most);
}

static void draw_rows(struct screen *screen, struct buf *out, const struct screen_line *line)
{
    size_t from, to, prompt = strlen(line->prompt);
    struct place end, cursor;

    choose_rows(screen, &from, &to);
    screen->shown_from = from;
    if (from < prompt) {
        buf_puts(out, line->color);
        buf_put(out, screen->shown.data + from, prompt - from);
        if (line->color[0] != '\0')
            buf_puts(out, "\033[0m");
        buf_put(out, screen->shown.data + prompt, to - prompt);
    } else {
        buf_put(out, screen->shown.data + from, to - from);
    }
    end = place_of(screen, from, to);
    /* A full row leaves the cursor hanging at its end: a blank brings it to the next one. */
    if (end.column == 0 && to > from)
        buf_puts(out, " \r\033[K");
    cursor = place_of(screen, from, screen->shown_cursor);
    if (end.row > cursor.row)
        buf_printf(out, "\033[%zuA", end.row - cursor.row);
    if (end.row != cursor.row || end.column != cursor.column) {
        buf_puts(out, "\r");
        if (cursor.column > 0)
            buf_printf(out, "\033[%zuC", cursor.column);
    }
    screen->cursor_row = cursor.row;
}

/* Echoes what changed at the end of the line, or writes it anew. */
static void draw_dumb(struct screen *screen, struct buf *out, const struct screen_line *line)
{
    struct buf before;
    size_t same = 0;

    buf_init(&before, screen->shown.max);
    if (screen->drawn)
        buf_put(&before, screen->shown.data, screen->shown.len);
    put_shown(screen, line);
    while (same < before.len && same < screen->shown.len &&
           before.data[same] == screen->shown.data[same])
        same++;
    while (same > 0 && same < before.len && (before.data[same] & 0xc0) == 0x80)
        same--;
    for (size_t n = width_text((const char *)before.data + same, before.len - same); n > 0; n--)
        buf_puts(out, "\b \b");
    buf_put(out, screen->shown.data + same, screen->shown.len - same);
    buf_done(&before);
}

void screen_draw(struct screen *screen, struct buf *out, const struct screen_line *line)
{
    if (screen->dumb) {
        draw_dumb(screen, out, line);
    } else {
        if (screen->drawn)
            go_first(screen, out);
        put_shown(screen, line);
        draw_rows(screen, out, line);
    }
    screen->drawn = true;
}

void screen_put(struct buf *out, const char *text)
{
    const char *end;

    for (; (end = strchr(text, '\n')) != NULL; text = end + 1) {
        buf_put(out, text, (size_t)(end - text));
        buf_puts(out, "\r\n");
    }
    buf_puts(out, text);
}
