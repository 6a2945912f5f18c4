/* Stands in for sftp.c where that is not built: every transfer ends with a failure. */
#include "chat/sftp.h"

int sftp_serve(const struct sftp_door *door)
{
    (void)door;
    return -1;
}

bool sftp_wants(const char *command)
{
    (void)command;
    return false;
}

int sftp_exec(const struct sftp_door *door, const char *command)
{
    (void)door;
    (void)command;
    return 1;
}
