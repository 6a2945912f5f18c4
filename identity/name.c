#include "identity/name.h"

#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NAME_LETTERS (NAME_MAX_BYTES - 1)

/* Names that would speak for the box, for a role, or for a word of the commands. */
static const char *const reserved[] = {
    "admin",    "administrator", "all",       "anonymous", "anyone",    "archive",
    "box",      "bot",           "everybody", "everyone",  "guest",     "guests",
    "here",     "host",          "hosts",     "me",        "moderator", "nobody",
    "operator", "organiser",     "organizer", "riad",      "root",      "server",
    "somebody", "someone",       "staff",     "support",   "sysop",     "system",
    "you",
};

static bool is_reserved(const char *name)
{
    char skeleton[NAME_MAX_BYTES] = "", other[NAME_MAX_BYTES] = "";
    name_skeleton(name, skeleton);
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        name_skeleton(reserved[i], other);
        if (strcmp(skeleton, other) == 0)
            return true;
    }
    return false;
}

static char fold(char typed)
{
    return typed >= 'A' && typed <= 'Z' ? (char)(typed - 'A' + 'a') : typed;
}

static bool is_start(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
}

static bool is_mark(char letter)
{
    return letter == '.' || letter == '_' || letter == '-';
}

enum name_verdict name_check(const char *typed, char *name)
{
    size_t length = strlen(typed);
    if (length == 0)
        return NAME_EMPTY;
    for (size_t i = 0; i < length; i++) {
        if (!is_start(fold(typed[i])) && !is_mark(typed[i]))
            return NAME_BAD_CHARACTER;
    }
    if (length > NAME_LETTERS)
        return NAME_TOO_LONG;
    if (!is_start(fold(typed[0])))
        return NAME_BAD_START;
    memset(name, 0, NAME_MAX_BYTES);
    for (size_t i = 0; i < length; i++)
        name[i] = fold(typed[i]);
    return is_reserved(name) ? NAME_RESERVED : NAME_GOOD;
}

const char *name_rule(enum name_verdict verdict)
{
    static const char *const rules[] = {
        [NAME_GOOD] = "That name is fine.",
        [NAME_EMPTY] = "A name has at least one character.",
        [NAME_TOO_LONG] = "A name has at most 32 characters.",
        [NAME_BAD_START] = "A name starts with a letter or a digit.",
        [NAME_BAD_CHARACTER] =
            "A name consists of the letters a to z, digits, dots, underscores and hyphens.",
        [NAME_RESERVED] = "That name is reserved.",
    };
    return rules[verdict];
}

void name_skeleton(const char *name, char *out)
{
    size_t length = 0;
    for (const char *at = name; *at && length < NAME_LETTERS; at++) {
        char letter = *at;
        if (is_mark(letter))
            continue;
        if ((letter == 'r' && at[1] == 'n') || (letter == 'v' && at[1] == 'v')) {
            letter = letter == 'r' ? 'm' : 'w';
            at++;
        } else if (letter == '0') {
            letter = 'o';
        } else if (letter == '1' || letter == 'i') {
            letter = 'l';
        }
        out[length++] = letter;
    }
    out[length] = '\0';
}

/* What a letter of Latin-1 and Latin Extended-A is without its marks; 0 for what has no such. */
static char unmarked(uint32_t code)
{
    static const char latin1[] = "aaaaaaaceeeeiiiidnooooo?ouuuuytsaaaaaaaceeeeiiiidnooooo?ouuuuyty";
    static const char extended[] =
        "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkkllllllll"
        "llnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
    if (code >= 0xC0 && code <= 0xFF)
        return latin1[code - 0xC0] == '?' ? 0 : latin1[code - 0xC0];
    if (code >= 0x100 && code < 0x100 + sizeof extended - 1)
        return extended[code - 0x100];
    return 0;
}

/* The letters of typed that a name may have, after a domain's or mail address's decoration. */
static size_t plain_letters(const char *typed, char *out, size_t max)
{
    const char *domain = strrchr(typed, '\\');
    if (domain && domain[1])
        typed = domain + 1;
    const uint8_t *bytes = (const uint8_t *)typed;
    size_t left = strnlen(typed, 512), length = 0;
    while (left > 0 && length < max && *bytes != '@') {
        uint32_t code;
        size_t taken = text_decode(bytes, left, &code);
        char letter = code < 0x80 ? fold((char)code) : unmarked(code);
        if (letter == ' ')
            letter = '-';
        if (letter && (is_start(letter) || (is_mark(letter) && length > 0)))
            out[length++] = letter;
        bytes += taken;
        left -= taken;
    }
    while (length > 0 && is_mark(out[length - 1]))
        length--;
    return length;
}

void name_suggest(const char *typed, unsigned attempt, char *out)
{
    char stem[NAME_LETTERS - 10]; /* room for a number */
    size_t length = plain_letters(typed, stem, sizeof stem - 1);
    stem[length] = '\0';
    if (length == 0)
        strcpy(stem, "visitor");
    char name[NAME_MAX_BYTES] = "";
    if (attempt == 0 && length > 0 && name_check(stem, name) == NAME_GOOD) {
        strcpy(out, name);
        return;
    }
    do /* `al` and 1 would read `all`, which is reserved */
        snprintf(out, NAME_MAX_BYTES, "%s-%u", stem, ++attempt);
    while (name_check(out, name) != NAME_GOOD);
}
