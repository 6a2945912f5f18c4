/*
 * media: what kind of bytes a name promises, and what kind somebody asks for. Pure.
 */
#ifndef WEB_MEDIA_H
#define WEB_MEDIA_H

#include <stdbool.h>

struct media {
    const char *type; /* Content-Type */
    bool shown;       /* may be shown in place: images, text, PDF, sound, film */
    bool is_page;     /* HTML or what else a browser would run */
    bool is_pdf;      /* whose viewers refuse to work in a sandbox */
};

/* By the extension of the last name in path, any case; application/octet-stream otherwise. */
struct media media_of(const char *path);

enum media_form { MEDIA_TEXT, MEDIA_JSON, MEDIA_HTML };

/* Of the three, the one that an Accept header likes best: it must be named for JSON and HTML, a
 * wildcard is text. accept may be NULL. */
enum media_form media_wanted(const char *accept);

#endif
