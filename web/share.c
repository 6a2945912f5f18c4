#include "web/share.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

struct holder {
    struct in_addr address;
    int count;
};

static struct {
    pthread_mutex_t lock;
    struct holder *holders; /* each has one at least */
    int holder_count, room;
    int connections, taken;
} share = {.lock = PTHREAD_MUTEX_INITIALIZER};

void share_open(int connections)
{
    pthread_mutex_lock(&share.lock);
    free(share.holders);
    share.holders = NULL;
    share.holder_count = share.room = share.taken = 0;
    share.connections = connections;
    pthread_mutex_unlock(&share.lock);
}

static struct holder *find(struct in_addr address)
{
    for (int i = 0; i < share.holder_count; i++)
        if (share.holders[i].address.s_addr == address.s_addr)
            return &share.holders[i];
    return NULL;
}

static struct holder *add(struct in_addr address)
{
    if (share.holder_count == share.room) {
        share.room = share.room == 0 ? 64 : 2 * share.room;
        share.holders = mem_resize(share.holders, (size_t)share.room, sizeof *share.holders);
    }
    struct holder *holder = &share.holders[share.holder_count++];
    *holder = (struct holder){.address = address};
    return holder;
}

bool share_take(struct in_addr address)
{
    pthread_mutex_lock(&share.lock);
    struct holder *holder = find(address);
    bool may = holder == NULL || address.s_addr == htonl(INADDR_LOOPBACK) ||
               holder->count < share.connections - share.taken;
    if (may) {
        holder = holder == NULL ? add(address) : holder;
        holder->count++;
        share.taken++;
    }
    pthread_mutex_unlock(&share.lock);
    return may;
}

void share_give(struct in_addr address)
{
    pthread_mutex_lock(&share.lock);
    struct holder *holder = find(address);
    if (holder != NULL) {
        share.taken--;
        if (--holder->count == 0)
            *holder = share.holders[--share.holder_count];
    }
    pthread_mutex_unlock(&share.lock);
}
