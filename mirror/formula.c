/*
 * formula: three truths, since nobody knows on which machine it will be.
 */
#include "mirror/formula.h"
#include "mirror/package.h"

#include <string.h>

enum truth { NO, PERHAPS, YES };

/* Where the evaluation stands in a run of items. */
struct at {
    const struct opam_item *item;
    const char *version, *own;
    int depth;
};

static enum truth either(struct at *at);

static bool is_op(const struct opam_item *item, const char *op)
{
    return item && item->kind == OPAM_OP && strcmp(item->text, op) == 0;
}

static bool is_relation(const struct opam_item *item)
{
    static const char *const relations[] = {"=", "!=", "<", "<=", ">", ">=", "~"};

    for (size_t i = 0; i < sizeof relations / sizeof *relations; i++)
        if (is_op(item, relations[i]))
            return true;
    return false;
}

static enum truth compare(const struct at *at, const char *op, const struct opam_item *operand)
{
    const char *with = operand->text;
    int order;

    if (operand->kind == OPAM_WORD) {
        if (strcmp(operand->text, "version") != 0)
            return PERHAPS;
        with = at->own;
    }
    order = package_version_compare(at->version, with);
    if (strcmp(op, "=") == 0)
        return order == 0 ? YES : NO;
    if (strcmp(op, "!=") == 0)
        return order != 0 ? YES : NO;
    if (op[0] == '<')
        return order < 0 || (op[1] && order == 0) ? YES : NO;
    if (op[0] == '>')
        return order > 0 || (op[1] && order == 0) ? YES : NO;
    return PERHAPS;
}

/* A filter: a word, perhaps compared with something. */
static enum truth filter(struct at *at)
{
    static const char *const wanted_by_few[] = {"with-test", "with-doc", "with-dev-setup", "dev",
                                                "with-tools"};
    const char *word = at->item->text;

    at->item = at->item->next;
    if (at->item && is_relation(at->item) && at->item->next) {
        at->item = at->item->next->next;
        return PERHAPS;
    }
    for (size_t i = 0; i < sizeof wanted_by_few / sizeof *wanted_by_few; i++)
        if (strcmp(word, wanted_by_few[i]) == 0)
            return NO;
    return strcmp(word, "false") == 0 ? NO : PERHAPS;
}

static enum truth within(struct at *at, const struct opam_item *group)
{
    struct at inner = *at;

    inner.item = group->first;
    inner.depth++;
    return inner.depth > OPAM_MAX_DEPTH ? PERHAPS : either(&inner);
}

static enum truth one(struct at *at)
{
    const struct opam_item *item = at->item;
    enum truth truth = PERHAPS;

    if (!item)
        return PERHAPS;
    if (is_op(item, "!")) {
        at->item = item->next;
        if (++at->depth > OPAM_MAX_DEPTH)
            return PERHAPS;
        truth = one(at);
        return truth == PERHAPS ? PERHAPS : truth == YES ? NO : YES;
    }
    if (is_relation(item) && item->next) {
        at->item = item->next->next;
        return compare(at, item->text, item->next);
    }
    if (item->kind == OPAM_WORD)
        return filter(at);
    at->item = item->next;
    if (item->kind == OPAM_GROUP)
        return within(at, item);
    /* A string that is compared with something: "..." = os */
    if (item->kind == OPAM_STRING && at->item && is_relation(at->item) && at->item->next)
        at->item = at->item->next->next;
    return truth;
}

static enum truth both(struct at *at)
{
    enum truth truth = one(at), other;

    while (is_op(at->item, "&")) {
        at->item = at->item->next;
        other = one(at);
        truth = other < truth ? other : truth;
    }
    return truth;
}

static enum truth either(struct at *at)
{
    enum truth truth = both(at), other;

    while (is_op(at->item, "|")) {
        at->item = at->item->next;
        other = both(at);
        truth = other > truth ? other : truth;
    }
    return truth;
}

bool formula_allows(const struct opam_item *options, const char *version, const char *own)
{
    struct at at = {.version = version, .own = own};

    if (!options)
        return true;
    at.item = options->first;
    return either(&at) != NO;
}

void formula_walk(const struct opam_item *items, formula_handler *handler, void *context)
{
    for (; items; items = items->next) {
        if (items->kind == OPAM_STRING) {
            bool has_options = items->next && items->next->kind == OPAM_OPTION;

            handler(context, items->text, has_options ? items->next : NULL);
        } else if (items->kind == OPAM_LIST || items->kind == OPAM_GROUP) {
            formula_walk(items->first, handler, context);
        }
    }
}
