#include "supervisor/show.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const escapes[] = {
    [SHOW_PLAIN] = "\033[0m", [SHOW_BOLD] = "\033[1m",  [SHOW_DIM] = "\033[2m",
    [SHOW_GOOD] = "\033[32m", [SHOW_WARN] = "\033[33m", [SHOW_BAD] = "\033[31m",
};

bool show_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

static bool has_colour(void)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return show_terminal() && !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0;
}

const char *show_style(enum show_style style)
{
    return has_colour() ? escapes[style] : "";
}

/* Yours to free. */
static char *clean(const char *text)
{
    size_t length = strlen(text);
    struct buf out;
    char *result;

    if (text_is_safe(text, length))
        return mem_dup(text);
    buf_init(&out, 3 * length + 1); /* U+FFFD for each byte */
    text_clean(&out, text, length, TEXT_ONE_LINE);
    result = buf_take(&out);
    buf_done(&out);
    return result;
}

void show_text(const char *text)
{
    char *safe = clean(text);

    fputs(safe, stdout);
    free(safe);
}

void show_table_init(struct show_table *table, size_t columns)
{
    memset(table, 0, sizeof *table);
    table->columns = columns;
}

void show_table_row(struct show_table *table, enum show_style style, ...)
{
    size_t first = table->rows * table->columns;
    va_list cells;

    table->cells = mem_resize(table->cells, first + table->columns, sizeof *table->cells);
    table->styles = mem_resize(table->styles, table->rows + 1, sizeof *table->styles);
    table->styles[table->rows] = style;
    va_start(cells, style);
    for (size_t column = 0; column < table->columns; column++) {
        const char *cell = va_arg(cells, const char *);
        table->cells[first + column] = clean(cell ? cell : "");
    }
    va_end(cells);
    table->rows++;
}

static size_t column_width(const struct show_table *table, size_t column)
{
    size_t width = 0;

    for (size_t row = 0; row < table->rows; row++) {
        size_t length = text_length(table->cells[row * table->columns + column]);
        if (length > width)
            width = length;
    }
    return width;
}

static void print_row(const struct show_table *table, size_t row, const size_t *widths, int indent)
{
    bool aligned = show_terminal();

    printf("%*s%s", aligned ? indent : 0, "", show_style(table->styles[row]));
    for (size_t column = 0; column < table->columns; column++) {
        const char *cell = table->cells[row * table->columns + column];
        bool last = column + 1 == table->columns;
        fputs(cell, stdout);
        if (!last && aligned)
            printf("%*s", (int)(widths[column] - text_length(cell)) + 2, "");
        else if (!last)
            putchar('\t');
    }
    printf("%s\n", show_style(SHOW_PLAIN));
}

void show_table_print(struct show_table *table, int indent)
{
    size_t *widths = mem_array(table->columns, sizeof *widths);

    for (size_t column = 0; column < table->columns; column++)
        widths[column] = column_width(table, column);
    for (size_t row = 0; row < table->rows; row++)
        if (show_terminal() || table->styles[row] != SHOW_DIM || row > 0)
            print_row(table, row, widths, indent);
    for (size_t cell = 0; cell < table->rows * table->columns; cell++)
        free(table->cells[cell]);
    free(table->cells);
    free(table->styles);
    free(widths);
    memset(table, 0, sizeof *table);
}
