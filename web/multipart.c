#include "web/multipart.h"

#include "base/buf.h"
#include "base/mem.h"
#include "web/url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum state {
    BODY,    /* of a part, or what stands before the first */
    MARK,    /* behind a boundary: `--` or the end of its line */
    HEAD,    /* of a part */
    TRAILER, /* behind the last boundary */
    FAILED,
};

struct multipart {
    const struct multipart_calls *calls;
    void *context;
    enum state state;
    char delimiter[MULTIPART_BOUNDARY_MAX + 4]; /* CR LF - - boundary */
    size_t length;                              /* of the delimiter */
    size_t matched;                             /* of it, at the end of what was fed */
    bool in_file;                               /* the body is a file's */
    size_t parts;
    struct buf line; /* MARK: what follows the boundary; HEAD: the head so far */
};

/* ---- parameters of headers ---- */

/* A quoted string or a token at text into out; where it ends, NULL if it does not fit. */
static const char *take_value(const char *text, char *out, size_t size)
{
    size_t used = 0;
    bool quoted = *text == '"';
    text += quoted;
    while (*text != '\0' && *text != '\r' && *text != '\n' &&
           (quoted ? *text != '"' : strchr("; \t", *text) == NULL)) {
        if (quoted && text[0] == '\\' && (text[1] == '"' || text[1] == '\\'))
            text++;
        if (used + 1 >= size)
            return NULL;
        out[used++] = *text++;
    }
    out[used] = '\0';
    return text + (quoted && *text == '"');
}

/* The parameter of that name in `value; a=b; c="d"`. 1, 0 not there, -1 too long. */
static int parameter(const char *text, const char *name, char *out, size_t size)
{
    size_t length = strlen(name);
    char waste[MULTIPART_HEAD_MAX] = "";
    text += strcspn(text, ";\r\n");
    while (*text == ';') {
        text += 1 + strspn(text + 1, " \t");
        size_t key = strcspn(text, "=; \t\r\n");
        bool wanted = key == length && strncasecmp(text, name, length) == 0;
        text += key + strspn(text + key, " \t");
        if (*text == '=') {
            text += 1 + strspn(text + 1, " \t");
            text = take_value(text, wanted ? out : waste, wanted ? size : sizeof waste);
            if (wanted || text == NULL)
                return text == NULL ? -1 : 1;
        }
        text += strcspn(text, ";\r\n");
    }
    return 0;
}

int multipart_boundary(const char *content_type, char *out)
{
    static const char type[] = "multipart/form-data";
    if (content_type == NULL || strncasecmp(content_type, type, sizeof type - 1) != 0 ||
        parameter(content_type, "boundary", out, MULTIPART_BOUNDARY_MAX) != 1)
        return -1;
    size_t length = strlen(out);
    for (size_t i = 0; i < length; i++)
        if (out[i] < 0x20 || out[i] > 0x7e)
            return -1;
    return length > 0 && out[length - 1] != ' ' ? 0 : -1;
}

/* Browsers write these three, and only these, with a percent sign. */
static void undo_escapes(char *name)
{
    static const struct {
        const char *written;
        char meant;
    } escapes[] = {
        {"%22", '"' },
        {"%0D", '\r'},
        {"%0A", '\n'}
    };
    char *to = name;
    for (const char *from = name; *from != '\0'; to++) {
        size_t i = 0;
        while (i < 3 && strncasecmp(from, escapes[i].written, 3) != 0)
            i++;
        *to = i < 3 ? escapes[i].meant : *from;
        from += i < 3 ? 3 : 1;
    }
    *to = '\0';
}

static const char *disposition(const char *head)
{
    static const char name[] = "Content-Disposition:";
    while (head != NULL && *head != '\0') {
        if (strncasecmp(head, name, sizeof name - 1) == 0)
            return head + sizeof name - 1;
        head = strchr(head, '\n');
        head += head != NULL;
    }
    return NULL;
}

int multipart_file_name(const char *head, char *out, size_t size)
{
    char extended[3 * MULTIPART_NAME_MAX + 16];
    const char *value = disposition(head);
    if (value == NULL)
        return 0;
    if (parameter(value, "filename*", extended, sizeof extended) == 1 &&
        strncasecmp(extended, "UTF-8'", 6) == 0 && strchr(extended + 6, '\'') != NULL) {
        const char *text = strchr(extended + 6, '\'') + 1;
        if (url_decode(text, strlen(text), false, out, size) >= 0)
            return 1;
    }
    int found = parameter(value, "filename", out, size);
    if (found != 1)
        return found;
    undo_escapes(out);
    const char *last = strrchr(out, '\\');
    if (last != NULL)
        memmove(out, last + 1, strlen(last + 1) + 1);
    return 1;
}

