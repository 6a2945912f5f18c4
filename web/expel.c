#include "web/expel.h"

#include "base/log.h"
#include "identity/event.h"
#include "identity/person.h"

#include <string.h>

#define KICKS_MAX 64 /* at one look; all that send are looked at anyway */

static int64_t seen;

struct look {
    struct store *store;
    bool changed; /* somebody may have lost what let them send */
    int64_t kicked[KICKS_MAX];
    size_t kicked_count;
};

int expel_open(struct store *store)
{
    seen = event_last(store);
    return seen == -1 ? -1 : 0;
}

static void note(void *context, const char *kind, int64_t subject)
{
    struct look *look = context;
    if (strcmp(kind, EVENT_KICK) == 0 && look->kicked_count < KICKS_MAX)
        look->kicked[look->kicked_count++] = subject;
    look->changed |= strcmp(kind, EVENT_KICK) == 0 || strcmp(kind, EVENT_BAN) == 0 ||
                     strcmp(kind, EVENT_REVOKED) == 0 || strcmp(kind, EVENT_PERSON) == 0;
}

static bool is_out(void *context, const struct http_sender *sender)
{
    const struct look *look = context;
    int64_t one;
    for (size_t i = 0; i < look->kicked_count; i++) {
        if (sender->person_id != 0 && sender->person_id == look->kicked[i])
            return true;
    }
    if (sender->credential_id != 0 &&
        store_int(look->store, &one, "SELECT 1 FROM credential WHERE id = ?", "i",
                  sender->credential_id) == 0)
        return true;
    return ban_holds(look->store, sender->person_id, NULL, sender->address, NULL) == 1;
}

void expel_look(struct store *store, struct http *http)
{
    struct look look = {.store = store};
    int all = event_read(store, &seen, note, &look);
    if (all == 0)
        look.changed = true;
    if (!look.changed)
        return;
    int count = http_expel(http, is_out, &look);
    if (count > 0)
        log_info("cut off %d upload%s of whom a host has sent out", count, count == 1 ? "" : "s");
}
