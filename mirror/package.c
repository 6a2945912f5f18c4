/*
 * package: fields of an opam file as riad needs them.
 */
#include "mirror/package.h"

#include <string.h>
#include <strings.h>

/* A string, or a list of strings (whose options do not matter here): each to put. */
static void each_string(const struct opam_item *field,
                        void (*put)(struct package_archive *archive, const char *text),
                        struct package_archive *archive)
{
    const struct opam_item *item = field ? field->first : NULL;

    if (item && item->kind == OPAM_LIST)
        item = item->first;
    for (; item; item = item->next)
        if (item->kind == OPAM_STRING)
            put(archive, item->text);
}

static void put_sum(struct package_archive *archive, const char *text)
{
    if (archive->sum_count < PACKAGE_MAX_CHECKSUMS &&
        checksum_parse(text, &archive->sums[archive->sum_count]) == 0)
        archive->sum_count++;
}

static void put_mirror(struct package_archive *archive, const char *text)
{
    if (archive->mirror_count < PACKAGE_MAX_MIRRORS && package_url_is_archive(text))
        archive->mirrors[archive->mirror_count++] = text;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);

    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* One line of printable ASCII with a host: nothing that could be taken for two. */
static bool is_one_url(const char *url)
{
    const char *host = strstr(url, "://");

    if (!host || host[3] == '\0' || host[3] == '/' || strlen(url) > 2000)
        return false;
    for (; *url; url++)
        if (*url <= ' ' || *url >= 0x7f)
            return false;
    return true;
}

bool package_url_is_archive(const char *url)
{
    static const char *const schemes[] = {"https://", "http://", "ftp://"};

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncasecmp(url, schemes[i], strlen(schemes[i])) == 0)
            return is_one_url(url) && !ends_with(url, ".git") && !ends_with(url, ".hg");
    return false;
}

/* The archive that the fields of one section name. */
static void section_archive(const struct opam_item *fields, const char *extra,
                            package_archive_handler *handler, void *context)
{
    static const char *const names[] = {"src", "archive", "http"};
    struct package_archive archive = {.extra = extra};

    for (size_t i = 0; i < sizeof names / sizeof *names && !archive.url; i++)
        archive.url = opam_field_string(fields, names[i]);
    if (!archive.url || !package_url_is_archive(archive.url))
        return;
    each_string(opam_field(fields, "checksum"), put_sum, &archive);
    each_string(opam_field(fields, "mirrors"), put_mirror, &archive);
    handler(context, &archive);
}

void package_archives(const struct opam_file *file, package_archive_handler *handler, void *context)
{
    for (const struct opam_item *item = file->first; item; item = item->next) {
        if (item->kind != OPAM_SECTION)
            continue;
        if (strcmp(item->text, "url") == 0)
            section_archive(item->first, NULL, handler, context);
        else if (strcmp(item->text, "extra-source") == 0 && item->name)
            section_archive(item->first, item->name, handler, context);
    }
}

void package_url_file(const struct opam_file *file, package_archive_handler *handler, void *context)
{
    section_archive(file->first, NULL, handler, context);
}

/* `~` before the end, the end before letters, letters before all else. */
static int version_rank(char c)
{
    if (c == '~')
        return -1;
    if (c == '\0' || (c >= '0' && c <= '9'))
        return 0;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return (unsigned char)c;
    return (unsigned char)c + 256;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Two runs of digits by their value, passing both. */
static int compare_numbers(const char **one, const char **other)
{
    size_t a = 0, b = 0;
    int order;

    while (**one == '0')
        (*one)++;
    while (**other == '0')
        (*other)++;
    while (is_digit((*one)[a]))
        a++;
    while (is_digit((*other)[b]))
        b++;
    order = a == b ? memcmp(*one, *other, a) : a < b ? -1 : 1;
    *one += a;
    *other += b;
    return order;
}

int package_version_compare(const char *one, const char *other)
{
    int order;

    while (*one || *other) {
        while ((*one && !is_digit(*one)) || (*other && !is_digit(*other))) {
            if ((order = version_rank(*one) - version_rank(*other)) != 0)
                return order;
            one += *one != '\0';
            other += *other != '\0';
        }
        if ((order = compare_numbers(&one, &other)) != 0)
            return order;
    }
    return 0;
}
