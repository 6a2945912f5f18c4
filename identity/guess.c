#include "identity/credential.h"
#include "identity/person_private.h"

#include "base/when.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>

/*
 * A few wrong guesses of one address are typing errors; each one beyond doubles a pause. Addresses
 * are remembered in a table of fixed size whose oldest entry makes room, so a flood from many
 * addresses cannot grow it; all of them together are held to a rate, far above what a room full of
 * people mistypes.
 */
#define ADDRESSES    512
#define FREE_GUESSES 5
#define FIRST_MS     1000
#define LAST_MS      60000
#define FORGIVEN_MS  (10 * 60000) /* after so long without a wrong one */
#define ALL_BURST    200
#define ALL_EVERY_MS 50 /* one more in all per that */
#define TEXT         48

struct guesser {
    char address[TEXT];
    int wrong;
    int64_t last_ms, until_ms;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct guesser guessers[ADDRESSES];
static int64_t all_due_ms; /* when the bucket of all would be full again */

/* An IPv6 host has a whole /64 to itself: it counts as one. */
static void network_of(const char *address, char out[TEXT])
{
    struct in6_addr v6;
    field_copy(out, TEXT, address ? address : "");
    if (inet_pton(AF_INET6, out, &v6) != 1)
        return;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
        inet_ntop(AF_INET, &v6.s6_addr[12], out, TEXT);
        return;
    }
    memset(&v6.s6_addr[8], 0, 8);
    inet_ntop(AF_INET6, &v6, out, TEXT);
}

/* The entry of that address; with make, the oldest one makes room. NULL if there is none. */
static struct guesser *find(const char *address, bool make)
{
    char network[TEXT];
    struct guesser *oldest = guessers;
    network_of(address, network);
    for (size_t i = 0; i < ADDRESSES; i++) {
        if (guessers[i].wrong && strcmp(guessers[i].address, network) == 0)
            return &guessers[i];
        if (guessers[i].last_ms < oldest->last_ms)
            oldest = &guessers[i];
    }
    if (!make)
        return NULL;
    *oldest = (struct guesser){0};
    field_copy(oldest->address, sizeof oldest->address, network);
    return oldest;
}

int64_t guess_wait_ms(const char *address)
{
    int64_t now = when_monotonic_ms();
    pthread_mutex_lock(&lock);
    const struct guesser *guesser = find(address, false);
    int64_t wait = guesser ? guesser->until_ms - now : 0;
    int64_t all = all_due_ms - now - (int64_t)ALL_BURST * ALL_EVERY_MS;
    pthread_mutex_unlock(&lock);
    if (all > wait)
        wait = all;
    return wait > 0 ? wait : 0;
}

void guess_wrong(const char *address)
{
    int64_t now = when_monotonic_ms();
    pthread_mutex_lock(&lock);
    struct guesser *guesser = find(address, true);
    if (now - guesser->last_ms > FORGIVEN_MS)
        guesser->wrong = 0;
    guesser->wrong++;
    guesser->last_ms = now;
    int64_t pause = 0;
    if (guesser->wrong >= FREE_GUESSES) {
        int doublings = guesser->wrong - FREE_GUESSES;
        pause = doublings < 6 ? (int64_t)FIRST_MS << doublings : LAST_MS;
    }
    guesser->until_ms = now + pause;
    all_due_ms = (all_due_ms > now ? all_due_ms : now) + ALL_EVERY_MS;
    pthread_mutex_unlock(&lock);
}

void guess_forget(void)
{
    pthread_mutex_lock(&lock);
    memset(guessers, 0, sizeof guessers);
    all_due_ms = 0;
    pthread_mutex_unlock(&lock);
}
