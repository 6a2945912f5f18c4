/*
 * web: what all threads of riad-web share.
 */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include "mirror/handler.h"
#include "web/route.h"

struct web {
    struct service *service;
    struct mirror *_Atomic mirror; /* NULL: off, or it could not be opened yet */
    struct http *http;
    int64_t started_ms;
};

/* The configuration of this moment. One that was replaced by SIGHUP stays valid to the end. */
const struct config *web_config(void);

/*
 * The address of the box as this client should use it: `http://HOST` with the Host that it asked by
 * (which was checked), without a slash at the end. out has WEB_BASE_MAX bytes.
 */
#define WEB_BASE_MAX 300
void web_base(const struct http_request *request, char *out);

/* The address of a path of the drop below that base, percent-encoded: appended to out. */
void web_file_address(const struct http_request *request, const char *path, struct buf *out);

/* What was asked for, path and query, encoded as it may stand in an address: appended to out. */
void web_encoded_target(const struct http_request *request, struct buf *out);

/* Opens what all threads share: the pool of connections to the store, the mirror. bells are the
 * doorbells that commits ring. web and config are lent until web_close. 0, or -1, logged. */
int web_open(struct web *web, const struct config *config, const int *bells, size_t count);
void web_close(struct web *web);
/* Once a second: closes one connection to the store of those that nobody needs now. */
void web_tick(void);
/* Opens the mirror if it should be and is not. */
void web_open_mirror(struct web *web);
/* From now on this configuration; lent until web_close. */
void web_set_config(const struct config *config);
/* The http_handler: context is the struct web. */
void web_handle(void *context, struct http_request *request);

#endif
