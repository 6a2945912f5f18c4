/*
 * listing: files as lines of a page. page_listing (web/page.h) is the page of a folder.
 */
#ifndef WEB_LISTING_H
#define WEB_LISTING_H

#include "web/route.h"

/* Appends `<li>` for what the query finds, at most LISTING_PAGE; the path to go on behind, if there
 * is more, is put in next (DROP_PATH_MAX bytes; "" no more). whole: with the path of each rather
 * than its name, otherwise with its details. How many, or -1. */
#define LISTING_PAGE  200
#define LISTING_BYTES (256 * 1024) /* from these on no further line: escaped paths are long */
int listing_put(struct call *call, const struct drop_query *query, bool whole, struct buf *out,
                char *next);

/* What a folder's query asks for: `q` words, `person`, `day` look at any depth; `after` goes on. */
struct listing_wish {
    struct drop_query query; /* borrows from the others */
    char words[256], person[NAME_MAX_BYTES], day[16], after[DROP_PATH_MAX];
    bool searched;       /* by any of the first three */
    const char *trouble; /* what is wrong with it, NULL nothing */
};
void listing_wish(struct call *call, const char *folder, struct listing_wish *wish);

/* Appends `<li>` for the files that are arriving below folder ("": anywhere), at most
 * LISTING_COMING of them, as long as there is room as above. 0 or -1. */
#define LISTING_COMING 200
int listing_coming(struct call *call, const char *folder, struct buf *out);

/* POST /delete: `path`; for the buttons of pages without scripts. */
void listing_delete(struct call *call);

#endif
