/*
 * riad-chat: the box's SSH server. One thread serves the conversation (server.h), one speaks to the
 * store (worker.h), and each file transfer has one of its own (session_carrier.h).
 */
#include "base/mem.h"
#include "chat/server.h"
#include "config/start.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    struct service service;
    struct config *config = mem_alloc(sizeof(*config));
    struct server server;
    int status = 1;

    if (config_start(&service, config, SERVICE_CHAT, argc, argv, &status) != 0) {
        free(config);
        return status;
    }
    if (server_open(&server, &service, config) == 0) {
        server_run(&server);
        status = 0;
    } else {
        status = 1;
    }
    server_close(&server);
    config_done(server.config);
    free(server.config);
    service_end(&service);
    return status;
}
