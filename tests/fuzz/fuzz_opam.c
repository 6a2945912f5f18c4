/* An opam file of a stranger: the grammar, what it says about archives, its formulas. */
#include "mirror/formula.h"
#include "mirror/package.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_archive(void *context, const struct package_archive *archive)
{
    char text[CHECKSUM_TEXT];

    (void)context;
    for (size_t i = 0; i < archive->sum_count; i++)
        checksum_path(&archive->sums[i], text);
    if (!package_url_is_archive(archive->url))
        abort();
}

static void on_package(void *context, const char *package, const struct opam_item *options)
{
    (void)context;
    formula_allows(options, package, "1.0");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct opam_file file;
    const struct opam_item *depends;

    if (opam_parse(&file, (const char *)data, size) < 0)
        return 0;
    package_archives(&file, on_archive, NULL);
    package_url_file(&file, on_archive, NULL);
    if ((depends = opam_field(file.first, "depends")))
        formula_walk(depends->first, on_package, NULL);
    for (const struct opam_item *item = file.first; item; item = item->next)
        if (item->kind == OPAM_FIELD && (item->from > item->to || item->to > size))
            abort();
    return 0;
}
