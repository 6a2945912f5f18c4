#include "base/log.h"
#include "base/text.h"
#include "base/when.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const int syslog_levels[] = {3, 4, 6, 7};

static _Atomic(const char *) service = "riad";
static atomic_int shown = LOG_LEVEL_INFO;
static atomic_bool journal;

/* sd-daemon(3): JOURNAL_STREAM names the device and inode of the journal's socket. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    if (stream == NULL || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
        return false;
    return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_open(const char *name, enum log_level level)
{
    service = name;
    journal = stderr_is_journal();
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    shown = (int)level;
}

/* What a reader's terminal must not obey is shown as `?`. Memory is not asked for: this is also
 * what tells that there is none. */
static size_t make_harmless(uint8_t *line, size_t length)
{
    size_t in = 0, out = 0;

    while (in < length) {
        uint32_t code;
        size_t took = text_decode(line + in, length - in, &code);

        if (text_is_unsafe_character(code) || (code == TEXT_REPLACEMENT && took == 1)) {
            line[out++] = '?';
        } else {
            memmove(line + out, line + in, took);
            out += took;
        }
        in += took;
    }
    return out;
}

static size_t put_head(char *line, enum log_level level)
{
    char now[WHEN_MAX];
    int length;

    if (journal) {
        length = snprintf(line, LINE_MAX_BYTES, "<%d>%s: ", syslog_levels[level], service);
    } else {
        when_rfc3339(when_wall_ms(), now);
        length = snprintf(line, LINE_MAX_BYTES, "%s %s %s: ", now, service, level_names[level]);
    }
    return (size_t)length;
}

static void write_line(enum log_level level, int error, const char *format, va_list arguments)
{
    char line[LINE_MAX_BYTES + 256];
    size_t length, head;
    int wanted;

    if ((int)level > shown)
        return;
    length = head = put_head(line, level);
    wanted = vsnprintf(line + length, LINE_MAX_BYTES - length, format, arguments);
    if (wanted > 0)
        length +=
            (size_t)wanted < LINE_MAX_BYTES - length ? (size_t)wanted : LINE_MAX_BYTES - length - 1;
    if (error != 0)
        length += (size_t)snprintf(line + length, 128, ": %s", strerrordesc_np(error));
    length = head + make_harmless((uint8_t *)line + head, length - head);
    line[length++] = '\n';
    while (write(STDERR_FILENO, line, length) < 0 && errno == EINTR)
        continue;
}

#define DEFINE_LOG(name, level)                                                                    \
    void name(const char *format, ...)                                                             \
    {                                                                                              \
        int saved = errno;                                                                         \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        write_line(level, 0, format, arguments);                                                   \
        va_end(arguments);                                                                         \
        errno = saved;                                                                             \
    }

DEFINE_LOG(log_error, LOG_LEVEL_ERROR)
DEFINE_LOG(log_warn, LOG_LEVEL_WARN)
DEFINE_LOG(log_info, LOG_LEVEL_INFO)
DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG)

void log_errno(const char *format, ...)
{
    int saved = errno;
    va_list arguments;

    va_start(arguments, format);
    write_line(LOG_LEVEL_ERROR, saved, format, arguments);
    va_end(arguments);
    errno = saved;
}
