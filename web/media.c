#include "web/media.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PLAIN "text/plain; charset=utf-8"

struct row {
    const char *extensions; /* blanks between and around */
    struct media media;
};

static const struct row rows[] = {
    {" txt text log md markdown rst org tex bib diff patch c h cc cpp hpp rs go py rb pl sh bash "
     "zsh "
     "fish ml mli mll mly mlt opam dune hs scala java kt swift js mjs ts jsx tsx css sql lua el "
     "vim "
     "ini conf cfg toml yml yaml mk cmake nix asm s v sv vhd proto graphql csv tsv vcf ics srt vtt "
     "asc pub ",              {PLAIN, true, false, false}                                             },
    {" json jsonl geojson ipynb ", {"application/json", true, false, false}                                },
    {" html htm xhtml ",           {"text/html; charset=utf-8", false, true, false}                        },
    {" xml xsl rss atom ",         {"application/xml", false, true, false}                                 },
    {" png ",                      {"image/png", true, false, false}                                       },
    {" jpg jpeg jpe ",             {"image/jpeg", true, false, false}                                      },
    {" gif ",                      {"image/gif", true, false, false}                                       },
    {" webp ",                     {"image/webp", true, false, false}                                      },
    {" avif ",                     {"image/avif", true, false, false}                                      },
    {" heic heif ",                {"image/heic", true, false, false}                                      },
    {" bmp ",                      {"image/bmp", true, false, false}                                       },
    {" ico ",                      {"image/x-icon", true, false, false}                                    },
    {" svg ",                      {"image/svg+xml", true, true, false}                                    },
    {" pdf ",                      {"application/pdf", true, false, true}                                  },
    {" mp3 ",                      {"audio/mpeg", true, false, false}                                      },
    {" ogg oga opus ",             {"audio/ogg", true, false, false}                                       },
    {" flac ",                     {"audio/flac", true, false, false}                                      },
    {" wav ",                      {"audio/wav", true, false, false}                                       },
    {" m4a aac ",                  {"audio/mp4", true, false, false}                                       },
    {" mp4 m4v ",                  {"video/mp4", true, false, false}                                       },
    {" webm ",                     {"video/webm", true, false, false}                                      },
    {" mkv ",                      {"video/x-matroska", true, false, false}                                },
    {" mov ",                      {"video/quicktime", true, false, false}                                 },
    {" avi ",                      {"video/x-msvideo", true, false, false}                                 },
    {" zip ",                      {"application/zip", false, false, false}                                },
    {" gz tgz ",                   {"application/gzip", false, false, false}                               },
    {" tar ",                      {"application/x-tar", false, false, false}                              },
    {" bz2 tbz ",                  {"application/x-bzip2", false, false, false}                            },
    {" xz txz ",                   {"application/x-xz", false, false, false}                               },
    {" zst ",                      {"application/zstd", false, false, false}                               },
    {" 7z ",                       {"application/x-7z-compressed", false, false, false}                    },
    {" wasm ",                     {"application/wasm", false, true, false}                                },
    {" epub ",                     {"application/epub+zip", false, false, false}                           },
    {" odt ",                      {"application/vnd.oasis.opendocument.text", false, false, false}        },
    {" odp ",                      {"application/vnd.oasis.opendocument.presentation", false, false, false}},
    {" ods ",                      {"application/vnd.oasis.opendocument.spreadsheet", false, false, false} },
    {" docx ",
     {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", false, false,
      false}                                                                                               },
    {" pptx ",
     {"application/vnd.openxmlformats-officedocument.presentationml.presentation", false, false,
      false}                                                                                               },
    {" xlsx ",
     {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", false, false, false}            },
};

static bool has_word(const char *words, const char *word, size_t length)
{
    while (*words != '\0') {
        words += strspn(words, " ");
        size_t next = strcspn(words, " ");
        if (next > 0 && next == length && strncasecmp(words, word, length) == 0)
            return true;
        words += next;
    }
    return false;
}

struct media media_of(const char *path)
{
    static const struct media unknown = {"application/octet-stream", false, false, false};
    static const struct media plain = {PLAIN, true, false, false};
    const char *name = strrchr(path, '/');
    name = name == NULL ? path : name + 1;
    const char *dot = strrchr(name, '.');
    if (dot == NULL || dot == name)
        return has_word("README LICENSE LICENCE COPYING Makefile Dockerfile TODO NEWS CHANGES dune",
                        name, strlen(name))
                   ? plain
                   : unknown;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (has_word(rows[i].extensions, dot + 1, strlen(dot + 1)))
            return rows[i].media;
    return unknown;
}

/* The weight of one range (`text/html;q=0.8`) in thousandths. */
static int weight(const char *item, size_t length)
{
    const char *end = item + length;
    for (const char *at = item; at < end; at++) {
        if (*at != ';')
            continue;
        at += 1 + strspn(at + 1, " \t");
        if (at + 1 < end && (*at == 'q' || *at == 'Q') && at[1] == '=') {
            double q = strtod(at + 2, NULL);
            return q >= 0 && q <= 1 ? (int)(q * 1000) : 0;
        }
        at--;
    }
    return 1000;
}

static int form_of(const char *item, size_t length)
{
    static const struct {
        const char *type;
        enum media_form form;
    } known[] = {
        {"text/html",             MEDIA_HTML},
        {"application/xhtml+xml", MEDIA_HTML},
        {"application/json",      MEDIA_JSON},
        {"text/plain",            MEDIA_TEXT}
    };
    size_t name = strcspn(item, " \t;,");
    name = name < length ? name : length;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].type) == name && strncasecmp(item, known[i].type, name) == 0)
            return (int)known[i].form;
    return -1;
}

enum media_form media_wanted(const char *accept)
{
    enum media_form best = MEDIA_TEXT;
    int most = 0;
    while (accept != NULL && *accept != '\0') {
        accept += strspn(accept, " \t,");
        size_t length = strcspn(accept, ",");
        int form = form_of(accept, length), q = weight(accept, length);
        if (form >= 0 && q > most) {
            best = (enum media_form)form;
            most = q;
        }
        accept += length;
    }
    return best;
}
