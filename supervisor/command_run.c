#include "supervisor/command.h"

#include "supervisor/keeper.h"

static int run(struct command_line *line)
{
    struct config config = line->config;

    /* The keeper takes it over; what is left behind is empty. */
    config_init(&line->config);
    return keeper_run(&config, line->config_path);
}

const struct command command_run = {
    .name = "run",
    .summary = "run the box in the foreground; SIGTERM or ^C ends it, SIGHUP re-reads FILE",
    .help =
        "Starts a process for each service, keeps them alive, and writes one line per event to\n"
        "standard error. As soon as every enabled service accepts, after 10 s at the latest, a\n"
        "line that starts with `ready` names what runs and what does not.\n"
        "Exit status: 0 after a clean stop, 2 for a bad configuration, 1 for anything else.\n",
    .run = run,
};
