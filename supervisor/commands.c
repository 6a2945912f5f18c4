#include "supervisor/command.h"

/* clang-format off */
const struct command *const commands[] = {
    &command_run,
    &command_check,
    &command_status,
    &command_people,
    &command_prefetch,
    &command_mirror,
    &command_backup,
    &command_export,
    &command_reset,
    NULL,
};
/* clang-format on */
