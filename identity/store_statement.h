/*
 * store_statement: the prepared statements of one connection, for store.c alone.
 *
 * Preparing a statement costs more than running most of them, so each is kept and found again by
 * its text. Statements belong to their cache; who acquires one has it for itself until release.
 */
#ifndef IDENTITY_STORE_STATEMENT_H
#define IDENTITY_STORE_STATEMENT_H

#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define STATEMENT_BUCKETS 256

struct statement {
    struct statement *next; /* in its bucket */
    sqlite3_stmt *compiled;
    char *sql;
    bool kept;
    bool busy; /* somebody is stepping through it */
};

/* All zero is an empty cache. */
struct statements {
    struct statement *buckets[STATEMENT_BUCKETS];
    size_t kept;
};

/* The statement for sql, busy until statement_release; one that is busy already (a handler within
 * a loop) is prepared once more for the occasion. NULL: db says why. */
struct statement *statement_acquire(struct statements *cache, sqlite3 *db, const char *sql);
void statement_release(struct statement *statement);

/* Binds a value for each letter of types: i an int64_t, s a text, b bytes and their length, n
 * NULL. Values are lent for as long as the statement is busy, unless copy is set. */
void statement_bind(struct statement *statement, bool copy, const char *types, va_list values);

/* Finalizes all statements that nobody is stepping through. */
void statements_drop(struct statements *cache);

#endif
