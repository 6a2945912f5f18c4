/*
 * web: what all threads of riad-web share.
 */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include "mirror/handler.h"
#include "web/route.h"

struct web {
    struct service *service;
    struct mirror *mirror; /* NULL: off, or it could not be opened */
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

#endif
