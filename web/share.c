#include "web/share.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>

struct holder {
    struct in_addr address;
    int count;
};

struct share {
    pthread_mutex_t lock;
    struct holder *holders; /* each has one at least */
    int holder_count, room;
    int count, weight, taken;
};

struct share *share_new(int count, int weight)
{
    struct share *share = mem_alloc(sizeof *share);
    pthread_mutex_init(&share->lock, NULL);
    share->count = count;
    share->weight = weight;
    return share;
}

void share_free(struct share *share)
{
    if (share == NULL)
        return;
    pthread_mutex_destroy(&share->lock);
    free(share->holders);
    free(share);
}

struct in_addr share_address(const char *text)
{
    struct in_addr address = {0};
    inet_pton(AF_INET, text, &address);
    return address;
}

static struct holder *find(struct share *share, struct in_addr address)
{
    for (int i = 0; i < share->holder_count; i++)
        if (share->holders[i].address.s_addr == address.s_addr)
            return &share->holders[i];
    return NULL;
}

static struct holder *add(struct share *share, struct in_addr address)
{
    if (share->holder_count == share->room) {
        share->room = share->room == 0 ? 64 : 2 * share->room;
        share->holders = mem_resize(share->holders, (size_t)share->room, sizeof *share->holders);
    }
    struct holder *holder = &share->holders[share->holder_count++];
    *holder = (struct holder){.address = address};
    return holder;
}

bool share_take(struct share *share, struct in_addr address, bool always)
{
    pthread_mutex_lock(&share->lock);
    struct holder *holder = find(share, address);
    bool may =
        holder == NULL || always || holder->count < share->weight * (share->count - share->taken);
    if (may) {
        holder = holder == NULL ? add(share, address) : holder;
        holder->count++;
        share->taken++;
    }
    pthread_mutex_unlock(&share->lock);
    return may;
}

void share_give(struct share *share, struct in_addr address)
{
    pthread_mutex_lock(&share->lock);
    struct holder *holder = find(share, address);
    if (holder != NULL) {
        share->taken--;
        if (--holder->count == 0)
            *holder = share->holders[--share->holder_count];
    }
    pthread_mutex_unlock(&share->lock);
}
