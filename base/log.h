/*
 * log: one line per event to standard error.
 *
 * A line is `TIME SERVICE LEVEL: TEXT`, or `<N>SERVICE: TEXT` with syslog's level N when standard
 * error is the journal (JOURNAL_STREAM, sd-daemon(3)). The whole line is written by one write(2),
 * so that processes sharing the descriptor never mix. Control characters in the text are shown as
 * `?`: what comes from strangers may be logged without care. People's words and secrets are never
 * logged. Threads may log at once.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Names this process in its lines (kept, not copied) and sets the least important level shown. */
void log_open(const char *service, enum log_level level);

/* Changes the level, e.g. after SIGHUP. */
void log_set_level(enum log_level level);

/* Something failed that somebody has to mend, or that cost somebody something. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Something is not as it should be, and riad goes on. */
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Something happened that an operator wants to read tomorrow. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What the other side did wrong, and all that helps to find a fault. */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* log_error with `: ` and the text of errno behind it. */
void log_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
