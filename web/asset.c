#include "web/asset.h"

#include "base/embed.h"
#include "base/fs.h"
#include "identity/digest.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

EMBED(page_style, "web/page/style.css");
EMBED(page_script, "web/page/riad.js");
EMBED(page_style_packed, "web/page/style.css.gz"); /* made by the Makefile, in the build folder */
EMBED(page_script_packed, "web/page/riad.js.gz");
EMBED(page_frame, "web/page/frame.html");
EMBED(page_home, "web/page/home.html");
EMBED(page_talk, "web/page/talk.html");
EMBED(page_files, "web/page/files.html");
EMBED(page_people, "web/page/people.html");
EMBED(page_person, "web/page/person.html");
EMBED(page_you, "web/page/you.html");
EMBED(page_join, "web/page/join.html");
EMBED(page_poster, "web/page/poster.html");
EMBED(page_note, "web/page/note.html");
EMBED(page_portal, "web/page/portal.html");

#define HASH_DIGITS 10
#define SOURCE_MAX  (64 * 1024)

struct asset {
    const char *name, *type; /* type NULL: a template, never served by itself */
    const char *start, *end;
    const char *packed, *packed_end; /* the same by gzip; NULL none */
    struct buf bytes;
    char address[64];
};

/* clang-format off */
static struct asset assets[] = {
    {.name = "style.css", .type = "text/css; charset=utf-8", .start = page_style, .end = page_style_end, .packed = page_style_packed, .packed_end = page_style_packed_end},
    {.name = "riad.js", .type = "text/javascript; charset=utf-8", .start = page_script, .end = page_script_end, .packed = page_script_packed, .packed_end = page_script_packed_end},
    {.name = "frame.html", .start = page_frame, .end = page_frame_end},
    {.name = "home.html", .start = page_home, .end = page_home_end},
    {.name = "talk.html", .start = page_talk, .end = page_talk_end},
    {.name = "files.html", .start = page_files, .end = page_files_end},
    {.name = "people.html", .start = page_people, .end = page_people_end},
    {.name = "person.html", .start = page_person, .end = page_person_end},
    {.name = "you.html", .start = page_you, .end = page_you_end},
    {.name = "join.html", .start = page_join, .end = page_join_end},
    {.name = "poster.html", .start = page_poster, .end = page_poster_end},
    {.name = "note.html", .start = page_note, .end = page_note_end},
    {.name = "portal.html", .start = page_portal, .end = page_portal_end},
};
/* clang-format on */
#define ASSETS (sizeof assets / sizeof assets[0])

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

/* Where the line behind a comment that begins a line at `at` starts; NULL: no comment. */
static const char *comment_end(const char *at, const char *end)
{
    static const struct {
        const char *open, *close;
    } kinds[] = {
        {"//",   "\n"   },
        {"/*",   "*/\n" },
        {"<!--", "-->\n"}
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t open = strlen(kinds[i].open), close = strlen(kinds[i].close);
        if ((size_t)(end - at) < open || memcmp(at, kinds[i].open, open) != 0)
            continue;
        const char *found = memmem(at, (size_t)(end - at), kinds[i].close, close);
        return found == NULL ? end : found + close;
    }
    return NULL;
}

int asset_squeeze(struct buf *out, const char *bytes, size_t length)
{
    const char *at = bytes, *end = bytes + length;
    while (at < end) {
        at = skip_blanks(at, end);
        const char *behind = comment_end(at, end);
        if (behind != NULL) {
            at = behind;
            continue;
        }
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline == NULL ? end : newline + 1;
        if (*at != '\n' && buf_put(out, at, (size_t)(next - at)) == -1)
            return -1;
        at = next;
    }
    return 0;
}

static void address_of(struct asset *asset)
{
    uint8_t digest[DIGEST_SHA256_SIZE];
    char hex[2 * DIGEST_SHA256_SIZE + 1];
    digest_of(DIGEST_SHA256, asset->bytes.data, asset->bytes.len, digest);
    fs_hex(digest, sizeof digest, hex);
    const char *dot = strrchr(asset->name, '.');
    snprintf(asset->address, sizeof asset->address, "/page/%.*s-%.*s%s", (int)(dot - asset->name),
             asset->name, HASH_DIGITS, hex, dot);
}

void asset_open(void)
{
    for (size_t i = 0; i < ASSETS; i++) {
        struct asset *asset = &assets[i];
        buf_init(&asset->bytes, SOURCE_MAX);
        int result =
            asset_squeeze(&asset->bytes, asset->start, (size_t)(asset->end - asset->start));
        assert(result == 0);
        address_of(asset);
    }
}

void asset_close(void)
{
    for (size_t i = 0; i < ASSETS; i++)
        buf_done(&assets[i].bytes);
}

static const struct asset *asset_named(const char *name)
{
    for (size_t i = 0; i < ASSETS; i++)
        if (strcmp(assets[i].name, name) == 0)
            return &assets[i];
    assert(!"there is such an asset");
    return NULL;
}

const char *asset_address(const char *name)
{
    return asset_named(name)->address;
}

const char *asset_template(const char *name)
{
    return buf_text(&asset_named(name)->bytes);
}

/* Whether path is the asset's address with whatever hash: NAME-...EXT. */
static bool is_version_of(const struct asset *asset, const char *path)
{
    const char *dot = strrchr(asset->name, '.');
    size_t stem = (size_t)(dot - asset->name), length = strlen(path);
    return length > stem + strlen(dot) && strncmp(path, asset->name, stem) == 0 &&
           path[stem] == '-' && strcmp(path + length - strlen(dot), dot) == 0;
}

int asset_find(const char *path, struct asset_found *found)
{
    for (size_t i = 0; i < ASSETS; i++) {
        const struct asset *asset = &assets[i];
        if (asset->type == NULL || !is_version_of(asset, path))
            continue;
        *found = (struct asset_found){.type = asset->type,
                                      .bytes = asset->bytes.data,
                                      .length = asset->bytes.len,
                                      .packed = asset->packed,
                                      .packed_length = (size_t)(asset->packed_end - asset->packed),
                                      .current = strcmp(path, asset->address + 6) == 0};
        return 1;
    }
    return 0;
}
