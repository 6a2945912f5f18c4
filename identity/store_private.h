/*
 * store_private: what store.c lends to store_file.c and to nobody else.
 *
 * store.c is the connection, its transactions and rows, on the statements that store_statement.c
 * keeps for it; these two alone include sqlite3.h. store_file.c is the file as a whole: creating,
 * migrating, checking, copying.
 */
#ifndef IDENTITY_STORE_PRIVATE_H
#define IDENTITY_STORE_PRIVATE_H

#include "identity/store.h"

/* Opens a connection to the existing file at path (":memory:" makes one) with riad's settings, and
 * looks at nothing in it yet. NULL: logged, or told in *damaged unless that is NULL. */
struct store *store_connect(const char *path, bool *damaged);
/* Likewise, to read what is left of a damaged file: one that was cut short is opened, too. */
struct store *store_connect_ruin(const char *path, bool *damaged);

/* Whether failures go unlogged, for whoever expects them. */
void store_quiet(struct store *store, bool quiet);

/* Runs a script of several statements without values. 0, or -1, logged. */
int store_script(struct store *store, const char *sql);

/* What SQLite said last, for a sentence of one's own; valid until the next call on the store. */
const char *store_error_text(const struct store *store);

/* Sets room on the disk aside for the log: as much as grows before it is used again. The file
 * itself has room behind its end already, since it grows by large steps; SQLite takes these while
 * it copies the log, and nobody else may: it writes into each block, without a look at what others
 * put there meanwhile. So on a disk that others filled the box goes on for a good while. Best
 * effort. */
void store_set_aside(const struct store *store);

/* Whether the last failure means that the file is damaged or no database at all. */
bool store_is_damaged(const struct store *store);

#endif
