/*
 * path: the one gatekeeper of names in the drop.
 *
 * A path is one or more names with `/` between. A name is UTF-8 in NFC that text_is_safe accepts, 1
 * to 255 bytes, no `/`, no `\`, not `.` or `..`, no leading `.` (hidden), no blank at either end,
 * none of the names that Windows reserves (`CON`, `NUL`, ...). drop_path_check is pure, with
 * utf8proc for NFC.
 */
#ifndef DROP_PATH_H
#define DROP_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define DROP_PATH_MAX  1024 /* bytes of a whole path, with its NUL */
#define DROP_NAME_MAX  255  /* bytes of one name, as ext4 and most others have it */
#define DROP_DEPTH_MAX 16

enum drop_path_verdict {
    DROP_PATH_GOOD,
    DROP_PATH_EMPTY,
    DROP_PATH_TOO_LONG,
    DROP_PATH_TOO_DEEP,
    DROP_PATH_NOT_UTF8,
    DROP_PATH_UNSAFE, /* control, bidirectional, invisible characters */
    DROP_PATH_DOTS,   /* `.`, `..` or a hidden name */
    DROP_PATH_RESERVED,
};

/* Puts asked (leading and doubled slashes folded, one trailing slash dropped) into out,
 * DROP_PATH_MAX bytes, in NFC. "" is DROP_PATH_EMPTY: the drop itself, where that makes sense. */
enum drop_path_verdict drop_path_check(const char *asked, size_t length, char *out);

/* The rule that a verdict stands for, as a sentence. */
const char *drop_path_rule(enum drop_path_verdict verdict);

/* The last name of a path. */
const char *drop_path_name(const char *path);

/* `slides.tar.gz` and 2 give `slides (2).tar.gz`, within the limits of a name. out has
 * DROP_PATH_MAX bytes. */
void drop_path_numbered(const char *path, unsigned number, char *out);

/* The folder that a path lies in, "" at the top; out has DROP_PATH_MAX bytes. */
void drop_path_folder(const char *path, char *out);

/* A path (or words) without case and marks, so that `helene` finds `Hélène`; yours to free. */
char *drop_path_fold(const char *path);

/* Whether path is shelf or within it. */
bool drop_path_on_shelf(const char *path);
/* The same for everything that is called so in another case: some clients make no difference. */
bool drop_path_like_shelf(const char *path);

#endif
