/*
 * opam_lexer: the words of opam files, for mirror/opam.c.
 *
 * It follows opam's own lexer (opam-file-format, opamLexer.mll): strings in one or three quotes
 * with their escapes, identifiers that are joined by `+` and may end in `:variable`, operators,
 * brackets,
 * `#` comments and nested `(* *)` ones. After an error it stays at OPAM_TOKEN_BAD.
 */
#ifndef MIRROR_OPAM_LEXER_H
#define MIRROR_OPAM_LEXER_H

#include "base/arena.h"

#include <stddef.h>

enum opam_token {
    OPAM_TOKEN_END,
    OPAM_TOKEN_STRING, /* text: decoded */
    OPAM_TOKEN_WORD,   /* text */
    OPAM_TOKEN_OP,     /* text */
    OPAM_TOKEN_COLON,
    OPAM_TOKEN_OPEN,  /* bracket */
    OPAM_TOKEN_CLOSE, /* bracket */
    OPAM_TOKEN_BAD,
};

/* Set memory, begin and at (the input), end and line (1); then call opam_lexer_next. */
struct opam_lexer {
    struct arena *memory; /* where texts lie */
    const char *begin, *at, *end;
    int line;
    const char *error; /* the first one, and where */
    int error_line;
    size_t token_from, token_end; /* where the token that is next begins; the last one's end */
    /* the token that is next */
    enum opam_token token;
    char bracket;
    char *text; /* followed by a NUL */
    size_t length;
};

/* Moves to the next token. */
enum opam_token opam_lexer_next(struct opam_lexer *lexer);

/* The tokens are right and what they say is not: OPAM_TOKEN_BAD from here on. */
enum opam_token opam_lexer_bad(struct opam_lexer *lexer, const char *why);

#endif
