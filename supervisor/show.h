/*
 * show: how commands print for people.
 *
 * On a terminal: coloured and aligned. To a pipe, with NO_COLOR or on a dumb terminal: plain, the
 * same words. Cells and show_text pass base/text.h here; what else came from outside must have done
 * so before. Standard output only, one thread.
 */
#ifndef SUPERVISOR_SHOW_H
#define SUPERVISOR_SHOW_H

#include <stdbool.h>
#include <stddef.h>

enum show_style { SHOW_PLAIN, SHOW_BOLD, SHOW_DIM, SHOW_GOOD, SHOW_WARN, SHOW_BAD };

/* Whether standard output is a terminal that people look at (for QR codes, hints). */
bool show_terminal(void);

/* The escape sequence that begins a style, "" where there is no colour; SHOW_PLAIN ends it. */
const char *show_style(enum show_style style);

/* Prints text as text_clean leaves it, in one line. */
void show_text(const char *text);

/*
 * A table: columns are as wide as their widest cell (by characters), two blanks apart; the last is
 * never filled up. On a pipe, cells are separated by a tab, for cut(1) and awk(1).
 */
struct show_table {
    size_t columns;
    size_t rows;
    char **cells;
    enum show_style *styles;
};

/* An empty table with so many columns. */
void show_table_init(struct show_table *table, size_t columns);
/* Appends a row of columns texts, copied, the whole row in that style. The first row of a table may
 * be its heading, in SHOW_DIM; it is left out on a pipe. */
void show_table_row(struct show_table *table, enum show_style style, ...);
/* Prints it, each line after indent blanks, and releases it. */
void show_table_print(struct show_table *table, int indent);

#endif
