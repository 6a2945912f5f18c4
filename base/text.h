/*
 * text: the gatekeeper of everything that people will see.
 *
 * Names, messages, topics, file names, reasons, host names of devices: whatever comes from outside
 * and is shown on a terminal or a page passes text_clean or is refused by text_is_safe. Refused or
 * removed are: bytes that are not UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing beyond
 * U+10FFFF), control characters (C0, DEL, C1), bidirectional embeddings, overrides and isolates
 * (U+202A..E, U+2066..9, U+200E/F, U+061C), invisible characters (zero width space, word joiner,
 * soft hyphen, interlinear annotations, language tags, fillers), noncharacters, and private use.
 * Kept are U+200C and U+200D between visible characters, since Persian and emoji need them, and
 * variation selectors.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_REPLACEMENT 0xFFFDu

/*
 * Decodes the first character of length bytes (length > 0) into *code and returns how many bytes
 * it took, 1 to 4. Bytes that are not UTF-8 give TEXT_REPLACEMENT and 1.
 */
size_t text_decode(const uint8_t *bytes, size_t length, uint32_t *code);

/* Appends code as UTF-8. 0 or -1 as buf_put. */
int text_encode(struct buf *out, uint32_t code);

/* Whether length bytes are UTF-8 throughout. */
bool text_is_utf8(const void *bytes, size_t length);

/* What text_clean makes of line ends and tabs. */
enum text_lines {
    TEXT_ONE_LINE,   /* newlines and tabs become a blank each */
    TEXT_MANY_LINES, /* LF stays (CR LF and CR become LF); a tab becomes a blank */
};

/*
 * Appends what is fit to be shown of length bytes: unsafe characters are left out, bytes that are
 * not UTF-8 become U+FFFD, at most TEXT_MAX_MARKS combining marks follow one base character.
 * 0, or -1 if out is full: it then holds what fitted, cut between characters.
 */
#define TEXT_MAX_MARKS 6
int text_clean(struct buf *out, const void *bytes, size_t length, enum text_lines lines);

/* Whether text_clean(TEXT_ONE_LINE) would leave the bytes as they are. */
bool text_is_safe(const void *bytes, size_t length);

/* Whether code is one of the characters that text_clean leaves out. */
bool text_is_unsafe_character(uint32_t code);

/* How many characters (not bytes, not columns) text has. */
size_t text_length(const char *text);

/* Whether text contains a character of a right-to-left script, so that it wants isolation. */
bool text_has_rtl(const char *text);

/* ASCII lower case in place. */
void text_lower(char *text);

/* Cuts blanks and line ends from both ends in place; returns text. */
char *text_trim(char *text);

#endif
