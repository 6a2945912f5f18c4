#include "supervisor/command.h"

const struct command *const commands[] = {
    &command_run,
    NULL,
};
