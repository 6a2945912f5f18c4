#include "supervisor/notify.h"

#include "base/buf.h"
#include "base/fs.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_send(const char *format, ...)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = path ? strlen(path) : 0;
    struct buf text;
    va_list arguments;
    int fd;

    if (length < 2 || length >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* an abstract socket */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    buf_init(&text, 4096);
    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);
    (void)!sendto(fd, text.data, text.len, MSG_NOSIGNAL, (struct sockaddr *)&address,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    buf_done(&text);
    fs_close(fd);
}

int64_t notify_watchdog_ms(void)
{
    const char *patience = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (!patience || (pid && strtol(pid, NULL, 10) != getpid()))
        return 0;
    return strtoll(patience, NULL, 10) / 2000;
}
