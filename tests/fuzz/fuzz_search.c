/* What somebody searches for: nothing in it is syntax, whatever it looks like. */
#include "base/mem.h"
#include "identity/conversation.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *context, const struct message *message)
{
    (void)message;
    ++*(int *)context;
}

static struct store *talked(void)
{
    static const char *const said[] = {"the quick brown fox", "a \"quoted\" NEAR(word, 3)*",
                                       "été à Zürich", "col:umn -minus ^caret AND OR NOT"};
    struct store *store = store_open_memory();

    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        struct message_new message = {.room_id = ROOM_LOBBY, .kind = MESSAGE_SAY, .text = said[i]};
        conversation_say(store, &message, 1, NULL);
    }
    return store;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct store *store;
    char *words;
    int found = 0;

    if (size == 0 || size > 4096 || memchr(data, '\0', size) != NULL)
        return 0;
    if (store == NULL)
        store = talked();
    words = mem_dup_bytes(data, size);
    struct message_query query = {.room_id = ROOM_LOBBY, .words = words, .limit = 10};
    assert(conversation_read(store, &query, count, &found) == 0);
    free(words);
    return 0;
}
