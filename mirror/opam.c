/*
 * opam: a lexer that follows opam's own rules, and a recursive reader above it.
 */
#include "mirror/opam.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory: blocks that are filled and, at the next file, filled again ---- */

#define BLOCK_SIZE ((size_t)64 * 1024)

struct opam_block {
    struct opam_block *next;
    size_t size, used;
    char *bytes;
};

static struct opam_block *block_new(size_t size)
{
    struct opam_block *block = mem_alloc(sizeof *block);

    block->size = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    block->bytes = mem_alloc(block->size);
    return block;
}

static void *arena(struct opam_file *file, size_t size)
{
    struct opam_block **link = file->current ? &file->current : &file->blocks;
    void *memory;

    size = (size + 7) & ~(size_t)7;
    while (*link && (*link)->size - (*link)->used < size)
        link = &(*link)->next;
    if (!*link)
        *link = block_new(size);
    file->current = *link;
    memory = (*link)->bytes + (*link)->used;
    (*link)->used += size;
    return memory;
}

static void arena_reset(struct opam_file *file)
{
    for (struct opam_block *block = file->blocks; block; block = block->next)
        block->used = 0;
    file->current = NULL;
}

void opam_done(struct opam_file *file)
{
    struct opam_block *next;

    for (struct opam_block *block = file->blocks; block; block = next) {
        next = block->next;
        free(block->bytes);
        free(block);
    }
    *file = (struct opam_file){0};
}

/* ---- the lexer ---- */

enum token { T_END, T_STRING, T_WORD, T_OP, T_COLON, T_OPEN, T_CLOSE, T_BAD };

struct lexer {
    struct opam_file *file;
    const char *begin, *at, *end;
    size_t token_from, token_end; /* where the token that is next begins; the last one's end */
    int line;
    /* the token that is next */
    enum token token;
    char bracket; /* T_OPEN, T_CLOSE */
    char *text;
    size_t length;
};

static enum token bad(struct lexer *lexer, const char *why)
{
    if (!lexer->file->error) {
        lexer->file->error = why;
        lexer->file->error_line = lexer->line;
    }
    return lexer->token = T_BAD;
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

static char peek(const struct lexer *lexer, size_t ahead)
{
    return (size_t)(lexer->end - lexer->at) > ahead ? lexer->at[ahead] : '\0';
}

static void skip_nested_comment(struct lexer *lexer)
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
        bad(lexer, "a comment has no end");
}

