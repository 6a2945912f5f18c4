#include "supervisor/greeting.h"

#include "base/fs.h"
#include "base/log.h"
#include "config/reach.h"
#include "supervisor/qr.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put_ssh(struct buf *out, const struct config *config)
{
    int port = config_ssh_port(config);
    struct reach reach;

    reach_find(&reach, config, &config->facts.chat_listens, port);
    if (reach.count == 0)
        return;
    char *line = reach_ssh("YOURNAME", reach.host[0], port);
    buf_printf(out, "chat and files:   %s\n", line);
    buf_printf(out, "its host key:     %s\n", config->facts.host_key);
    free(line);
}

static void put_web(struct buf *out, const struct config *config)
{
    int port = config_web_port(config);
    struct reach reach;

    reach_find(&reach, config, &config->facts.web_listens, port);
    for (size_t i = 0; i < reach.count; i++) {
        char *url = reach_url(reach.host[i], port);
        buf_printf(out, "%-17s %s\n", i == 0 ? "in a browser:" : "", url);
        free(url);
    }
    if (reach.count == 0 || !config->mirror[0].enabled)
        return;
    char *url = reach_url(reach.host[0], port);
    buf_printf(out, "opam, first time: opam init %sopam\n", url);
    buf_printf(out, "opam, otherwise:  opam repository set-url default %sopam\n", url);
    free(url);
}

void greeting_put(struct buf *out, const struct config *config)
{
    put_ssh(out, config);
    put_web(out, config);
}

/* For phones that look at the screen. */
static void put_code(struct buf *out, const struct config *config)
{
    int port = config_web_port(config);
    struct reach reach;

    reach_find(&reach, config, &config->facts.web_listens, port);
    if (reach.count == 0)
        return;
    char *url = reach_url(reach.host[0], port);
    buf_putc(out, '\n');
    qr_put(out, url, 2);
    free(url);
}

void greeting_print(const struct config *config)
{
    struct buf text;
    char *rest, *line;

    buf_init(&text, 32768);
    greeting_put(&text, config);
    if (isatty(STDERR_FILENO)) {
        put_code(&text, config);
        buf_putc(&text, '\n');
        (void)!write(STDERR_FILENO, "\n", 1);
        (void)fs_write_all(STDERR_FILENO, text.data, text.len);
        buf_done(&text);
        return;
    }
    rest = buf_take(&text);
    buf_done(&text);
    for (char *at = rest; (line = strsep(&at, "\n"));)
        if (*line)
            log_info("%s", line);
    free(rest);
}
