#include "mirror/opam_lexer.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum opam_token opam_lexer_bad(struct opam_lexer *lexer, const char *why)
{
    if (!lexer->error) {
        lexer->error = why;
        lexer->error_line = lexer->line;
    }
    return lexer->token = OPAM_TOKEN_BAD;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(char c)
{
    return is_alpha(c) || is_digit(c) || c == '_' || c == '-';
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static char peek(const struct opam_lexer *lexer, size_t ahead)
{
    return (size_t)(lexer->end - lexer->at) > ahead ? lexer->at[ahead] : '\0';
}

static void skip_nested_comment(struct opam_lexer *lexer)
{
    int depth = 1;

    for (lexer->at += 2; depth > 0 && lexer->at < lexer->end; lexer->at++) {
        if (peek(lexer, 0) == '*' && peek(lexer, 1) == ')') {
            depth--;
            lexer->at++;
        } else if (peek(lexer, 0) == '(' && peek(lexer, 1) == '*') {
            depth++;
            lexer->at++;
        } else if (peek(lexer, 0) == '\n') {
            lexer->line++;
        }
    }
    if (depth > 0)
        opam_lexer_bad(lexer, "a comment has no end");
}

/* Blanks, line ends and comments. */
static void skip_blank(struct opam_lexer *lexer)
{
    while (lexer->at < lexer->end && lexer->token != OPAM_TOKEN_BAD) {
        char c = *lexer->at;

        if (c == '#') {
            const char *line_end = memchr(lexer->at, '\n', (size_t)(lexer->end - lexer->at));

            lexer->at = line_end ? line_end : lexer->end;
        } else if (c == '(' && peek(lexer, 1) == '*') {
            skip_nested_comment(lexer);
        } else if (c == ' ' || c == '\t' || c == '\n' || (c == '\r' && peek(lexer, 1) == '\n')) {
            lexer->line += c == '\n';
            lexer->at++;
        } else {
            return;
        }
    }
}

static int decimal_escape(struct opam_lexer *lexer, char *out)
{
    int code;

    if (!is_digit(peek(lexer, 0)) || !is_digit(peek(lexer, 1)) || !is_digit(peek(lexer, 2)))
        return -1;
    code = (peek(lexer, 0) - '0') * 100 + (peek(lexer, 1) - '0') * 10 + (peek(lexer, 2) - '0');
    if (code > 255)
        return -1;
    *out = (char)code;
    lexer->at += 3;
    return 1;
}

/* An escaped line end, with the blanks that begin the next line, stands for nothing. */
static bool escaped_line_end(struct opam_lexer *lexer)
{
    size_t skip = peek(lexer, 0) == '\r' ? 1 : 0;

    if (peek(lexer, skip) != '\n')
        return false;
    lexer->at += skip + 1;
    lexer->line++;
    while (peek(lexer, 0) == ' ' || peek(lexer, 0) == '\t')
        lexer->at++;
    return true;
}

/* What stands behind a backslash: 1 a byte in *out, 0 nothing, -1 no escape. */
static int escape(struct opam_lexer *lexer, char *out)
{
    static const char plain[] = "\\\"' nrbt", meaning[] = "\\\"' \n\r\b\t";
    char c = peek(lexer, 0);
    const char *found = c ? strchr(plain, c) : NULL;

    if (found) {
        *out = meaning[found - plain];
        lexer->at++;
        return 1;
    }
    if (c == 'x' && hex_value(peek(lexer, 1)) >= 0 && hex_value(peek(lexer, 2)) >= 0) {
        *out = (char)(hex_value(peek(lexer, 1)) * 16 + hex_value(peek(lexer, 2)));
        lexer->at += 3;
        return 1;
    }
    return escaped_line_end(lexer) ? 0 : decimal_escape(lexer, out);
}

/* How many bytes the string takes at most: up to the quotes that end it. */
static size_t string_bound(const struct opam_lexer *lexer, bool triple)
{
    for (const char *p = lexer->at; p < lexer->end; p++) {
        if (*p == '\\')
            p++;
        else if (*p == '"' && (!triple || (lexer->end - p >= 3 && p[1] == '"' && p[2] == '"')))
            return (size_t)(p - lexer->at);
    }
    return SIZE_MAX;
}

static enum opam_token lex_string(struct opam_lexer *lexer)
{
    bool triple = peek(lexer, 1) == '"' && peek(lexer, 2) == '"';
    const char *end;
    size_t bound;
    char c;

    lexer->at += triple ? 3 : 1;
    if ((bound = string_bound(lexer, triple)) == SIZE_MAX)
        return opam_lexer_bad(lexer, "a string has no end");
    end = lexer->at + bound;
    lexer->text = arena_alloc(lexer->memory, bound + 1);
    lexer->length = 0;
    while (lexer->at < end) {
        int found = 1;

        c = *lexer->at++;
        lexer->line += c == '\n';
        if (c == '\\' && (found = escape(lexer, &c)) < 0)
            return opam_lexer_bad(lexer, "a backslash begins no escape");
        if (found == 1)
            lexer->text[lexer->length++] = c;
    }
    lexer->text[lexer->length] = '\0';
    lexer->at += triple ? 3 : 1;
    return lexer->token = OPAM_TOKEN_STRING;
}

/* Keeps the next length bytes as the token's text. */
static enum opam_token take(struct opam_lexer *lexer, enum opam_token token, size_t length)
{
    lexer->text = arena_alloc(lexer->memory, length + 1);
    memcpy(lexer->text, lexer->at, length);
    lexer->text[length] = '\0';
    lexer->length = length;
    lexer->at += length;
    return lexer->token = token;
}

/* An identifier may be joined by `+` and end in `:variable`; `src:` is an identifier and a colon.
 */
static enum opam_token lex_word(struct opam_lexer *lexer)
{
    size_t n = 0;

    while (is_word(peek(lexer, n)))
        n++;
    while (peek(lexer, n) == '+' && is_word(peek(lexer, n + 1)))
        for (n++; is_word(peek(lexer, n));)
            n++;
    if (peek(lexer, n) == ':' && is_word(peek(lexer, n + 1)))
        for (n++; is_word(peek(lexer, n));)
            n++;
    return take(lexer, OPAM_TOKEN_WORD, n);
}

static size_t operator_length(const struct opam_lexer *lexer)
{
    static const char *const operators[] = {
        "=+=", "!=", "<=", ">=", "+=", "=+", ":=", "=:", "=", "<", ">", "~", "&", "|", "!", "?"};
    size_t left = (size_t)(lexer->end - lexer->at);

    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        size_t length = strlen(operators[i]);

        if (length <= left && memcmp(lexer->at, operators[i], length) == 0)
            return length;
    }
    return 0;
}

enum opam_token opam_lexer_next(struct opam_lexer *lexer)
{
    size_t length;
    char c;

    if (lexer->token == OPAM_TOKEN_BAD)
        return OPAM_TOKEN_BAD;
    lexer->token_end = (size_t)(lexer->at - lexer->begin);
    skip_blank(lexer);
    if (lexer->token == OPAM_TOKEN_BAD)
        return OPAM_TOKEN_BAD;
    lexer->token_from = (size_t)(lexer->at - lexer->begin);
    if (lexer->at >= lexer->end)
        return lexer->token = OPAM_TOKEN_END;
    c = *lexer->at;
    if (c == '"')
        return lex_string(lexer);
    if (is_word(c))
        return lex_word(lexer);
    if ((length = operator_length(lexer)) > 0)
        return take(lexer, OPAM_TOKEN_OP, length);
    lexer->bracket = c;
    lexer->at++;
    if (c == ':')
        return lexer->token = OPAM_TOKEN_COLON;
    if (c == '[' || c == '(' || c == '{')
        return lexer->token = OPAM_TOKEN_OPEN;
    if (c == ']' || c == ')' || c == '}')
        return lexer->token = OPAM_TOKEN_CLOSE;
    return opam_lexer_bad(lexer, "a character that means nothing here");
}