/* Blanks, line ends and comments. */
static void skip_blank(struct lexer *lexer)
{
    while (lexer->at < lexer->end && lexer->token != T_BAD) {
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

static int decimal_escape(struct lexer *lexer, char *out)
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
static bool escaped_line_end(struct lexer *lexer)
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
static int escape(struct lexer *lexer, char *out)
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
static size_t string_bound(const struct lexer *lexer, bool triple)
{
    for (const char *p = lexer->at; p < lexer->end; p++) {
        if (*p == '\\')
            p++;
        else if (*p == '"' && (!triple || (lexer->end - p >= 3 && p[1] == '"' && p[2] == '"')))
            return (size_t)(p - lexer->at);
    }
    return SIZE_MAX;
}

static enum token lex_string(struct lexer *lexer)
{
    bool triple = peek(lexer, 1) == '"' && peek(lexer, 2) == '"';
    const char *end;
    size_t bound;
    char c;

    lexer->at += triple ? 3 : 1;
    if ((bound = string_bound(lexer, triple)) == SIZE_MAX)
        return bad(lexer, "a string has no end");
    end = lexer->at + bound;
    lexer->text = arena(lexer->file, bound + 1);
    lexer->length = 0;
    while (lexer->at < end) {
        int found = 1;

        c = *lexer->at++;
        lexer->line += c == '\n';
        if (c == '\\' && (found = escape(lexer, &c)) < 0)
            return bad(lexer, "a backslash begins no escape");
        if (found == 1)
            lexer->text[lexer->length++] = c;
    }
    lexer->text[lexer->length] = '\0';
    lexer->at += triple ? 3 : 1;
    return lexer->token = T_STRING;
}

/* Keeps the next length bytes as the token's text. */
static enum token take(struct lexer *lexer, enum token token, size_t length)
{
    lexer->text = arena(lexer->file, length + 1);
    memcpy(lexer->text, lexer->at, length);
    lexer->text[length] = '\0';
    lexer->length = length;
    lexer->at += length;
    return lexer->token = token;
}

/* An identifier may be joined by `+` and end in `:variable`; `src:` is an identifier and a colon.
 */
static enum token lex_word(struct lexer *lexer)
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
    return take(lexer, T_WORD, n);
}

static size_t operator_length(const struct lexer *lexer)
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

/* Moves to the next token. */
static enum token next(struct lexer *lexer)
{
    size_t length;
    char c;

    if (lexer->token == T_BAD)
        return T_BAD;
    lexer->token_end = (size_t)(lexer->at - lexer->begin);
    skip_blank(lexer);
    if (lexer->token == T_BAD)
        return T_BAD;
    lexer->token_from = (size_t)(lexer->at - lexer->begin);
    if (lexer->at >= lexer->end)
        return lexer->token = T_END;
    c = *lexer->at;
    if (c == '"')
        return lex_string(lexer);
    if (is_word(c))
        return lex_word(lexer);
    if ((length = operator_length(lexer)) > 0)
        return take(lexer, T_OP, length);
    lexer->bracket = c;
    lexer->at++;
    if (c == ':')
        return lexer->token = T_COLON;
    if (c == '[' || c == '(' || c == '{')
        return lexer->token = T_OPEN;
    if (c == ']' || c == ')' || c == '}')
        return lexer->token = T_CLOSE;
    return bad(lexer, "a character that means nothing here");
}

/* ---- the tree ---- */

struct tail {
    struct opam_item **end;
};

static struct opam_item *append(struct lexer *lexer, struct tail *tail, enum opam_kind kind)
{
    struct opam_item *item = arena(lexer->file, sizeof *item);

    *item = (struct opam_item){.kind = kind, .text = ""};
    if (kind <= OPAM_OP || kind >= OPAM_FIELD) {
        item->text = lexer->text;
        item->length = lexer->length;
    }
    *tail->end = item;
    tail->end = &item->next;
    return item;
}

static int read_run(struct lexer *lexer, struct opam_item *parent, char closing, int depth);

/* One of [ ] ( ) { } with what is within; the token after it is next. */
static int read_bracket(struct lexer *lexer, struct tail *tail, int depth)
{
    char open = lexer->bracket;
    enum opam_kind kind = open == '[' ? OPAM_LIST : open == '(' ? OPAM_GROUP : OPAM_OPTION;
    char closing = (char)(open == '(' ? ')' : open + 2);
    struct opam_item *item = append(lexer, tail, kind);

    if (depth >= OPAM_MAX_DEPTH) {
        bad(lexer, "brackets are nested too deeply");
        return -1;
    }
    next(lexer);
    return read_run(lexer, item, closing, depth + 1);
}

/* Items up to a closing bracket, which is passed. */
static int read_run(struct lexer *lexer, struct opam_item *parent, char closing, int depth)
{
    struct tail tail = {&parent->first};

    for (;;) {
        switch (lexer->token) {
        case T_STRING:
        case T_WORD:
        case T_OP:
            append(lexer, &tail, (enum opam_kind)(lexer->token - T_STRING));
            next(lexer);
            break;
        case T_OPEN:
            if (read_bracket(lexer, &tail, depth) < 0)
                return -1;
            break;
        case T_CLOSE:
            if (lexer->bracket == closing) {
                next(lexer);
                return 0;
            }
            /* fall through */
        default:
            bad(lexer, "a bracket is not closed");
            return -1;
        }
    }
}

/*
 * The value of a field: operands with operators between them. An operand that follows another one
 * without an operator is the next field's name.
 */
static int read_value(struct lexer *lexer, struct opam_item *field)
{
    struct tail tail = {&field->first};
    bool wants_operand = true;

    for (;;) {
        if (lexer->token == T_OP) {
            append(lexer, &tail, OPAM_OP);
            wants_operand = true;
            next(lexer);
        } else if (lexer->token == T_OPEN && (wants_operand != (lexer->bracket == '{'))) {
            wants_operand = false;
            if (read_bracket(lexer, &tail, 0) < 0)
                return -1;
        } else if (wants_operand && (lexer->token == T_STRING || lexer->token == T_WORD)) {
            append(lexer, &tail, (enum opam_kind)(lexer->token - T_STRING));
            wants_operand = false;
            next(lexer);
        } else {
            break;
        }
    }
    if (field->first)
        return 0;
    bad(lexer, "a field has no value");
    return -1;
}

static int read_items(struct lexer *lexer, struct opam_item **first, bool nested, int depth);

static int read_section(struct lexer *lexer, struct opam_item *section, int depth)
{
    section->kind = OPAM_SECTION;
    if (lexer->token == T_STRING) {
        section->name = lexer->text;
        next(lexer);
    }
    if (lexer->token != T_OPEN || lexer->bracket != '{' || depth >= OPAM_MAX_DEPTH) {
        bad(lexer, "a name is followed neither by a colon nor by a section");
        return -1;
    }
    next(lexer);
    return read_items(lexer, &section->first, true, depth + 1);
}

/* Fields and sections up to the end or, nested, a closing brace, which is passed. */
static int read_items(struct lexer *lexer, struct opam_item **first, bool nested, int depth)
{
    struct tail tail = {first};
    struct opam_item *item;

    while (lexer->token == T_WORD) {
        item = append(lexer, &tail, OPAM_FIELD);
        item->from = lexer->token_from;
        if (next(lexer) == T_COLON) {
            next(lexer);
            if (read_value(lexer, item) < 0)
                return -1;
        } else if (read_section(lexer, item, depth) < 0) {
            return -1;
        }
        item->to = lexer->token_end;
    }
    if (nested && lexer->token == T_CLOSE && lexer->bracket == '}') {
        next(lexer);
        return 0;
    }
    if (!nested && lexer->token == T_END)
        return 0;
    bad(lexer, "a field or a section is expected here");
    return -1;
}

int opam_parse(struct opam_file *file, const char *bytes, size_t length)
{
    struct lexer lexer = {
        .file = file, .begin = bytes, .at = bytes, .end = bytes + length, .line = 1};

    arena_reset(file);
    file->first = NULL;
    file->error = NULL;
    file->error_line = 0;
    next(&lexer);
    if (read_items(&lexer, &file->first, false, 0) == 0)
        return 0;
    file->first = NULL;
    return -1;
}

const struct opam_item *opam_field(const struct opam_item *items, const char *name)
{
    const struct opam_item *found = NULL;

    for (; items; items = items->next)
        if (items->kind == OPAM_FIELD && strcmp(items->text, name) == 0)
            found = items;
    return found;
}

const char *opam_field_string(const struct opam_item *items, const char *name)
{
    const struct opam_item *field = opam_field(items, name);

    if (!field || !field->first || field->first->kind != OPAM_STRING || field->first->next)
        return NULL;
    return field->first->text;
}
