/*
 * arrive: a repository's index across the link, into the file `arriving`.
 */
#include "base/fs.h"
#include "base/log.h"
#include "mirror/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int on_head(void *context, const struct response *response)
{
    struct repository *repository = context;
    int64_t offset = response->status == 206 ? response->range_from : 0;

    flights_link_up(repository->all->flights);
    if (response->encoded || response_whole(response) > INDEX_MAX_PACKED ||
        (offset != 0 && offset != repository->received))
        return -1;
    if (offset == 0 && ftruncate(repository->fd, 0) < 0)
        return -1;
    repository->received = offset;
    repository->length = response_whole(response);
    if (response->status == 200)
        repository->response = *response;
    return 0;
}

static int on_data(void *context, const void *bytes, size_t length)
{
    struct repository *repository = context;

    if (repository->received + (int64_t)length > INDEX_MAX_PACKED)
        return -1;
    flights_carried(repository->all->flights, (int)(repository - repository->all->list), length);
    while (length > 0) {
        ssize_t wrote = pwrite(repository->fd, bytes, length, repository->received);

        if (wrote <= 0) {
            log_errno("%s/arriving cannot be written", repository->folder);
            return -1;
        }
        bytes = (const char *)bytes + wrote;
        length -= (size_t)wrote;
        repository->received += wrote;
    }
    return 0;
}

static void close_arriving(struct repository *repository)
{
    fs_close(repository->fd);
    repository->fd = -1;
}

/* The transfer ended without the whole: go on where it broke off, if it brought anything. */
static void arrive_again(struct repository *repository, enum fetch_end end, const char *why)
{
    if (end != FETCH_CUT && end != FETCH_STALLED)
        repository->received = 0;
    close_arriving(repository);
    repository_failed(repository, why);
}

static void on_end(void *context, enum fetch_end end, const struct response *response,
                   const char *why)
{
    struct repository *repository = context;
    char text[64];

    repository->transfer = NULL;
    if (end == FETCH_UNREACHABLE)
        flights_link_failed(repository->all->flights, why);
    if (end == FETCH_COMPLETE && response->status == 304) {
        flights_link_up(repository->all->flights);
        close_arriving(repository);
        repository_tell(repository, RENEW_FACT_ASKED, "unchanged");
        repository_rest(repository);
    } else if (end == FETCH_COMPLETE && (response->status == 200 || response->status == 206) &&
               (repository->length < 0 || repository->received == repository->length)) {
        if (fsync(repository->fd) < 0)
            log_errno("%s/arriving cannot be synced", repository->folder);
        close_arriving(repository);
        repository->received = 0;
        repository_read(repository, false);
    } else {
        snprintf(text, sizeof text, "upstream answers %d", response->status);
        arrive_again(repository, end, response->status >= 300 ? text : why);
    }
}

/* The validators of the index that is here, if it came from the same address. Lines into out. */
static void read_validators(const struct repository *repository, char out[2][RESPONSE_ETAG_MAX])
{
    char *path = repository_path(repository, "validators"), *url, *etag, *modified;
    struct buf text;

    buf_init(&text, 4096);
    out[0][0] = out[1][0] = '\0';
    if (repository_has(repository, "index.tar.gz") && repository_has(repository, "catalogue") &&
        fs_read_file(path, &text) == 0 && (url = (char *)text.data) && (etag = strchr(url, '\n')) &&
        (modified = strchr(etag + 1, '\n'))) {
        *etag++ = '\0';
        *modified++ = '\0';
        modified[strcspn(modified, "\n")] = '\0';
        if (strcmp(url, repository->url) == 0) {
            snprintf(out[0], RESPONSE_ETAG_MAX, "%s", etag);
            snprintf(out[1], RESPONSE_ETAG_MAX, "%s", modified);
        }
    }
    buf_done(&text);
    free(path);
}

void repository_ask(struct repository *repository)
{
    static const struct fetch_calls calls = {on_head, on_data, on_end};
    struct fetch_request request = {.url = repository->url, .unchecked = true};
    char validators[2][RESPONSE_ETAG_MAX];
    char *path = repository_path(repository, "arriving");

    repository->step = ARRIVING;
    repository->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    free(path);
    if (repository->fd < 0) {
        repository_failed(repository, strerror(errno));
        return;
    }
    read_validators(repository, validators);
    if (repository->received > 0 && response_etag_is_strong(&repository->response)) {
        request.offset = repository->received;
        request.if_range = repository->response.etag;
    } else {
        request.etag = validators[0];
        request.modified = validators[1];
    }
    repository->transfer = fetch_start(repository->all->with.fetch, &request, &calls, repository);
    if (!repository->transfer) {
        close_arriving(repository);
        repository_failed(repository, "that is no address");
    }
}