/* ---- the parse ---- */

struct multipart *multipart_new(const char *boundary, const struct multipart_calls *calls,
                                void *context)
{
    struct multipart *m = mem_alloc(sizeof *m);
    m->calls = calls;
    m->context = context;
    m->length = strlen(boundary) + 4;
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary, m->length - 4);
    m->matched = 2; /* the first boundary needs no line end before it */
    buf_init(&m->line, MULTIPART_HEAD_MAX);
    return m;
}

void multipart_free(struct multipart *m)
{
    if (m == NULL)
        return;
    buf_done(&m->line);
    free(m);
}

bool multipart_complete(const struct multipart *m)
{
    return m->state == TRAILER;
}

static int emit(struct multipart *m, const void *bytes, size_t length)
{
    return m->in_file && length > 0 ? m->calls->bytes(m->context, bytes, length) : 0;
}

/* A file ends only when its boundary turned out to be one. */
static int end_part(struct multipart *m, enum state next)
{
    bool file = m->in_file;
    m->in_file = false;
    m->state = next;
    buf_clear(&m->line);
    return file ? m->calls->end(m->context) : 0;
}

/* Takes bytes of a body up to the delimiter; how many it took, -1 stopped. The delimiter has its
 * only CR in front, so a match that fails can begin anew only at the byte that broke it. */
static ssize_t take_body(struct multipart *m, const char *bytes, size_t length)
{
    if (m->matched == 0) {
        const char *cr = memchr(bytes, '\r', length);
        size_t plain = cr == NULL ? length : (size_t)(cr - bytes);
        m->matched = cr != NULL;
        return emit(m, bytes, plain) < 0 ? -1 : (ssize_t)(plain + m->matched);
    }
    if (*bytes == m->delimiter[m->matched]) {
        if (++m->matched < m->length)
            return 1;
        m->matched = 0;
        m->state = MARK;
        buf_clear(&m->line);
        return 1;
    }
    size_t held = m->matched;
    m->matched = 0;
    return emit(m, m->delimiter, held) < 0 ? -1 : 0;
}

/* Behind a boundary: `--` ends it all, blanks and a line end begin a part. */
static ssize_t take_mark(struct multipart *m, char byte)
{
    if (buf_putc(&m->line, (uint8_t)byte) < 0)
        return -1;
    const char *line = buf_text(&m->line);
    size_t blanks = strspn(line, " \t");
    if (strcmp(line, "--") == 0) {
        return end_part(m, TRAILER) < 0 ? -1 : 1;
    } else if (strcmp(line + blanks, "\r\n") == 0) {
        return ++m->parts > MULTIPART_PARTS_MAX || end_part(m, HEAD) < 0 ? -1 : 1;
    } else if (strcmp(line, "-") != 0 && line[blanks] != '\0' && strcmp(line + blanks, "\r") != 0) {
        return -1;
    }
    return 1;
}

static int begin_part(struct multipart *m)
{
    char name[MULTIPART_NAME_MAX];
    int found = multipart_file_name(buf_text(&m->line), name, sizeof name);
    m->state = BODY;
    m->matched = 0;
    m->in_file = false;
    if (found < 0)
        return -1;
    if (found == 0 || *name == '\0')
        return 0;
    m->in_file = true;
    return m->calls->begin(m->context, name);
}

static ssize_t take_head(struct multipart *m, char byte)
{
    if (byte == '\0' || buf_putc(&m->line, (uint8_t)byte) < 0)
        return -1;
    const uint8_t *data = m->line.data;
    size_t length = m->line.len;
    bool empty = length == 2 && memcmp(data, "\r\n", 2) == 0;
    bool ended = length >= 4 && memcmp(data + length - 4, "\r\n\r\n", 4) == 0;
    if ((empty || ended) && begin_part(m) < 0)
        return -1;
    return 1;
}

static ssize_t step(struct multipart *m, const char *bytes, size_t length)
{
    switch (m->state) {
    case BODY:
        return take_body(m, bytes, length);
    case MARK:
        return take_mark(m, *bytes);
    case HEAD:
        return take_head(m, *bytes);
    case TRAILER:
        return (ssize_t)length;
    case FAILED:
        break;
    }
    return -1;
}

int multipart_feed(struct multipart *m, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t took = step(m, at, length);
        if (took < 0) {
            m->state = FAILED;
            return -1;
        }
        at += took;
        length -= (size_t)took;
    }
    return 0;
}
