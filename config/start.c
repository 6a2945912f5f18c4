#include "config/start.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Far above what the largest configuration comes to. */
#define SEALED_MAX (4 * 1024 * 1024)

/* The file of -c, for a reload when nobody keeps us. */
static const char *file;

static void hear_complaint(void *context, const char *sentence)
{
    (void)context;
    log_error("%s", sentence);
}

int config_seal(const struct config *config)
{
    int fd = memfd_create("riad.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct buf text;
    int result = -1;

    if (fd < 0)
        return -1;
    buf_init(&text, SEALED_MAX);
    config_put(&text, config);
    if (fs_write_all(fd, text.data, text.len) == 0 && lseek(fd, 0, SEEK_SET) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
        result = fd;
    else
        fs_close(fd);
    buf_done(&text);
    return result;
}

/* The descriptor is shared with others: reads by position. */
static int read_sealed(int fd, struct buf *out)
{
    char block[16384];
    ssize_t got;

    while ((got = pread(fd, block, sizeof(block), (off_t)out->len)) > 0)
        if (buf_put(out, block, (size_t)got) < 0)
            return -1;
    return got < 0 ? -1 : 0;
}

static int load(const struct service *service, struct config *config)
{
    struct buf text;
    int result = -1;

    if (service->config_fd == -1)
        return config_load(config, file, hear_complaint, NULL);
    buf_init(&text, SEALED_MAX);
    if (read_sealed(service->config_fd, &text) == 0)
        result = config_parse_whole(config, "the keeper's configuration", text.data, text.len,
                                    hear_complaint, NULL);
    else
        log_errno("cannot read the keeper's configuration");
    buf_done(&text);
    return result;
}

static void apply(const struct config *config)
{
    log_set_level(config->box.log);
    when_set_zone(config->box.zone);
}

static const struct config_list *listens_of(const struct config *config, enum service_id id)
{
    static const struct config_list none;

    if (id == SERVICE_CHAT)
        return &config->chat.listen;
    return id == SERVICE_WEB ? &config->web.listen : &none;
}

static void note_listen(struct config *config, enum service_id id,
                        const union listen_address *address)
{
    struct config_list *list =
        id == SERVICE_CHAT ? &config->facts.chat_listens : &config->facts.web_listens;
    char text[LISTEN_TEXT_MAX];

    listen_text(address, text);
    list->item[list->count++] = mem_dup(text);
}

/* Opens what the keeper would have opened. One taken address is a warning, all are a failure. */
static int open_listens(struct service *service, struct config *config)
{
    const struct config_list *list = listens_of(config, service->id);
    size_t opened = 0;

    for (size_t i = 0; i < list->count; i++) {
        union listen_address address;
        int fd = listen_parse(list->item[i], &address) < 0 ? -1 : listen_open(&address);

        if (fd < 0) {
            log_warn("cannot listen on %s: %s", list->item[i], strerror(errno));
            continue;
        }
        service_add_fd(service, "listen", fd);
        if (listen_bound(fd, &address) == 0)
            note_listen(config, service->id, &address);
        opened++;
    }
    if (list->count > 0 && opened == 0) {
        log_error("none of the addresses in [%s] listen can be had", service_name(service->id));
        return -1;
    }
    return 0;
}

static void usage(FILE *out, enum service_id id)
{
    fprintf(out,
            "usage: riad-%s [-c FILE]\n"
            "\n"
            "One service of the box, in the foreground. `riad run` keeps all of them; riad(8).\n",
            service_name(id));
}

/* Reads the arguments. True: go on; otherwise *status says how to end. */
static bool read_arguments(enum service_id id, int argc, char **argv, int *status)
{
    *status = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout, id);
            return false;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("riad-%s %s\n", service_name(id), RIAD_VERSION);
            return false;
        }
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
            file = argv[++i];
            continue;
        }
        fprintf(stderr, "riad-%s: unknown argument \"%s\"\n", service_name(id), argv[i]);
        usage(stderr, id);
        *status = 2;
        return false;
    }
    return true;
}

int config_start(struct service *service, struct config *config, enum service_id id, int argc,
                 char **argv, int *status)
{
    if (!read_arguments(id, argc, argv, status))
        return -1;
    *status = 1;
    if (service_begin(service, id) < 0)
        return -1;
    if (load(service, config) < 0) {
        *status = 2;
        service_end(service);
        return -1;
    }
    apply(config);
    if (!service->kept && open_listens(service, config) < 0) {
        config_done(config);
        service_end(service);
        return -1;
    }
    *status = 0;
    return 0;
}

int config_restart(struct service *service, struct config *config)
{
    struct config fresh;

    if (load(service, &fresh) < 0)
        return -1;
    if (!service->kept) {
        /* What was found out at the start is still so. */
        struct config_facts facts = fresh.facts;

        fresh.facts = config->facts;
        config->facts = facts;
    }
    config_done(config);
    *config = fresh;
    apply(config);
    return 0;
}
