#include "mirror/opam.h"

#include "mirror/opam_lexer.h"

#include <stdbool.h>
#include <string.h>

struct tail {
    struct opam_item **end;
};

static struct opam_item *append(struct opam_lexer *lexer, struct tail *tail, enum opam_kind kind)
{
    struct opam_item *item = arena_alloc(lexer->memory, sizeof *item);

    *item = (struct opam_item){.kind = kind, .text = ""};
    if (kind <= OPAM_OP || kind >= OPAM_FIELD) {
        item->text = lexer->text;
        item->length = lexer->length;
    }
    *tail->end = item;
    tail->end = &item->next;
    return item;
}

static int read_run(struct opam_lexer *lexer, struct opam_item *parent, char closing, int depth);

/* One of [ ] ( ) { } with what is within; the token after it is next. */
static int read_bracket(struct opam_lexer *lexer, struct tail *tail, int depth)
{
    char open = lexer->bracket;
    enum opam_kind kind = open == '[' ? OPAM_LIST : open == '(' ? OPAM_GROUP : OPAM_OPTION;
    char closing = (char)(open == '(' ? ')' : open + 2);
    struct opam_item *item = append(lexer, tail, kind);

    if (depth >= OPAM_MAX_DEPTH) {
        opam_lexer_bad(lexer, "brackets are nested too deeply");
        return -1;
    }
    opam_lexer_next(lexer);
    return read_run(lexer, item, closing, depth + 1);
}

/* Items up to a closing bracket, which is passed. */
static int read_run(struct opam_lexer *lexer, struct opam_item *parent, char closing, int depth)
{
    struct tail tail = {&parent->first};

    for (;;) {
        switch (lexer->token) {
        case OPAM_TOKEN_STRING:
        case OPAM_TOKEN_WORD:
        case OPAM_TOKEN_OP:
            append(lexer, &tail, (enum opam_kind)(lexer->token - OPAM_TOKEN_STRING));
            opam_lexer_next(lexer);
            break;
        case OPAM_TOKEN_OPEN:
            if (read_bracket(lexer, &tail, depth) < 0)
                return -1;
            break;
        case OPAM_TOKEN_CLOSE:
            if (lexer->bracket == closing) {
                opam_lexer_next(lexer);
                return 0;
            }
            /* fall through */
        default:
            opam_lexer_bad(lexer, "a bracket is not closed");
            return -1;
        }
    }
}

/*
 * The value of a field: operands with operators between them. An operand that follows another one
 * without an operator is the next field's name.
 */
static int read_value(struct opam_lexer *lexer, struct opam_item *field)
{
    struct tail tail = {&field->first};
    bool wants_operand = true;

    for (;;) {
        if (lexer->token == OPAM_TOKEN_OP) {
            append(lexer, &tail, OPAM_OP);
            wants_operand = true;
            opam_lexer_next(lexer);
        } else if (lexer->token == OPAM_TOKEN_OPEN && (wants_operand != (lexer->bracket == '{'))) {
            wants_operand = false;
            if (read_bracket(lexer, &tail, 0) < 0)
                return -1;
        } else if (wants_operand &&
                   (lexer->token == OPAM_TOKEN_STRING || lexer->token == OPAM_TOKEN_WORD)) {
            append(lexer, &tail, (enum opam_kind)(lexer->token - OPAM_TOKEN_STRING));
            wants_operand = false;
            opam_lexer_next(lexer);
        } else {
            break;
        }
    }
    if (field->first)
        return 0;
    opam_lexer_bad(lexer, "a field has no value");
    return -1;
}

static int read_items(struct opam_lexer *lexer, struct opam_item **first, bool nested, int depth);

static int read_section(struct opam_lexer *lexer, struct opam_item *section, int depth)
{
    section->kind = OPAM_SECTION;
    if (lexer->token == OPAM_TOKEN_STRING) {
        section->name = lexer->text;
        opam_lexer_next(lexer);
    }
    if (lexer->token != OPAM_TOKEN_OPEN || lexer->bracket != '{' || depth >= OPAM_MAX_DEPTH) {
        opam_lexer_bad(lexer, "a name is followed neither by a colon nor by a section");
        return -1;
    }
    opam_lexer_next(lexer);
    return read_items(lexer, &section->first, true, depth + 1);
}

/* Fields and sections up to the end or, nested, a closing brace, which is passed. */
static int read_items(struct opam_lexer *lexer, struct opam_item **first, bool nested, int depth)
{
    struct tail tail = {first};
    struct opam_item *item;

    while (lexer->token == OPAM_TOKEN_WORD) {
        item = append(lexer, &tail, OPAM_FIELD);
        item->from = lexer->token_from;
        if (opam_lexer_next(lexer) == OPAM_TOKEN_COLON) {
            opam_lexer_next(lexer);
            if (read_value(lexer, item) < 0)
                return -1;
        } else if (read_section(lexer, item, depth) < 0) {
            return -1;
        }
        item->to = lexer->token_end;
    }
    if (nested && lexer->token == OPAM_TOKEN_CLOSE && lexer->bracket == '}') {
        opam_lexer_next(lexer);
        return 0;
    }
    if (!nested && lexer->token == OPAM_TOKEN_END)
        return 0;
    opam_lexer_bad(lexer, "a field or a section is expected here");
    return -1;
}

int opam_parse(struct opam_file *file, const char *bytes, size_t length)
{
    struct opam_lexer lexer = {
        .memory = &file->memory, .begin = bytes, .at = bytes, .end = bytes + length, .line = 1};
    int result;

    arena_reset(&file->memory);
    file->first = NULL;
    opam_lexer_next(&lexer);
    result = read_items(&lexer, &file->first, false, 0);
    if (result)
        file->first = NULL;
    file->error = lexer.error;
    file->error_line = lexer.error_line;
    return result;
}

void opam_done(struct opam_file *file)
{
    arena_done(&file->memory);
    *file = (struct opam_file){0};
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
