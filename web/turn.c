#include "web/turn.h"

#include "web/share.h"

#include <pthread.h>
#include <time.h>

#define TURNS  32 /* one address alone gets 16 */
#define WAIT_S 15

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t back = PTHREAD_COND_INITIALIZER;
static struct share *turns;

bool turn_take(const char *address)
{
    struct timespec until;
    struct in_addr from = share_address(address);
    bool late = false, took;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&lock);
    turns = turns == NULL ? share_new(TURNS, 1) : turns;
    while (!(took = share_take(turns, from, false)) && !late)
        late = pthread_cond_clockwait(&back, &lock, CLOCK_MONOTONIC, &until) != 0;
    pthread_mutex_unlock(&lock);
    return took;
}

void turn_give(const char *address)
{
    pthread_mutex_lock(&lock);
    share_give(turns, share_address(address));
    pthread_cond_broadcast(&back);
    pthread_mutex_unlock(&lock);
}
