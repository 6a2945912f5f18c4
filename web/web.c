#include "web/web.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/service.h"
#include "web/door.h"
#include "web/turn.h"
#include "web/url.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define IDLE_MAX  8  /* connections kept open while nobody needs them */
#define OPEN_MAX  16 /* beyond these, whoever needs one waits a moment for one to come back */
#define WAIT_MS   20
#define BELLS_MAX 8

/* A connection to the store and the drop over it. One call at a time has it. */
struct desk {
    struct store *store;
    struct drop *drop;
    const struct config *config; /* that the drop was opened with */
    struct desk *next;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t back; /* one came back */
    struct desk *idle;
    size_t idle_count, open_count;
    _Atomic(const struct config *) config;
    char *store_path;
    int bells[BELLS_MAX];
    size_t bell_count;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .back = PTHREAD_COND_INITIALIZER};

const struct config *web_config(void)
{
    return pool.config;
}

void web_set_config(const struct config *config)
{
    pool.config = config;
}

/* ---- desks ---- */

static void desk_free(struct desk *desk)
{
    if (desk == NULL)
        return;
    drop_close(desk->drop);
    store_close(desk->store);
    free(desk);
}

static struct desk *desk_new(const struct config *config)
{
    struct desk *desk = mem_alloc(sizeof *desk);
    desk->config = config;
    desk->store = store_open(pool.store_path);
    if (desk->store != NULL)
        store_bells(desk->store, pool.bells, pool.bell_count);
    desk->drop = desk->store == NULL ? NULL : drop_open(config, desk->store);
    if (desk->drop == NULL) {
        store_close(desk->store);
        free(desk);
        return NULL;
    }
    return desk;
}

/* Opening one costs a hundred times what a look into the store does: with many at once it is
 * quicker to wait for one, unless they are all held by uploads. */
static struct desk *take_idle(void)
{
    struct timespec until;
    pthread_mutex_lock(&pool.lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAIT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (pool.idle == NULL && pool.open_count >= OPEN_MAX &&
           pthread_cond_timedwait(&pool.back, &pool.lock, &until) == 0)
        ;
    struct desk *desk = pool.idle;
    if (desk != NULL) {
        pool.idle = desk->next;
        pool.idle_count--;
    } else {
        pool.open_count++;
    }
    pthread_mutex_unlock(&pool.lock);
    return desk;
}

static void count_closed(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.open_count--;
    pthread_mutex_unlock(&pool.lock);
}

static struct desk *desk_take(const struct config *config)
{
    struct desk *desk = take_idle();
    if (desk != NULL && desk->config == config)
        return desk;
    desk_free(desk);
    desk = desk_new(config);
    if (desk == NULL)
        count_closed();
    return desk;
}

static void desk_give(struct desk *desk)
{
    pthread_mutex_lock(&pool.lock);
    /* None is closed that somebody may want in a moment: web_tick leaves few for quiet times. */
    bool keep = pool.idle_count < IDLE_MAX || pool.open_count <= OPEN_MAX;
    if (keep) {
        desk->next = pool.idle;
        pool.idle = desk;
        pool.idle_count++;
        pthread_cond_signal(&pool.back);
    } else {
        pool.open_count--;
    }
    pthread_mutex_unlock(&pool.lock);
    if (!keep)
        desk_free(desk);
}

void web_tick(void)
{
    struct desk *spare = NULL;
    pthread_mutex_lock(&pool.lock);
    if (pool.idle_count > IDLE_MAX) {
        spare = pool.idle;
        pool.idle = spare->next;
        pool.idle_count--;
        pool.open_count--;
    }
    pthread_mutex_unlock(&pool.lock);
    desk_free(spare);
}

void call_name_owners(struct call *call)
{
    if (call->drop != NULL)
        drop_name_owners(call->drop, visitor_may_listen(&call->visitor, call->config));
}

int call_acquire(struct call *call)
{
    if (call->desk != NULL)
        return 0;
    call->desk = desk_take(call->config);
    if (call->desk == NULL)
        return -1;
    call->store = call->desk->store;
    call->drop = call->desk->drop;
    call_name_owners(call);
    return 0;
}

void call_release(struct call *call)
{
    if (call->desk != NULL)
        desk_give(call->desk);
    if (call->turn)
        turn_give(call->http->address);
    call->turn = false;
    call->desk = NULL;
    call->store = NULL;
    call->drop = NULL;
}

/* ---- the life of it all ---- */

int web_open(struct web *web, const struct config *config, const int *bells, size_t count)
{
    pool.config = config;
    pool.store_path = config_path(config, "store/riad.db");
    pool.bell_count = count < BELLS_MAX ? count : BELLS_MAX;
    memcpy(pool.bells, bells, pool.bell_count * sizeof *bells);
    struct desk *first = desk_take(config);
    if (first == NULL)
        return -1;
    desk_give(first);
    web_open_mirror(web);
    return 0;
}

void web_open_mirror(struct web *web)
{
    const struct config *config = web_config();
    int pass_fd;
    if (service_fds_named(web->service, SERVICE_PASS, &pass_fd, 1) == 0)
        pass_fd = -1;
    if (config->mirror[0].enabled && web->mirror == NULL)
        web->mirror = mirror_open(config, pass_fd);
}

void web_close(struct web *web)
{
    while (pool.idle != NULL) {
        struct desk *desk = pool.idle;
        pool.idle = desk->next;
        desk_free(desk);
    }
    pool.idle_count = 0;
    mirror_close(web->mirror);
    web->mirror = NULL;
    free(pool.store_path);
    pool.store_path = NULL;
}

/* How much of the path a log may show: what follows these opens a door. */
static int harmless_length(const char *path)
{
    static const char *const secret[] = {"/join/", "/uploads/"};

    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        if (strncmp(path, secret[i], strlen(secret[i])) == 0)
            return (int)strlen(secret[i]);
    return (int)strlen(path);
}

void web_handle(void *context, struct http_request *request)
{
    struct call call = {.http = request, .web = context, .config = web_config()};
    route_answer(&call);
    metrics_count(request);
    log_debug("%s %s %.*s %d", request->address, http_method_name(request->method),
              harmless_length(request->path), request->path, reply_status(request));
}

/* ---- addresses ---- */

void web_base(const struct http_request *request, char *out)
{
    if (*request->host != '\0')
        snprintf(out, WEB_BASE_MAX, "http://%s", request->host);
    else
        snprintf(out, WEB_BASE_MAX, "http://localhost:%d", request->port);
}

void web_file_address(const struct http_request *request, const char *path, struct buf *out)
{
    char base[WEB_BASE_MAX];
    web_base(request, base);
    buf_printf(out, "%s/files/", base);
    url_encode(out, path, true);
}

void web_encoded_target(const struct http_request *request, struct buf *out)
{
    url_encode(out, request->path, true);
    if (*request->query != '\0')
        buf_printf(out, "?%s", request->query);
}
