/*
 * What an SFTP or scp client sends, over a drop of its own: the first byte chooses the protocol.
 * Afterwards nothing lies outside of the drop, and nothing hidden in it but the parts.
 */
#include "base/fs.h"
#include "base/mem.h"
#include "chat/sftp_private.h"

#include <assert.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing here must survive a power cut. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

struct feed {
    const uint8_t *at, *end;
};

static int feed_read(void *context, void *bytes, size_t size)
{
    struct feed *feed = context;
    size_t length = (size_t)(feed->end - feed->at);

    /* In pieces, so that packets come torn. */
    length = length > size ? size : length;
    length = length > 1000 ? 1000 : length;
    memcpy(bytes, feed->at, length);
    feed->at += length;
    return (int)length;
}

static int feed_write(void *context, const void *bytes, size_t length)
{
    (void)context, (void)bytes, (void)length;
    return 0;
}

static struct config config;
static struct store *store;
static struct drop *drop;
static struct person person = {.name = "ada", .role = ROLE_PERSON};

static void remove_all(void)
{
    char *command = mem_printf("rm -rf '%s'", config.box.state);

    drop_close(drop);
    store_close(store);
    if (system(command) != 0)
        abort();
    free(command);
}

static void open_all(void)
{
    char folder[] = "/tmp/riad-fuzz-XXXXXX";

    log_open("fuzz", LOG_LEVEL_ERROR);
    config_init(&config);
    free(config.box.state);
    config.box.state = mem_dup(mkdtemp(folder));
    config.box.reserve_percent = 0;
    config.web.max_file = 1 << 20;
    store = store_open_memory();
    store_run(store,
              "INSERT INTO person (name, skeleton, created_at, seen_at) VALUES ('ada', "
              "'ada', 0, 0)",
              "");
    person.id = store_last_id(store);
    drop = drop_open(&config, store);
    assert(store && drop);
    atexit(remove_all);
}

/* The state folder holds the drop alone. */
static void check_beneath(void)
{
    DIR *folder = opendir(config.box.state);
    struct dirent *entry;

    while ((entry = readdir(folder)))
        assert(*entry->d_name == '.' || strcmp(entry->d_name, "drop") == 0);
    closedir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const commands[] = {NULL, "scp -t .", "scp -rtp -- 'a b'", "scp -rpf ."};
    struct feed feed;
    const struct sftp_pipe pipe = {.read = feed_read, .write = feed_write, .context = &feed};
    struct sftp sftp;

    if (!drop)
        open_all();
    if (size == 0)
        return 0;
    feed = (struct feed){.at = data + 1, .end = data + size};
    sftp_init(&sftp, drop, &person);
    if (commands[data[0] % 4])
        scp_run(&sftp, &pipe, commands[data[0] % 4]);
    else
        sftp_run(&sftp, &pipe);
    sftp_done(&sftp);
    check_beneath();
    return 0;
}
