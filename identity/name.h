/*
 * name: which names people and rooms may have.
 *
 * 1 to 32 of `a-z 0-9 . _ -`, starting with a letter or digit; upper case is folded. Reserved names
 * (root, riad, system, ...) are refused, and so are names that look like one that is taken: two
 * names look alike when their skeletons are equal (0 and o; 1, l and i; rn and m; vv and w; `.`,
 * `_` and `-`, and doubled ones). Pure: no store.
 */
#ifndef IDENTITY_NAME_H
#define IDENTITY_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_MAX_BYTES 33 /* 32 characters and a NUL */

enum name_verdict {
    NAME_GOOD,
    NAME_EMPTY,
    NAME_TOO_LONG,
    NAME_BAD_START,
    NAME_BAD_CHARACTER,
    NAME_RESERVED
};

/* Folds typed into name (NAME_MAX_BYTES) and says whether it may be one; name is only filled in
 * for NAME_GOOD and NAME_RESERVED. */
enum name_verdict name_check(const char *typed, char *name);

/* The rule that a verdict stands for, as a sentence. */
const char *name_rule(enum name_verdict verdict);

/* The skeleton of a good name; out has NAME_MAX_BYTES. */
void name_skeleton(const char *name, char *out);

/* A good, unreserved name that resembles what was typed (`DOMAIN\ada` gives ada, `Hélène` gives
 * helene, `root` gives root-1); attempt 0, 1, 2 ... give others. Never fails. */
void name_suggest(const char *typed, unsigned attempt, char *out);

#endif
